import { join } from "node:path";
import { pino } from "pino";
import sharp from "sharp";
import { expect, test } from "vitest";
import { loadModelFolder } from "../../models/manifest.ts";
import { openSequenceScorer } from "../../models/sequence-scorer.ts";
import { cropFace, DEFAULT_CROP_GATES } from "../../pipelines/faces/crop.ts";
import { startFaceApiDetector } from "../../pipelines/faces/face-api-detector.ts";
import { heatPicture, occlusionMap, patchOf, type SequenceScorer } from "./heat-map.ts";

const SIZE = 64;
/** In one corner region, so that rows and columns cannot be mixed up unnoticed. */
const REGION = { x: 40, y: 8, width: 16, height: 8 };

/** A model whose answer depends on the red of one region and on nothing else. */
const regionScorer: SequenceScorer = {
  async score(sequences) {
    return sequences.map((crops) => {
      let red = 0;
      for (const crop of crops) {
        for (let y = REGION.y; y < REGION.y + REGION.height; y++) for (let x = REGION.x; x < REGION.x + REGION.width; x++) red += crop[(y * SIZE + x) * 3] ?? 0;
      }
      return 1 / (1 + Math.exp(-(red / (crops.length * REGION.width * REGION.height * 255)) * 6));
    });
  },
};

function cropWithPatch(): Uint8Array {
  const crop = new Uint8Array(SIZE * SIZE * 3).fill(40);
  for (let y = REGION.y; y < REGION.y + REGION.height; y++) for (let x = REGION.x; x < REGION.x + REGION.width; x++) crop[(y * SIZE + x) * 3] = 255;
  return crop;
}

test("the strongest evidence is where the model looks, and there is none where it does not", async () => {
  const map = await occlusionMap({ crops: [cropWithPatch(), cropWithPatch()], sizePx: SIZE, scorer: regionScorer });
  const strongest = map.evidence.indexOf(Math.max(...map.evidence));
  const [row, column] = [Math.floor(strongest / map.cells), strongest % map.cells];
  const cell = SIZE / map.cells;
  expect([column * cell >= REGION.x - cell && column * cell < REGION.x + REGION.width, row * cell >= REGION.y - cell && row * cell < REGION.y + REGION.height]).toEqual([true, true]);
  for (const [index, value] of map.evidence.entries()) {
    const patch = patchOf({ row: Math.floor(index / map.cells), column: index % map.cells, cells: map.cells, sizePx: SIZE });
    const touches = patch.x < REGION.x + REGION.width && patch.x + patch.width > REGION.x && patch.y < REGION.y + REGION.height && patch.y + patch.height > REGION.y;
    if (touches) expect(value).toBeGreaterThan(0.1);
    else expect(value).toBeCloseTo(0, 10);
  }
});

test("what speaks against manipulation is below zero", async () => {
  const inverted: SequenceScorer = { score: async (sequences) => (await regionScorer.score(sequences)).map((score) => 1 - score) };
  const map = await occlusionMap({ crops: [cropWithPatch()], sizePx: SIZE, scorer: inverted });
  expect(Math.min(...map.evidence)).toBeLessThan(-0.1);
  expect(Math.max(...map.evidence)).toBeCloseTo(0, 10);
});

test("the crops that were given are not painted over", async () => {
  // A Buffer among them: its slice shares memory.
  for (const crop of [cropWithPatch(), Buffer.from(cropWithPatch())]) {
    await occlusionMap({ crops: [crop], sizePx: SIZE, scorer: regionScorer });
    expect(Buffer.compare(crop, cropWithPatch())).toBe(0);
  }
});

test("patches cover all of the crop and never reach out of it", () => {
  const covered = new Uint8Array(SIZE * SIZE);
  for (let row = 0; row < 8; row++) {
    for (let column = 0; column < 8; column++) {
      const { x, y, width, height } = patchOf({ row, column, cells: 8, sizePx: SIZE });
      expect([x >= 0, y >= 0, x + width <= SIZE, y + height <= SIZE]).toEqual([true, true, true, true]);
      for (let line = y; line < y + height; line++) covered.fill(1, line * SIZE + x, line * SIZE + x + width);
    }
  }
  expect(covered.includes(0)).toBe(false);
});

