/** What a clip passes through before it is analysed: nothing, or the H.264 of a live stream by real ffmpeg. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { inputGuards, recordingSource } from "../../pipelines/decode/ffmpeg-arguments.ts";
import { openRecording, type Recording } from "../../pipelines/decode/recording.ts";
import { TruecastError } from "../../pipelines/errors.ts";

export type Channel =
  | { readonly kind: "source" }
  /** All clips to one height, frame rate and bit rate, so that none of them tells real from fake. */
  | { readonly kind: "h264"; readonly bitrateKbps: number; readonly heightPx: number };

export const DEFAULT_HEIGHT_PX = 480;
const FRAME_RATE = 25;
const MIN_KBPS = 50;
const MAX_KBPS = 50_000;

const run = promisify(execFile);

/**
 * @param text comma-separated bit rates in kbit/s, or `source`, for example `300,800,source`
 * @throws TruecastError config-invalid
 */
export function parseChannels(text: string, heightPx: number): Channel[] {
  const channels = text.split(",").map((part): Channel => {
    const word = part.trim();
    if (word === "source") return { kind: "source" };
    const bitrateKbps = Number(word);
    if (!Number.isInteger(bitrateKbps) || bitrateKbps < MIN_KBPS || bitrateKbps > MAX_KBPS) {
      throw new TruecastError("config-invalid", `--bitrates holds "${word}" but each must be "source" or whole kbit/s from ${MIN_KBPS} to ${MAX_KBPS}`);
    }
    return { kind: "h264", bitrateKbps, heightPx };
  });
  const names = channels.map(channelName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new TruecastError("config-invalid", `--bitrates holds ${twice} twice`);
  return channels;
}

export function channelName(channel: Channel): string {
  return channel.kind === "source" ? "source" : `h264-${channel.bitrateKbps}k-${channel.heightPx}p`;
}

export interface OpenedClip extends AsyncDisposable {
  readonly recording: Recording;
  /** The file that is decoded: the clip, or its re-encoded copy. */
  readonly path: string;
}

/**
 * Opens a clip as it comes out of the channel. Disposing of the recording also removes the re-encoded copy.
 * @throws TruecastError as openRecording
 */
export async function openThroughChannel(path: string, channel: Channel, options: { readonly maxSeconds: number | null; readonly signal: AbortSignal; readonly slowShort?: boolean }): Promise<OpenedClip> {
  const { signal, maxSeconds, slowShort = false } = options;
  await using stack = new AsyncDisposableStack();
  const original = stack.use(await openRecording(path, { signal, slowShort }));
  let opened = { recording: original, path };
  if (channel.kind === "h264") {
    const folder = await mkdtemp(join(tmpdir(), "truecast-channel-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const encoded = join(folder, "clip.mkv");
    await encode({ path, encoded, channel, maxSeconds, signal });
    opened = { recording: stack.use(await openRecording(encoded, { signal, slowShort })), path: encoded };
  }
  const kept = stack.move();
  return { ...opened, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Settings of a live encoder: constant rate, one second of buffer, a keyframe every two seconds. One thread: the same bytes on every machine. */
export function encodeArguments(path: string, encoded: string, channel: Extract<Channel, { kind: "h264" }>, maxSeconds: number | null): string[] {
  const source = recordingSource(path);
  const rate = `${channel.bitrateKbps}k`;
  return [
    "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1",
    ...inputGuards(source), "-i", source.input,
    "-map", "0:V:0", ...(maxSeconds === null ? [] : ["-t", String(maxSeconds)]),
    "-vf", `fps=${FRAME_RATE},scale=w=-2:h=${channel.heightPx}:flags=bicubic,setsar=1,format=yuv420p`,
    "-c:v", "libx264", "-preset", "veryfast", "-threads", "1",
    "-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-g", String(2 * FRAME_RATE),
    "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-y", encoded,
  ];
}

async function encode({ path, encoded, channel, maxSeconds, signal }: { path: string; encoded: string; channel: Extract<Channel, { kind: "h264" }>; maxSeconds: number | null; signal: AbortSignal }): Promise<void> {
  try {
    await run("ffmpeg", encodeArguments(path, encoded, channel, maxSeconds), { signal, killSignal: "SIGKILL", maxBuffer: 16 * 1024 * 1024 });
  } catch (error) {
    signal.throwIfAborted();
    const lines = error instanceof Error && "stderr" in error && typeof error.stderr === "string" ? error.stderr.trim().split("\n") : [];
    throw new TruecastError("input-not-media", `${path}: cannot be re-encoded: ${lines.at(-1) ?? "ffmpeg failed"}`, { cause: error });
  }
}

/** @throws TruecastError setup-incomplete when a channel needs an encoder that this ffmpeg lacks */
export async function checkEncoder(channels: readonly Channel[]): Promise<void> {
  if (channels.every((channel) => channel.kind === "source")) return;
  const { stdout } = await run("ffmpeg", ["-hide_banner", "-encoders"]).catch((error: unknown) => {
    throw new TruecastError("setup-incomplete", "ffmpeg cannot be started; install ffmpeg or put it on the PATH.", { cause: error });
  });
  if (!/\slibx264\s/.test(stdout)) throw new TruecastError("setup-incomplete", "this ffmpeg has no libx264 encoder, which re-encoding needs; install the distribution's full ffmpeg");
}
