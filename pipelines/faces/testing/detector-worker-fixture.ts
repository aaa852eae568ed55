/** The real detector's worker, for tests of its restart: dies at a picture 32 px wide, hangs at one of 64 px, and is slow to describe a black face. */
import { parentPort } from "node:worker_threads";
import type { DetectorRequest } from "../detector-messages.ts";

parentPort?.on("message", (request: DetectorRequest) => {
  const width = request.kind === "detect" ? request.pictures[0]?.widthPx : undefined;
  if (width === 32) process.exit(1);
  if (request.kind === "describe" && request.rgb.every((value) => value === 0)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  if (width === 64) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
await import("../detector-worker.ts");
