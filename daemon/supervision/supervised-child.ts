/** Keeps one child process of the daemon running: start, readiness, heartbeat, restart with back-off, orderly end. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { type ErrorCode, ERROR_CODES, TruecastError } from "../../pipelines/errors.ts";
import { passOn } from "../log-output.ts";
import { BackOff } from "./back-off.ts";
import { killGroup } from "./process-group.ts";

/** Why a child was started again; the label `cause` of truecast_restarts_total. */
export const RESTART_CAUSES = ["exit", "signal", "wedged", "start-failed"] as const;
export type RestartCause = (typeof RESTART_CAUSES)[number];

/** What every child understands besides its own messages. */
export type ControlMessage<Init> = { readonly type: "init"; readonly options: Init } | { readonly type: "close" };

/** What every child says besides its own messages. */
export type LifecycleMessage<Info> =
  | { readonly type: "ready"; readonly info: Info }
  | { readonly type: "failed"; readonly code: ErrorCode; readonly message: string };

export type ChildState<Info> =
  | { readonly kind: "starting" }
  | { readonly kind: "ready"; readonly pid: number; readonly info: Info }
  | { readonly kind: "down"; readonly cause: RestartCause; readonly message: string }
  | { readonly kind: "closed" };

export interface SupervisedChildOptions<Init, Info, Out extends { readonly type: string }> {
  /** For logs and the label `component`. */
  readonly name: string;
  readonly entry: URL;
  /** Called at each start, so that a restarted child gets what is in force by then. */
  readonly init: () => Init;
  readonly onMessage: (message: Out) => void;
  /** Called at every change of state. */
  readonly onState?: (state: ChildState<Info>) => void;
  readonly onRestart?: (cause: RestartCause) => void;
  /** Flags of Node for the child. */
  readonly execArgv?: readonly string[];
  readonly log: Logger;
  /** Ends a first start that is not through yet; afterwards it has no effect. */
  readonly signal?: AbortSignal | undefined;
  readonly readyTimeoutMs?: number;
  /** A child silent for this long is wedged and is killed; children speak once a second. */
  readonly heartbeatTimeoutMs?: number;
  readonly closeTimeoutMs?: number;
}

export interface SupervisedChild<Info, In> extends AsyncDisposable {
  readonly name: string;
  readonly state: ChildState<Info>;
  readonly restarts: number;
  /** @returns false when the child is not ready; the message is then dropped. */
  send(message: In): boolean;
  close(): Promise<void>;
}

/**
 * glibc raises its mmap threshold when the first frame of 2.7 MB is freed, and from then on frames pile up in fragmented
 * arenas; with a fixed threshold they go back to the kernel at once (an analysis process: 360 → 254 MB resident).
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: "1048576" };

/**
 * For the close of a child that has been silent for longer than a close may take: it hangs, most likely. When all hang, the
 * daemon's deadline would otherwise be over before the last, which would stay behind for ever.
 */
const SILENT_CLOSE_TIMEOUT_MS = 500;

const DEFAULTS = { readyTimeoutMs: 30_000, heartbeatTimeoutMs: 15_000, closeTimeoutMs: 2_000 };
const BACK_OFF = { firstMs: 200, maxMs: 10_000, healthyAfterMs: 10_000 };

/**
 * Starts the child and waits until it is ready.
 * @throws TruecastError when the very first start fails; later ends are restarted without limit of number. The signal's
 * reason when it was aborted before; the process is gone by then.
 */
