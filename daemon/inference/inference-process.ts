/** Entry of the inference process: one device, one model; alone because inference blocks its thread and native code may crash. */
import { createLogger } from "../log-output.ts";
import { runChild, sendToDaemon } from "../supervision/child-lifecycle.ts";
import { startCropServer } from "./crop-server.ts";
import { startInferenceEngine } from "./engine.ts";
import type { InferenceInfo, InferenceOptions, InferenceReport } from "./messages.ts";

const REPORT_INTERVAL_MS = 1000;

runChild<InferenceOptions, InferenceInfo, never>(async (options) => {
  const log = createLogger(options.logLevel, { component: "inference" });
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
    sendToDaemon({ type: "stats", ...engine.takeStats(), protocolErrors, clients: server.clients, rssBytes: process.memoryUsage.rss() } satisfies InferenceReport);
  }, REPORT_INTERVAL_MS);
  return {
    info: { pid: process.pid, provider: engine.provider, warmUpMs: engine.warmUpMs, model: engine.info },
    onCommand: () => undefined,
    async close() {
      clearInterval(reports);
      await engine.close();
      await server.close();
    },
  };
});
