/** Entry of the ingest process: publishers' untrusted bytes are parsed here and nowhere else. Forked by the daemon, IPC `advanced`. */
import { runChild } from "../supervision/child-lifecycle.ts";
import { startIngestServer } from "./ingest-server.ts";
import type { IngestCommand, IngestInfo, IngestOptions, IngestToDaemon } from "./messages.ts";

const CRASH_EXIT_CODE = 70; // EX_SOFTWARE of sysexits.h
/** A message that a dead channel never takes must not keep a broken process alive. */
const LAST_MESSAGE_TIMEOUT_MS = 500;

function send(message: IngestToDaemon): void {
  if (process.connected) process.send?.(message);
}

/** Where a defect is, without the error's own text: Node quotes received values there, and a value may be a key. */
function describeDefect(error: unknown): string {
  if (!(error instanceof Error)) return "A value that is no Error was thrown.";
  const frames = (error.stack ?? "").split("\n").filter((line) => line.startsWith("    at ")).slice(0, 8);
  return [error.name, ...frames.map((line) => line.trim())].join(" ");
}

process.on("uncaughtException", (error) => {
  const end = () => process.exit(CRASH_EXIT_CODE);
  setTimeout(end, LAST_MESSAGE_TIMEOUT_MS);
  if (!process.connected || process.send === undefined) end();
  else process.send({ type: "crashed", message: describeDefect(error) } satisfies IngestToDaemon, end);
});

runChild<IngestOptions, IngestInfo, IngestCommand>(async (options) => {
  const server = await startIngestServer({ ...options, onEvent: send });
  return { info: server.info, onCommand: (command) => server.apply(command), close: () => server.close() };
});
