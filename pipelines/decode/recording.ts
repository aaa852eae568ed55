/** A file or URL as frames: the live filter chain, as fast as its reader takes them. */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { TruecastError } from "../errors.ts";
import { type Frame, SAMPLE_RATE_HZ } from "../types.ts";
import { readDecoderLogLine } from "./decoder-log.ts";
import { judgePictureSize, probeArguments, recordingArguments, type RecordingSource, recordingSource } from "./ffmpeg-arguments.ts";
import { startFfmpeg } from "./ffmpeg-process.ts";
import { type AssembledFrame, createFrameAssembler } from "./frame-assembler.ts";
import { createMediaClock, createSlotGate } from "./media-clock.ts";

export interface RecordingInfo {
  /** Null where the container does not say. */
  readonly durationMs: number | null;
  /** Coded size, before rotation and scaling. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly codec: string;
  /** By what `ptsMs` of its frames are longer than the recording's own times; 1 unless it was opened with `slowShort`. */
  readonly slowedBy: number;
}

export interface RecordingOptions {
  readonly signal?: AbortSignal;
  /**
   * Slows a recording that is shorter than a full horizon, down to its own frame rate at the slowest, so that more of
   * its frames are looked at: 2.6 s at 25 frames a second give 65 frames instead of 26.
   */
  readonly slowShort?: boolean;
}

export interface Recording extends AsyncDisposable {
  readonly info: RecordingInfo;
  /** Decode errors so far; a damaged file still gives the frames that can be decoded. */
  readonly decodeErrors: number;
  /**
   * The frames, once: PTS from the start of the file (times `slowedBy`), one a slot at most. ffmpeg waits while nobody asks for the next.
   * Leaving the loop ends ffmpeg.
   * @throws TruecastError input-not-media when not one frame can be decoded; the signal's reason when aborted
   */
  frames(): AsyncGenerator<Frame, void, undefined>;
  close(): Promise<void>;
}

/** Frames decoded while the reader is busy with one. */
const FRAMES_AHEAD = 3;

/**
 * Probes the input; nothing is decoded until `frames()` is asked.
 * @throws TruecastError input-not-found, input-empty, input-not-media, picture-size-refused, setup-incomplete
 */
export async function openRecording(pathOrUrl: string, options: RecordingOptions = {}): Promise<Recording> {
  const { signal, slowShort = false } = options;
  signal?.throwIfAborted();
  const source = recordingSource(pathOrUrl);
  if (source.kind === "file") await checkFile(pathOrUrl);
  const { frameRate, ...probed } = await probe(source, pathOrUrl, signal);
  const info: RecordingInfo = { ...probed, slowedBy: slowShort ? slowness(probed.durationMs, frameRate) : 1 };
  signal?.throwIfAborted();
  const closed = new AbortController();
  let ended: Promise<unknown> = Promise.resolve();
  let opened = false;
  let decodeErrors = 0;

  async function* frames(): AsyncGenerator<Frame, void, undefined> {
    if (opened) throw new TruecastError("internal", "The frames of a recording can be read once.");
    opened = true;
    const stopSignal = signal ? AbortSignal.any([signal, closed.signal]) : closed.signal;
    stopSignal.throwIfAborted();
    const ready: AssembledFrame[] = [];
    let wake = Promise.withResolvers<void>();
    let timeBase = { numerator: 1, denominator: 1000 };
    let done = false;
    let failure: unknown = null;
    const assembler = createFrameAssembler((frame) => {
      ready.push(frame);
      wake.resolve();
      // Beyond this stdout is left unread, and ffmpeg waits.
      return ready.length < FRAMES_AHEAD;
    });
    const decoder = startFfmpeg({
      input: source.input,
      arguments: recordingArguments(source, info.slowedBy),
      onOutput: (chunk, taken) => assembler.pixels(chunk, taken),
      onLogLine(line) {
        const entry = readDecoderLogLine(line);
        if (entry.kind === "error") decodeErrors++;
        if (entry.kind === "time-base") timeBase = entry;
        if (entry.kind !== "frame") return;
        const rawPtsMs = entry.pts === null ? null : ticksToMs(entry.pts, timeBase);
        try {
          assembler.announce({ rawPtsMs, widthPx: entry.widthPx, heightPx: entry.heightPx });
        } catch (error) {
          failure = error;
          wake.resolve();
        }
      },
    });
    void decoder.finished.then((exit) => {
      done = true;
      failure ??= exit.error;
      if (exit.signal !== null) failure ??= new TruecastError("decoder-exited", `${pathOrUrl}: ffmpeg was ended by ${exit.signal}.`);
      wake.resolve();
    });
    const interrupt = () => {
      failure = stopSignal.reason;
      wake.resolve();
      // The reader may never ask again, and then nothing below would run.
      ended = decoder.stop({ termGraceMs: 0 });
    };
    stopSignal.addEventListener("abort", interrupt, { once: true });
    // Positions in a file are what a person seeks to: a long still picture is no jump.
    const clock = createMediaClock({ maxForwardJumpMs: Number.POSITIVE_INFINITY });
    const gate = createSlotGate();
    let delivered = 0;
    try {
      while (true) {
        if (failure !== null) throw failure;
        const next = ready.shift();
        if (next) {
          assembler.resume();
          const { ptsMs } = clock.advance(next.rawPtsMs ?? 0);
          if (gate.admit(ptsMs).kind === "new-slot") {
            delivered++;
            yield { ptsMs, widthPx: next.widthPx, heightPx: next.heightPx, rgb: next.rgb, decodedAtMs: performance.now() };
          }
        } else if (done) {
          break;
        } else {
          await wake.promise;
          wake = Promise.withResolvers<void>();
        }
      }
      // ffmpeg's exit code is 0 for many inputs of which nothing can be decoded.
      if (delivered === 0) throw new TruecastError("input-not-media", `${pathOrUrl}: no frame can be decoded.`);
    } finally {
      stopSignal.removeEventListener("abort", interrupt);
      ended = decoder.stop({ termGraceMs: 0 });
      await ended;
    }
  }

  const recording: Recording = {
    info,
    get decodeErrors() {
      return decodeErrors;
    },
    frames,
    async close() {
      closed.abort(new DOMException("The recording was closed.", "AbortError"));
      await ended;
    },
    [Symbol.asyncDispose]: () => recording.close(),
  };
  return recording;
}

