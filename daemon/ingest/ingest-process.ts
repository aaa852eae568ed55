/** Entry of the ingest process: untrusted RTMP bytes are parsed here and nowhere else. Forked by the daemon, IPC `advanced`. */
import { TruecastError, errorCodeOf } from "../../pipelines/errors.ts";
import type { DaemonToIngest, IngestOptions, IngestToDaemon } from "./messages.ts";
import { type RtmpServer, startRtmpServer } from "./rtmp-server.ts";

type State = { readonly kind: "waiting" } | { readonly kind: "starting" } | { readonly kind: "running"; readonly server: RtmpServer };

const CRASH_EXIT_CODE = 70; // EX_SOFTWARE of sysexits.h
/** A message that a dead channel never takes must not keep a broken process alive. */
const LAST_MESSAGE_TIMEOUT_MS = 500;

let state: State = { kind: "waiting" };

function send(message: IngestToDaemon): void {
  if (process.connected) process.send?.(message);
}

function sendLast(message: IngestToDaemon, exitCode: number): void {
  setTimeout(() => process.exit(exitCode), LAST_MESSAGE_TIMEOUT_MS);
  if (process.connected && process.send !== undefined) process.send(message, () => process.exit(exitCode));
  else process.exit(exitCode);
}

async function start(options: IngestOptions): Promise<void> {
  state = { kind: "starting" };
  try {
    const server = await startRtmpServer({ ...options, onEvent: send });
    state = { kind: "running", server };
    send({ type: "ready", info: { port: server.port } });
  } catch (error) {
    const message = error instanceof TruecastError ? error.message : describeDefect(error);
    sendLast({ type: "failed", code: errorCodeOf(error), message }, 1);
  }
}

async function stop(): Promise<void> {
  if (state.kind === "running") await state.server.close();
  process.exit(0);
}

/** Where a defect is, without the error's own text: Node quotes received values there, and a value may be a key. */
function describeDefect(error: unknown): string {
  if (!(error instanceof Error)) return "A value that is no Error was thrown.";
  const frames = (error.stack ?? "").split("\n").filter((line) => line.startsWith("    at ")).slice(0, 8);
  return [error.name, ...frames.map((line) => line.trim())].join(" ");
}

process.on("message", (message: DaemonToIngest) => {
  switch (message.type) {
    case "init":
      if (state.kind === "waiting") void start(message.options);
      return;
    case "close":
      void stop();
      return;
    case "route":
    case "unroute":
    case "kick":
    case "setKeys":
      if (state.kind === "running") state.server.apply(message);
  }
});
process.on("disconnect", () => void stop());
process.on("SIGTERM", () => void stop());
// Ctrl-C reaches the whole process group; the daemon decides when this process ends.
process.on("SIGINT", () => {});
process.on("uncaughtException", (error) => sendLast({ type: "crashed", message: describeDefect(error) }, CRASH_EXIT_CODE));
