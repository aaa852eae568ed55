/** The scorer of short sequences against the live path: the same graphs must give the same score for the same frames. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadModelFolder } from "./manifest.ts";
import { startOnnxClassifier } from "./onnx-classifier.ts";
import { openSequenceScorer } from "./sequence-scorer.ts";

test("a sequence of crops, each held for its share of the window, scores as the live horizon scores those frames", { timeout: 120_000 }, async () => {
  const model = await loadModelFolder(join(import.meta.dirname, "edge"));
  if (model.kind === "scripted") return expect.fail();
  const { paths, manifest } = model;
  const cropBytes = manifest.input.sizePx ** 2 * 3;
  const crops = [3, 5, 7, 11].map((factor) => Uint8Array.from({ length: cropBytes }, (_, index) => (index * factor + (index >> 7)) % 251));
  await using scorer = await openSequenceScorer({ paths, manifest, threads: 1 });
  const [score, alone] = await scorer.score([crops, crops.map(() => crops[0] ?? new Uint8Array(cropBytes))]);

  await using live = await startOnnxClassifier({ paths, manifest, provider: "cpu", intraOpNumThreads: 1, capacity: 1, maxBatch: 1 });
  let last = Number.NaN;
  for (let slot = 0; slot < manifest.window; slot++) {
    const pixels = crops[Math.floor((slot * crops.length) / manifest.window)] ?? expect.fail();
    const states = Array.from({ length: manifest.window / manifest.hop }, (_, state) => state);
    const { now } = await live.step([{ row: 0, stream: "", track: "", slot, pixels, fresh: slot === 0, resets: slot === 0 ? states : [], wanted: true }]);
    last = now[0] ?? Number.NaN;
  }
  expect(score).toBeCloseTo(last, 5);
  expect(alone).not.toBeCloseTo(last, 3);
});