test("the picture is red where evidence is strongest, blue where it is against, and grey elsewhere", () => {
  const evidence = Array.from({ length: 64 }, (_, index) => (index === 9 ? 2 : index === 54 ? -2 : 0));
  const { rgb, widthPx } = heatPicture({ cells: 8, score: 0.9, covered: [], evidence }, new Uint8Array(SIZE * SIZE * 3).fill(128), SIZE);
  const at = (column: number, row: number): number[] => {
    const from = (Math.round(((row + 0.5) / 8) * widthPx) * widthPx + Math.round(((column + 0.5) / 8) * widthPx)) * 3;
    return [...rgb.subarray(from, from + 3)];
  };
  const [warm, cold, none] = [at(1, 1), at(6, 6), at(4, 3)];
  expect((warm[0] ?? 0) - (warm[2] ?? 0)).toBeGreaterThan(80);
  expect((cold[2] ?? 0) - (cold[0] ?? 0)).toBeGreaterThan(80);
  expect(new Set(none).size).toBe(1);
});

/** A genuine face of face-api's sample photographs that `edge` takes for genuine. */
async function genuineCrop(): Promise<Uint8Array> {
  const photograph = join(import.meta.dirname, "../../node_modules/@vladmandic/face-api/demo/sample3.jpg");
  const { data, info } = await sharp(photograph).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const frame = { ptsMs: 0, widthPx: info.width, heightPx: info.height, rgb: new Uint8Array(data), decodedAtMs: 0 };
  await using detector = await startFaceApiDetector({ log: pino({ level: "silent" }) });
  const face = (await detector.detect(frame)).toSorted((a, b) => a.box.x - b.box.x).find(({ box }) => box.width > 200) ?? expect.fail("no face");
  const crop = cropFace(frame, face.box, { inputSizePx: 160, cropMargin: 1.1, ...DEFAULT_CROP_GATES });
  return crop.kind === "ok" ? crop.pixels : expect.fail(crop.reason);
}

test("the shipped model, shown a genuine face whose middle was softened as a swap's is, points to the middle", { timeout: 120_000 }, async () => {
  const model = await loadModelFolder(join(import.meta.dirname, "../../models/edge"));
  if (model.kind === "scripted") return expect.fail();
  const genuine = await genuineCrop();
  const middle = { left: 60, top: 60, width: 48, height: 48 };
  const whole = { raw: { width: 160, height: 160, channels: 3 } } as const;
  const sharpMiddle = await sharp(genuine, whole).extract(middle).raw().toBuffer();
  const soft = await sharp(sharpMiddle, { raw: { width: 48, height: 48, channels: 3 } }).blur(3).raw().toBuffer();
  const softened = genuine.slice();
  for (let row = 0; row < middle.height; row++) softened.set(soft.subarray(row * 48 * 3, (row + 1) * 48 * 3), ((middle.top + row) * 160 + middle.left) * 3);
  await using scorer = await openSequenceScorer({ paths: model.paths, manifest: model.manifest, threads: 1 });
  const before = await occlusionMap({ crops: [genuine], sizePx: 160, scorer });
  const after = await occlusionMap({ crops: [softened], sizePx: 160, scorer });
  expect([before.score < 0.4, after.score > 0.9]).toEqual([true, true]);
  const strongest = after.evidence.indexOf(Math.max(...after.evidence));
  const at = { x: ((strongest % 8) + 0.5) * 20, y: (Math.floor(strongest / 8) + 0.5) * 20 };
  expect([at.x > 60 && at.x < 108, at.y > 60 && at.y < 108]).toEqual([true, true]);
  expect(after.evidence[strongest]).toBeGreaterThan(1.5 * Math.max(...before.evidence));
});
