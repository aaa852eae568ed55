/** Entry of an analysis process: takes publishers' FLV from a Unix socket; gives faces, scores, thumbnails and counts to the daemon. */
import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import sharp from "sharp";
import { createFacePipeline } from "../../pipelines/faces/face-pipeline.ts";
import { startFaceApiDetector } from "../../pipelines/faces/face-api-detector.ts";
import { createLogger } from "../log-output.ts";
import { runChild, sendToDaemon } from "../supervision/child-lifecycle.ts";
import { startInferenceClient } from "../inference/inference-client.ts";
import type { AnalysisCommand, AnalysisInfo, AnalysisOptions, AnalysisReport } from "./messages.ts";
import { StreamAnalysis } from "./stream-analysis.ts";

const MAX_HEADER_BYTES = 1_024;
const HEADER_TIMEOUT_MS = 2_000;

runChild<AnalysisOptions, AnalysisInfo, AnalysisCommand>(async (options) => {
  // One thumbnail at a time is plenty; libvips would keep a pool of threads and a cache for each.
  sharp.concurrency(1);
  sharp.cache(false);
  const log = createLogger(options.logLevel, { component: "analysis", pid: process.pid });
  let closing = false;
  // Tracks end with this process, but not because a face left: the alerts of a daemon that ends stay open for the next run.
  const report = (message: AnalysisReport): void => {
    if (!closing) sendToDaemon(message);
  };
  const streams = new Map<string, StreamAnalysis>();
  const firstTrackIds = new Map<string, number>();
  let { samplingDivisor, watched } = options;

  const detector = await startFaceApiDetector({ log, describes: options.describesFaces });
  const scorer = startInferenceClient({ socketPath: options.inferenceSocketPath, inputSizePx: options.model.inputSizePx, log });

  const analysisOf = (stream: string): StreamAnalysis => {
    let analysis = streams.get(stream);
    if (!analysis) {
      const faces = createFacePipeline({
        detector,
        inputSizePx: options.model.inputSizePx,
        cropMargin: options.model.cropMargin,
        options: { firstId: firstTrackIds.get(stream) ?? 1, maxFaces: options.faces.maxFaces, minFacePx: options.faces.minFacePx, keepMissingMs: options.faces.facelessAfterMs },
      });
      analysis = new StreamAnalysis({ stream, model: options.model, faces, scorer, describe: options.describesFaces ? (frame, box) => detector.describe(frame, box) : null, ...options.decode, evidence: options.evidence, report, log });
      analysis.samplingDivisor = samplingDivisor;
      analysis.watched = watched;
      streams.set(stream, analysis);
    }
    return analysis;
  };

  const server = createServer((socket) => takePublisher(socket, analysisOf));
  // A socket file left by a process that was killed would refuse the new one.
  await rm(options.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.socketPath, resolve);
  });

  const stats = setInterval(() => {
    report({ type: "stats", streams: [...streams.values()].map((analysis) => analysis.takeStats()), rssBytes: process.memoryUsage.rss() });
  }, 1_000);

  return {
    info: { pid: process.pid },
    onCommand(command) {
      switch (command.type) {
        case "expect":
          firstTrackIds.set(command.stream, command.firstTrackId);
          return;
        case "forget": {
          const analysis = streams.get(command.stream);
          streams.delete(command.stream);
          firstTrackIds.delete(command.stream);
          if (analysis) analysis.close().catch((error: unknown) => log.error({ err: error, stream: command.stream }, "a stream did not close cleanly"));
          return;
        }
        case "look":
          streams.get(command.stream)?.look(command.trackId);
          return;
        case "sampling":
          samplingDivisor = command.divisor;
          for (const analysis of streams.values()) analysis.samplingDivisor = samplingDivisor;
          return;
        case "watched":
          watched = command.watched;
          for (const analysis of streams.values()) analysis.watched = watched;
          return;
        case "record":
          streams.get(command.stream)?.evidence?.record(command);
          return;
        case "record-end": {
          const recorder = streams.get(command.stream)?.evidence;
          if (recorder) recorder.end(command.incident);
          else report({ type: "recorded", stream: command.stream, incident: command.incident, problems: [] });
          return;
        }
        case "record-on":
          streams.get(command.stream)?.evidence?.resume(command.incident);
      }
    },
    async close() {
      closing = true;
      clearInterval(stats);
      server.close();
      await Promise.all([...streams.values()].map((analysis) => analysis.close()));
      await scorer.close();
      await detector.close();
    },
  };
});

/** The ingest says first, in one line of JSON, whose FLV follows. */
function takePublisher(socket: Socket, analysisOf: (stream: string) => StreamAnalysis): void {
  let header = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), HEADER_TIMEOUT_MS);
  socket.on("error", () => socket.destroy());
  const onData = (chunk: Buffer): void => {
    header = Buffer.concat([header, chunk]);
    const end = header.indexOf(0x0a);
    if (end === -1) {
      if (header.length > MAX_HEADER_BYTES) socket.destroy();
      return;
    }
    clearTimeout(timer);
    socket.off("data", onData);
    const { stream } = JSON.parse(header.subarray(0, end).toString()) as { stream: string };
    const rest = header.subarray(end + 1);
    if (rest.length > 0) socket.unshift(rest);
    analysisOf(stream).attach(socket);
  };
  socket.on("data", onData);
}
