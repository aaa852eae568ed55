/** One stream's analysis on real video, with faces and descriptions that come when the test says so. */
import { Readable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { makeFlv } from "../../pipelines/decode/flv-fixture.ts";
import type { FaceFollower } from "../../pipelines/face-scoring.ts";
import type { ModelInfo } from "../../pipelines/types.ts";
import type { AnalysisReport } from "./messages.ts";
import { StreamAnalysis } from "./stream-analysis.ts";

const model: ModelInfo = { name: "edge", kind: "cnn-lstm", trained: true, sha256: "00".repeat(32), inputSizePx: 2, cropMargin: 1, window: 100, hop: 10, bands: { uncertain: 0.3, suspicious: 0.5, manipulated: 0.8, hysteresis: 0.05 } };

function analysisOf(describe: () => Promise<Float32Array | null>) {
  const reports: AnalysisReport[] = [];
  /** Of one face, until the test takes it out of the picture. */
  let faceIsThere = true;
  const faces: FaceFollower = {
    process: async () => ({
      faces: faceIsThere ? [{ trackId: 7, box: { x: 0, y: 0, width: 100, height: 100 }, detected: true, crop: { kind: "ok", pixels: new Uint8Array(12), sharpness: 1 } }] : [],
      ended: faceIsThere ? [] : [7],
      refused: [],
      detected: true,
      timings: { detectMs: 1, trackMs: 1, cropMs: 1 },
    }),
  };
  const scorer = { submit: async () => ({ kind: "ok" as const, scores: [], queueMs: 0, inferenceMs: 0, batchSize: 1 }), endTrack: () => {}, close: async () => {}, [Symbol.asyncDispose]: async () => {} };
  const analysis = new StreamAnalysis({ stream: "studio", model, faces, scorer, describe, frameTimeoutMs: 10_000, evidence: null, report: (report) => reports.push(report), log: pino({ level: "silent" }) });
  onTestFinished(() => analysis.close());
  const typesOf = (): string[] => reports.map(({ type }) => type);
  return { analysis, typesOf, leave: () => void (faceIsThere = false) };
}

for (const ending of ["its track", "the stream"] as const) {
  test(`a face that is described only after ${ending} is over is told to nobody`, { timeout: 60_000 }, async () => {
    const described = Promise.withResolvers<Float32Array>();
    const describe = vi.fn(() => described.promise);
    const { analysis, typesOf, leave } = analysisOf(describe);
    analysis.attach(Readable.from([await makeFlv({ seconds: 3 })]));
    await expect.poll(() => describe.mock.calls.length, { timeout: 30_000 }).toBe(1);
    if (ending === "the stream") await analysis.close();
    else {
      leave();
      analysis.attach(Readable.from([await makeFlv({ seconds: 1 })]));
    }
    await expect.poll(typesOf, { timeout: 30_000 }).toContain("track-ended");
    described.resolve(new Float32Array(128));
    await described.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(typesOf()).not.toContain("face");
  });
}

test("a face that is described while its track lasts is told", { timeout: 60_000 }, async () => {
  const { analysis, typesOf } = analysisOf(async () => new Float32Array(128));
  analysis.attach(Readable.from([await makeFlv({ seconds: 3 })]));
  await expect.poll(typesOf, { timeout: 30_000 }).toContain("face");
});
