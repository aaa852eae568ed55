/** One ffmpeg child through fluent-ffmpeg: started, fed, killed for certain, and its exit told once. */
import type { ChildProcess } from "node:child_process";
import { type Readable, Writable } from "node:stream";
import ffmpeg from "fluent-ffmpeg";
import { TruecastError } from "../errors.ts";
import type { FfmpegArguments } from "./ffmpeg-arguments.ts";

export interface FfmpegExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Set when there was no process to begin with (ffmpeg is not installed). */
  readonly error: TruecastError | null;
}

export interface FfmpegProcess {
  /** Null until the process exists. */
  readonly pid: number | null;
  /** The process is gone; never rejects. Output may still be in the pipes. */
  readonly exited: Promise<FfmpegExit>;
  /** The process is gone and all of its output was handed on; never rejects. */
  readonly finished: Promise<FfmpegExit>;
  /** SIGTERM, after `termGraceMs` SIGKILL; resolves when the process is gone. Idempotent. */
  stop(options?: { readonly termGraceMs?: number }): Promise<FfmpegExit>;
}

export interface FfmpegProcessOptions {
  /** A file or URL, or the bytes for stdin. */
  readonly input: string | Readable;
  readonly arguments: FfmpegArguments;
  /** Bytes of stdout; the pipe is read on once `taken` was called. */
  readonly onOutput: (chunk: Buffer, taken: () => void) => void;
  readonly onLogLine: (line: string) => void;
}

const DEFAULT_TERM_GRACE_MS = 1000;
/** A process that outlives SIGKILL for this long hangs in the kernel; whoever waits for it must go on without it. */
const KILL_TIMEOUT_MS = 5000;

export function startFfmpeg(options: FfmpegProcessOptions): FfmpegProcess {
  const { promise: exited, resolve: tellExit } = Promise.withResolvers<FfmpegExit>();
  const { promise: logEnded, resolve: tellLogEnded } = Promise.withResolvers<void>();
  const { promise: outputEnded, resolve: tellOutputEnded } = Promise.withResolvers<void>();
  let child: ChildProcess | null = null;
  // fluent-ffmpeg ignores a kill before 'start' and would leak the child: such a wish is kept until then.
  let signalOnStart: NodeJS.Signals | null = null;
  let stopping: Promise<FfmpegExit> | null = null;

  // Closing by itself would make fluent-ffmpeg kill a process that is about to end well.
  const output = new Writable({ autoDestroy: false, write: (chunk: Buffer, _encoding, taken) => options.onOutput(chunk, taken) });

  const command = ffmpeg({ stdoutLines: 20 })
    .setFfmpegPath(process.env["FFMPEG_PATH"] ?? "ffmpeg")
    .input(options.input)
    .inputOptions(...splitless(options.arguments.inputOptions))
    .output(output)
    .outputOptions(...splitless(options.arguments.outputOptions));

  // fluent-ffmpeg would start ffmpeg twice before the first real start, to list formats and encoders, and its parser does
  // not understand the table of newer ffmpegs. The arguments are fixed, so ffmpeg itself is the judge of them.
  command.availableFormats = (callback) => callback(noError, { flv: capability, ivf: capability, rawvideo: capability });
  command.availableEncoders = (callback) => callback(noError, {});

  command.on("start", () => {
    const started = (command as unknown as { readonly ffmpegProc: ChildProcess }).ffmpegProc;
    child = started;
    if (started.pid === undefined) {
      // fluent-ffmpeg's own listener for this throws a TypeError, which nobody could catch.
      started.removeAllListeners("error");
      started.once("error", (cause) => {
        tellExit({ code: null, signal: null, error: new TruecastError("setup-incomplete", "ffmpeg cannot be started; install it or put it on the PATH.", { cause }) });
        tellLogEnded();
        tellOutputEnded();
      });
    }
    started.once("exit", (code, signal) => tellExit({ code, signal, error: null }));
    started.stdin?.once("error", () => {
      // EPIPE of a dying ffmpeg; its exit says all that there is to say.
    });
    if (signalOnStart) started.kill(signalOnStart);
  });
  command.on("stderr", options.onLogLine);
  command.on("end", () => tellLogEnded());
  // Emitted after 'exit', which has told all; without a listener it would be an uncaught exception.
  command.on("error", () => tellLogEnded());
  output.once("finish", () => tellOutputEnded());
  command.run();

  async function climbStopLadder(termGraceMs: number): Promise<FfmpegExit> {
    send("SIGTERM");
    // An ffmpeg that waits for input does not see the signal until its read returns.
    child?.stdin?.destroy();
    // A stopped (SIGSTOP) or wedged process does not act on SIGTERM.
    const killTimer = setTimeout(() => send("SIGKILL"), termGraceMs);
    const giveUpTimer = setTimeout(() => {
      tellExit({ code: null, signal: null, error: new TruecastError("decoder-stalled", `ffmpeg (pid ${child?.pid}) does not end on SIGKILL.`) });
    }, termGraceMs + KILL_TIMEOUT_MS);
    const exit = await exited;
    clearTimeout(killTimer);
    clearTimeout(giveUpTimer);
    // What nobody will read keeps its pipes open for ever.
    child?.stdout?.destroy();
    child?.stderr?.destroy();
    child?.stdin?.destroy();
    output.destroy();
    tellOutputEnded();
    tellLogEnded();
    return exit;
  }

  function send(signal: NodeJS.Signals): void {
    if (child) child.kill(signal);
    else signalOnStart = signal;
  }

  return {
    get pid() {
      return child?.pid ?? null;
    },
    exited,
    finished: Promise.all([exited, logEnded, outputEnded]).then(([exit]) => exit),
    stop: (stopOptions = {}) => (stopping ??= climbStopLadder(stopOptions.termGraceMs ?? DEFAULT_TERM_GRACE_MS)),
  };
}

// The typings demand an Error even where there is none.
const noError = null as unknown as Error;
const capability = { description: "", canDemux: true, canMux: true };

/** fluent-ffmpeg splits an option at its blank only when it is given as the single argument. */
function splitless(options: readonly string[]): string[] {
  if (options.length < 2) throw new RangeError("at least two options");
  return [...options];
}
