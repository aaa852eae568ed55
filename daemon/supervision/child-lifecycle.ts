/** A child process's side of supervision: start on `init`, answer ready or failed, end on `close` or when the daemon is gone. */
import { errorCodeOf, type ErrorCode } from "../../pipelines/errors.ts";
import { killGroup } from "./process-group.ts";

/** The supervisor kills sooner; this is for a child whose daemon is gone, and whose end hangs. */
const END_DEADLINE_MS = 5_000;

export interface ChildBody<Info, Command> {
  readonly info: Info;
  readonly onCommand: (command: Command) => void;
  readonly close: () => Promise<void>;
}

/** Sends to the daemon; a daemon that is gone is no error, for `disconnect` ends the process. */
export function sendToDaemon<M extends { readonly type: string }>(message: M): void {
  if (process.connected) process.send?.(message);
}

/** Runs the process: `start` is called once with the daemon's options. */
export function runChild<Init, Info, Command extends { readonly type: string }>(start: (options: Init) => Promise<ChildBody<Info, Command>>): void {
  let body: Promise<ChildBody<Info, Command>> | undefined;
  let ending = false;

  const end = async (): Promise<void> => {
    if (ending) return;
    ending = true;
    setTimeout(() => {
      // What it started must not outlive it; this process goes with them.
      killGroup(process.pid);
      process.exit(1);
    }, END_DEADLINE_MS);
    let code = 0;
    try {
      await (await body)?.close();
    } catch {
      code = 1; // What failed has logged it; the exit code tells the supervisor.
    }
    process.exit(code);
  };

  const begin = async (options: Init): Promise<void> => {
    try {
      body = start(options);
      sendToDaemon({ type: "ready", info: (await body).info });
    } catch (error) {
      const message: { type: "failed"; code: ErrorCode; message: string } = { type: "failed", code: errorCodeOf(error), message: error instanceof Error ? error.message : String(error) };
      if (process.connected) process.send?.(message, () => process.exit(1));
      else process.exit(1);
    }
  };

  process.on("message", (raw) => {
    const message = raw as { type: "init"; options: Init } | { type: "close" } | Command;
    if (message.type === "init") void begin((message as { options: Init }).options);
    else if (message.type === "close") void end();
    else void body?.then(({ onCommand }) => onCommand(message as Command));
  });
  process.on("disconnect", () => void end());
  // A terminal's Ctrl-C reaches the whole group; the daemon decides when its children end.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
}
