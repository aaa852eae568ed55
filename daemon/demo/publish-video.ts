/** Publishes a video file over RTMP, again and again and at its own pace, with a real ffmpeg: a stand-in for a camera. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";

export interface PublisherOptions {
  readonly file: string;
  /** rtmp://host:port/app/key. The key is never logged; ffmpeg's command line shows it to the machine's own users. */
  readonly url: string;
  readonly log: Logger;
}

export interface Publisher extends AsyncDisposable {
  /** Times that ffmpeg was started again. */
  readonly restarts: number;
  /** Ends ffmpeg and comes back when it is gone. Idempotent. */
  close(): Promise<void>;
}

const RESTART_DELAY_MS = [500, 1_000, 2_000, 5_000] as const;
/** An ffmpeg that has run for this long had published well: the next restart is a quick one again. */
const SETTLED_AFTER_MS = 10_000;
const TERM_GRACE_MS = 1_000;
const PROBE_TIMEOUT_MS = 10_000;

type State = { readonly kind: "publishing"; readonly child: ChildProcess } | { readonly kind: "waiting" } | { readonly kind: "closed" };

/** @throws TruecastError input-not-found, input-empty, input-not-media, setup-incomplete */
export async function startPublisher({ file, url, log }: PublisherOptions, signal?: AbortSignal): Promise<Publisher> {
  signal?.throwIfAborted();
  const publishArguments = publisherArguments({ file, url, copy: (await videoCodecOf(file)) === "h264" });
  const closing = new AbortController();
  const place = withoutKey(url);
  let state: State = { kind: "waiting" };
  let restarts = 0;

  async function publishUntilClosed(): Promise<void> {
    let failuresInARow = 0;
    while (!closing.signal.aborted) {
      const startedAtMs = performance.now();
      const { child, ended } = startFfmpeg(publishArguments);
      state = { kind: "publishing", child };
      log.info({ file, place, pid: child.pid }, "publishing");
      const { code, complaint } = await ended;
      if (closing.signal.aborted) return;
      state = { kind: "waiting" };
      failuresInARow = performance.now() - startedAtMs > SETTLED_AFTER_MS ? 0 : failuresInARow + 1;
      restarts++;
      const delayMs = RESTART_DELAY_MS[Math.min(failuresInARow, RESTART_DELAY_MS.length - 1)]!;
      log.warn({ place, code, complaint: redacted(complaint, url), delayMs }, "the publishing ffmpeg ended; starting it again");
      // Rejects only when closed, which ends the loop.
      await Promise.allSettled([delay(delayMs, undefined, { signal: closing.signal })]);
    }
  }

  const publishing = publishUntilClosed();

  async function close(): Promise<void> {
    closing.abort();
    signal?.removeEventListener("abort", onAbort);
    const before = state;
    state = { kind: "closed" };
    if (before.kind === "publishing") await endChild(before.child);
    await publishing;
  }

  function onAbort(): void {
    void close();
  }

  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    close,
    [Symbol.asyncDispose]: close,
    get restarts() {
      return restarts;
    },
  };
}

export interface PublisherArguments {
  readonly file: string;
  readonly url: string;
  /** H.264 goes out as it is; anything else is encoded, since FLV carries little else. */
  readonly copy: boolean;
}

export function publisherArguments({ file, url, copy }: PublisherArguments): string[] {
  const encode = ["-vf", "scale='min(1920,iw)':-2", "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-b:v", "2500k", "-g", "60"];
  const codec = copy ? ["-c:v", "copy"] : encode;
  return ["-nostdin", "-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", file, "-map", "0:v:0", "-an", ...codec, "-f", "flv", url];
}

async function videoCodecOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => null);
  if (found === null || !found.isFile()) throw new TruecastError("input-not-found", `${file} does not exist or is not a file.`);
  if (found.size === 0) throw new TruecastError("input-empty", `${file} holds no bytes.`);
  const probe = ["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file];
  try {
    const { stdout } = await promisify(execFile)(process.env["FFPROBE_PATH"] ?? "ffprobe", probe, { timeout: PROBE_TIMEOUT_MS });
    const codec = stdout.trim().split("\n")[0] ?? "";
    if (codec !== "") return codec;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      throw new TruecastError("setup-incomplete", "ffprobe cannot be started; install ffmpeg or put it on the PATH.", { cause });
    }
    throw new TruecastError("input-not-media", `${file} holds no video that ffmpeg can read.`, { cause });
  }
  throw new TruecastError("input-not-media", `${file} holds no video.`);
}

interface RunningFfmpeg {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | string | null; readonly complaint: string }>;
}

function startFfmpeg(ffmpegArguments: readonly string[]): RunningFfmpeg {
  const child = spawn(process.env["FFMPEG_PATH"] ?? "ffmpeg", ffmpegArguments, { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-300);
  });
  const ended = new Promise<Awaited<RunningFfmpeg["ended"]>>((resolve) => {
    child.once("error", (error) => resolve({ code: null, complaint: error.message }));
    child.once("close", (code, killedBy) => resolve({ code: code ?? killedBy, complaint }));
  });
  return { child, ended };
}

/** Resolves when the process is gone, as far as signals go; its `close` event follows. */
async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  // A publisher that hangs in the network does not act on SIGTERM.
  const killTimer = setTimeout(() => child.kill("SIGKILL"), TERM_GRACE_MS);
  await exited;
  clearTimeout(killTimer);
}

function keyOf(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

function withoutKey(url: string): string {
  return url.slice(0, url.lastIndexOf("/"));
}

function redacted(text: string, url: string): string {
  const key = keyOf(url);
  return key === "" ? text.trim() : text.trim().replaceAll(key, "***");
}