async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw new TruecastError("input-not-found", `${path}: no such file, or it may not be read.`, { cause: error });
  });
  if (found.isDirectory()) throw new TruecastError("input-not-media", `${path}: is a directory.`);
  if (found.isFile() && found.size === 0) throw new TruecastError("input-empty", `${path}: the file is empty.`);
}

interface ProbeReport {
  readonly error?: { readonly code: number; readonly string: string };
  readonly streams?: readonly { readonly codec_name?: string; readonly width?: number; readonly height?: number; readonly duration?: string; readonly avg_frame_rate?: string }[];
  readonly format?: { readonly duration?: string };
}

/** AVERROR_INVALIDDATA, and EINVAL, which is what a container off the whitelist gives. */
const NOT_MEDIA_CODES: ReadonlySet<number> = new Set([-1094995529, -22]);
const PROBE_TIMEOUT_MS = 30_000;
const MAX_PROBE_BYTES = 4 * 1024 * 1024;

/** Not through fluent-ffmpeg, whose ffprobe has no deadline, cannot be aborted and keeps any amount of output. */
async function probe(source: RecordingSource, name: string, signal: AbortSignal | undefined): Promise<Omit<RecordingInfo, "slowedBy"> & { readonly frameRate: number | null }> {
  const report = await new Promise<ProbeReport>((resolve, reject) => {
    const limits = { timeout: PROBE_TIMEOUT_MS, maxBuffer: MAX_PROBE_BYTES, killSignal: "SIGKILL" as const, ...(signal ? { signal } : {}) };
    execFile("ffprobe", [...probeArguments(source), source.input], limits, (error, stdout) => {
      if (signal?.aborted === true) reject(signal.reason);
      else if (error?.code === "ENOENT") reject(new TruecastError("setup-incomplete", "ffprobe cannot be started; install ffmpeg or put it on the PATH.", { cause: error }));
      // With an exit code ffprobe has said why on stdout; without one it was ended here.
      else if (error && typeof error.code !== "number") reject(new TruecastError("input-not-media", `${name}: cannot be probed within ${PROBE_TIMEOUT_MS / 1000} s.`, { cause: error }));
      else resolve(readProbeReport(stdout));
    });
  });
  if (report.error) {
    const code = source.kind === "url" && !NOT_MEDIA_CODES.has(report.error.code) ? "input-not-found" : "input-not-media";
    throw new TruecastError(code, `${name}: ${report.error.string}.`);
  }
  const stream = report.streams?.[0];
  if (!stream) throw new TruecastError("input-not-media", `${name}: holds no video.`);
  const { width: widthPx = 0, height: heightPx = 0 } = stream;
  if (widthPx === 0 || heightPx === 0) throw new TruecastError("input-not-media", `${name}: the video has no picture size.`);
  const size = judgePictureSize(widthPx, heightPx);
  if (size.kind === "refused") throw new TruecastError("picture-size-refused", `${name}: ${size.message}`);
  const seconds = Number(report.format?.duration ?? stream.duration);
  const [frames = Number.NaN, per = Number.NaN] = (stream.avg_frame_rate ?? "").split("/").map(Number);
  const frameRate = frames / per;
  return { durationMs: Number.isFinite(seconds) ? seconds * 1000 : null, widthPx, heightPx, codec: stream.codec_name ?? "unknown", frameRate: Number.isFinite(frameRate) ? frameRate : null };
}

/** A full horizon of 100 frames lasts this long at ten frames a second. */
const HORIZON_MS = 10_000;

function slowness(durationMs: number | null, frameRate: number | null): number {
  if (durationMs === null || frameRate === null || durationMs <= 0) return 1;
  return Math.max(1, Math.min(HORIZON_MS / durationMs, frameRate / SAMPLE_RATE_HZ));
}

function readProbeReport(stdout: string): ProbeReport {
  try {
    return JSON.parse(stdout) as ProbeReport;
  } catch {
    // A crashed ffprobe leaves half a document: nothing is known of the input.
    return {};
  }
}

/** To whole microseconds, so that a slot's first tick is not counted to the slot before. */
function ticksToMs(ticks: number, timeBase: { readonly numerator: number; readonly denominator: number }): number {
  return Math.round((ticks * timeBase.numerator * 1_000_000) / timeBase.denominator) / 1000;
}
