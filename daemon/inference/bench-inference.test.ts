/** The benchmark's yardstick computes what it claims to, and the figures hang together. */
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, it } from "vitest";
import { loadModelFolder } from "../../models/manifest.ts";
import { benchBackbone } from "./bench-inference.ts";
import { matmulGraph } from "./matmul-graph.ts";

it("the hand-written graph multiplies matrices", async () => {
  const size = 3;
  const session = await InferenceSession.create(matmulGraph(size));
  const x = Float32Array.from({ length: size * size }, (_, index) => index + 1);
  const y = (await session.run({ x: new Tensor("float32", x, [size, size]) }))["y"];
  await session.release();
  const w = (row: number, column: number) => Math.sin(row * size + column) / size;
  const expected = Array.from({ length: size * size }, (_, index) => [0, 1, 2].reduce((sum, k) => sum + (x[Math.floor(index / size) * size + k] ?? 0) * w(k, index % size), 0));
  expect(y?.dims).toEqual([size, size]);
  const found = y?.data as Float32Array;
  expected.forEach((value, index) => expect(found[index]).toBeCloseTo(value, 5));
});

it("the edge model is measured against it", async () => {
  const folder = await loadModelFolder(fileURLToPath(new URL("../../models/edge", import.meta.url)));
  if (folder.kind !== "cnn-lstm") throw new Error("edge is a network");
  const { msPerCrop, gigaMacsPerCrop, gflopPerSecond, shareOfMatmul, matmulGflopPerSecond } = await benchBackbone({ ...folder, threads: 2 });
  expect(gigaMacsPerCrop).toBeLessThanOrEqual(0.7);
  expect(gflopPerSecond).toBeCloseTo((2 * gigaMacsPerCrop * 1000) / Math.min(msPerCrop.batch1, msPerCrop.batch8), 6);
  expect(shareOfMatmul).toBeCloseTo(gflopPerSecond / matmulGflopPerSecond, 6);
  expect(shareOfMatmul).toBeGreaterThan(0.05);
});