export async function startSupervisedChild<Init, Info, In extends { readonly type: string }, Out extends { readonly type: string }>(
  options: SupervisedChildOptions<Init, Info, Out>,
): Promise<SupervisedChild<Info, In>> {
  const { name, log, signal } = options;
  signal?.throwIfAborted();
  const limits = { ...DEFAULTS, ...definedOnly(options) };
  const backOff = new BackOff(BACK_OFF);
  let state: ChildState<Info> = { kind: "starting" };
  let child: ChildProcess | undefined;
  let restarts = 0;
  let closing: Promise<void> | undefined;
  let restartTimer: NodeJS.Timeout | undefined;
  let heartbeatTimer: NodeJS.Timeout | undefined;
  let lastHeardAt = 0;
  const first = Promise.withResolvers<void>();
  let firstSettled = false;

  const setState = (next: ChildState<Info>): void => {
    state = next;
    options.onState?.(next);
  };

  const ended = (cause: RestartCause, message: string, startedAt: number, failure?: TruecastError): void => {
    if (closing) return;
    if (!firstSettled) {
      firstSettled = true;
      setState({ kind: "closed" });
      first.reject(failure ?? new TruecastError("internal", message));
      return;
    }
    restarts++;
    options.onRestart?.(cause);
    const delayMs = backOff.next(performance.now() - startedAt);
    log.error({ component: name, cause, delayMs }, `${message}; starting it again`);
    setState({ kind: "down", cause, message });
    restartTimer = setTimeout(launch, delayMs);
  };

  const launch = (): void => {
    const startedAt = performance.now();
    let failure: TruecastError | undefined;
    let killCause: RestartCause | undefined;
    setState({ kind: "starting" });
    let launched: ChildProcess;
    try {
      launched = fork(fileURLToPath(options.entry), [], { serialization: "advanced", execArgv: [...(options.execArgv ?? [])], detached: true, stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, ...ALLOCATOR } });
    } catch (error) {
      ended("start-failed", `${name} could not be started: ${messageOf(error)}`, startedAt);
      return;
    }
    child = launched;
    if (launched.pid === undefined) {
      // No process, no `exit`: the system is out of processes or descriptors, which may pass.
      launched.once("error", (error) => ended("start-failed", `${name} could not be started: ${messageOf(error)}`, startedAt));
      return;
    }
    passOn(launched.stdout, process.stdout);
    passOn(launched.stderr, process.stderr);
    const readyTimer = setTimeout(() => {
      killCause = "start-failed";
      failure = new TruecastError("internal", `${name} was not ready within ${limits.readyTimeoutMs} ms`);
      launched.kill("SIGKILL");
    }, limits.readyTimeoutMs);

    const expectHeartbeat = (): void => {
      clearTimeout(heartbeatTimer);
      heartbeatTimer = setTimeout(() => {
        killCause = "wedged";
        log.error({ component: name, silentMs: limits.heartbeatTimeoutMs }, "child is silent; killing it");
        launched.kill("SIGKILL");
      }, limits.heartbeatTimeoutMs);
    };

    launched.on("message", (raw) => {
      const message = raw as Out | LifecycleMessage<Info>;
      lastHeardAt = performance.now();
      if (isReady<Info>(message)) {
        clearTimeout(readyTimer);
        expectHeartbeat();
        log.info({ component: name, pid: launched.pid, startMs: Math.round(performance.now() - startedAt) }, "child ready");
        setState({ kind: "ready", pid: launched.pid ?? 0, info: message.info });
        firstSettled = true;
        first.resolve();
      } else if (isFailed(message)) {
        failure = new TruecastError(message.code in ERROR_CODES ? message.code : "internal", message.message);
      } else {
        if (state.kind === "ready") expectHeartbeat();
        options.onMessage(message as Out);
      }
    });
    // A dying child makes sends fail; its exit tells the story.
    launched.on("error", (error) => log.warn({ component: name, err: error }, "child process error"));
    launched.once("exit", (code, signal) => {
      if (launched.pid !== undefined) killGroup(launched.pid);
      clearTimeout(readyTimer);
      clearTimeout(heartbeatTimer);
      const cause: RestartCause = killCause ?? (failure ? "start-failed" : signal ? "signal" : "exit");
      ended(cause, failure?.message ?? `${name} ended with ${signal ? `signal ${signal}` : `exit code ${code}`}`, startedAt, failure);
    });
    launched.send({ type: "init", options: options.init() } satisfies ControlMessage<Init>);
  };

  const end = async (): Promise<void> => {
    clearTimeout(restartTimer);
    clearTimeout(heartbeatTimer);
    const last = child;
    if (last?.pid !== undefined && last.exitCode === null && last.signalCode === null) {
      const exited = once(last, "exit");
      if (last.connected) last.send({ type: "close" } satisfies ControlMessage<Init>);
      let killTimer: NodeJS.Timeout | undefined;
      const allow = (timeoutMs: number): void => {
        clearTimeout(killTimer);
        killTimer = setTimeout(() => last.kill("SIGKILL"), timeoutMs);
      };
      if (state.kind === "ready" && performance.now() - lastHeardAt > limits.closeTimeoutMs) {
        allow(Math.min(SILENT_CLOSE_TIMEOUT_MS, limits.closeTimeoutMs));
        // It may have been the daemon that stood still: what was said meanwhile comes in now.
        last.once("message", () => allow(limits.closeTimeoutMs));
      } else {
        allow(limits.closeTimeoutMs);
      }
      await exited;
      clearTimeout(killTimer);
    }
    setState({ kind: "closed" });
  };

  const close = (): Promise<void> => (closing ??= end());

  // A child that hangs in its start answers nothing: it is ended like a running one, and only then the start is over.
  const giveUp = (): void => void close().then(() => first.reject(signal?.reason));
  signal?.addEventListener("abort", giveUp, { once: true });
  launch();
  try {
    await first.promise;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }

  return {
    name,
    get state() {
      return state;
    },
    get restarts() {
      return restarts;
    },
    send(message) {
      if (state.kind !== "ready" || !child?.connected) return false;
      child.send(message);
      return true;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isReady<Info>(message: { readonly type: string }): message is { type: "ready"; info: Info } {
  return message.type === "ready";
}

function isFailed(message: { readonly type: string }): message is { type: "failed"; code: ErrorCode; message: string } {
  return message.type === "failed";
}

function definedOnly(options: { readonly readyTimeoutMs?: number; readonly heartbeatTimeoutMs?: number; readonly closeTimeoutMs?: number }): Partial<typeof DEFAULTS> {
  return {
    ...(options.readyTimeoutMs !== undefined && { readyTimeoutMs: options.readyTimeoutMs }),
    ...(options.heartbeatTimeoutMs !== undefined && { heartbeatTimeoutMs: options.heartbeatTimeoutMs }),
    ...(options.closeTimeoutMs !== undefined && { closeTimeoutMs: options.closeTimeoutMs }),
  };
}
