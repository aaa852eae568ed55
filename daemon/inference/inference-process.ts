/** Entry of the inference process: one device, one model; alone because inference blocks its thread and native code may crash. */
import pino from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import { type CropServer, startCropServer } from "./crop-server.ts";
import { type InferenceEngine, startInferenceEngine } from "./engine.ts";
import type { InferenceInfo, InferenceOptions, InferenceReport } from "./messages.ts";

type FromParent = { readonly type: "init"; readonly options: InferenceOptions } | { readonly type: "close" };

const REPORT_INTERVAL_MS = 1000;

let running: { readonly engine: InferenceEngine; readonly server: CropServer; readonly reports: NodeJS.Timeout } | undefined;

async function start(options: InferenceOptions): Promise<void> {
  const log = pino({ level: options.logLevel, base: { component: "inference" } });
  const engine = await startInferenceEngine({
    ...options,
    log,
    onBroken: (error) => {
      log.fatal({ err: error }, "inference keeps failing; this process ends so that a new one can take over");
      process.exit(1);
    },
  });
  const server = await startCropServer({ socketPath: options.socketPath, engine, log });
  let protocolErrorsBefore = 0;
  const reports = setInterval(() => {
    const protocolErrors = server.protocolErrors - protocolErrorsBefore;
    protocolErrorsBefore = server.protocolErrors;
    tell({ type: "stats", ...engine.takeStats(), protocolErrors, clients: server.clients, rssBytes: process.memoryUsage.rss() } satisfies InferenceReport);
  }, REPORT_INTERVAL_MS);
  running = { engine, server, reports };
  tell({ type: "ready", info: { pid: process.pid, provider: engine.provider, warmUpMs: engine.warmUpMs, model: engine.info } satisfies InferenceInfo });
}

function tell(message: object): void {
  // The parent may be gone already; `disconnect` ends this process then.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

async function end(): Promise<never> {
  if (running !== undefined) {
    clearInterval(running.reports);
    await running.engine.close();
    await running.server.close();
  }
  process.exit(0);
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  process.send?.({ type: "failed", code: errorCodeOf(error), message }, undefined, undefined, () => process.exit(1));
}

process.on("message", (message: FromParent) => {
  switch (message.type) {
    case "init":
      start(message.options).catch(fail);
      return;
    case "close":
      void end();
      return;
  }
});
process.on("disconnect", () => void end());
process.on("SIGTERM", () => void end());
// Ctrl-C reaches the whole process group; the daemon decides when its children end.
process.on("SIGINT", () => {});
