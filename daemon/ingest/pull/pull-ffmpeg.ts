/** One ffmpeg that gives FLV on its standard output, ended in steps and never left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { TruecastError } from "../../../pipelines/errors.ts";
import { errorName } from "../../outbound/outbound-guard.ts";
import { FILE_DESCRIPTOR } from "./pull-arguments.ts";

export interface PullFfmpegOptions {
  readonly arguments: readonly string[];
  readonly feedsStdin: boolean;
  /** Open descriptor that becomes number 3; stays the caller's. */
  readonly file: number | null;
  readonly termGraceMs: number;
  readonly onOutput: (chunk: Buffer) => void;
  readonly onLogLine: (line: string) => void;
}

export interface PullFfmpegExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It could not be started. */
  readonly error: TruecastError | null;
}

export interface PullFfmpeg {
  readonly stdin: Writable | null;
  /** Resolves after the exit and the last output. */
  readonly exited: Promise<PullFfmpegExit>;
  /** SIGTERM, then SIGKILL. Idempotent; resolves after the exit. */
  stop(): Promise<PullFfmpegExit>;
}

/** Nothing of the environment matters to it, and a proxy named there would be asked instead of the pinned address. */
const ENVIRONMENT = ["PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR"];

export function startPullFfmpeg(options: PullFfmpegOptions): PullFfmpeg {
  const env = Object.fromEntries(ENVIRONMENT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
  const stdio = [options.feedsStdin ? "pipe" : "ignore", "pipe", "pipe", ...(options.file === null ? [] : [options.file])] as ("pipe" | "ignore" | number)[];
  if (options.file !== null && stdio.length !== FILE_DESCRIPTOR + 1) throw new TruecastError("internal", "The file is not where ffmpeg looks for it.");
  const child: ChildProcess = spawn("ffmpeg", options.arguments, { stdio, env });
  const stdout = child.stdout as Readable | null;
  const stderr = child.stderr as Readable | null;
  stdout?.on("data", options.onOutput);
  if (stderr) createInterface({ input: stderr, crlfDelay: Number.POSITIVE_INFINITY }).on("line", options.onLogLine);
  // Whoever writes learns from the exit that nobody reads.
  child.stdin?.on("error", () => undefined);

  const exit = Promise.withResolvers<PullFfmpegExit>();
  child.once("error", (error) => {
    if (child.pid === undefined) exit.resolve({ code: null, signal: null, error: new TruecastError("setup-incomplete", `ffmpeg cannot be started (${errorName(error)}).`, { cause: error }) });
  });
  child.once("close", (code, signal) => exit.resolve({ code, signal, error: null }));

  let stopping: Promise<PullFfmpegExit> | null = null;
  const stop = async (): Promise<PullFfmpegExit> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    const killTimer = setTimeout(() => child.kill("SIGKILL"), options.termGraceMs);
    const ended = await exit.promise;
    clearTimeout(killTimer);
    return ended;
  };
  return { stdin: child.stdin, exited: exit.promise, stop: () => (stopping ??= stop()) };
}
