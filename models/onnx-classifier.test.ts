/** The graphs that run live, against PyTorch and against the plain definition of the horizon. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HorizonSchedule } from "../pipelines/horizon/schedule.ts";
import { findPythonWithTorch } from "./build-model.ts";
import { loadModelFolder } from "./manifest.ts";
import { type OnnxClassifier, startOnnxClassifier } from "./onnx-classifier.ts";
import { openGraphs, releaseGraphs } from "./onnx-sessions.ts";
import { keptBuild } from "./testing/kept-build.ts";

const modelsDir = fileURLToPath(new URL(".", import.meta.url));
const python = await findPythonWithTorch();

async function cnnLstm(dir: string) {
  const model = await loadModelFolder(dir);
  if (model.kind !== "cnn-lstm") throw new Error(`${dir} is ${model.kind}`);
  return model;
}

async function classifierOf(dir: string, { capacity = 4, maxBatch = 4 } = {}): Promise<OnnxClassifier> {
  const { manifest, paths } = await cnnLstm(dir);
  return await startOnnxClassifier({ manifest, paths, provider: "cpu", intraOpNumThreads: 2, capacity, maxBatch });
}

/** A crop with some structure, different for each seed. */
function crop(seed: number, sizePx = 160): Uint8Array {
  const pixels = new Uint8Array(sizePx * sizePx * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = 128 + 100 * Math.sin((i % (3 * sizePx)) * 0.004 * (1 + (seed % 13)) + Math.floor(i / (3 * sizePx)) * 0.013 * (seed % 7) + seed);
  return pixels;
}

function turnAt(schedule: HorizonSchedule, slot: number) {
  const turn = schedule.advance(slot);
  if (turn === null) throw new Error(`slot ${slot} does not rise`);
  return turn;
}

const noTrack = { stream: "s", track: "s#1" };

describe("the staggered horizon on the edge model", () => {
  let classifier: OnnxClassifier;
  let plain: InferenceSession;
  let projection: InferenceSession;
  let backbone: InferenceSession;
  beforeAll(async () => {
    const { paths } = await cnnLstm(join(modelsDir, "edge"));
    classifier = await classifierOf(join(modelsDir, "edge"));
    plain = await InferenceSession.create(paths.horizon, { intraOpNumThreads: 1 });
    projection = await InferenceSession.create(paths.projection, { intraOpNumThreads: 1 });
    backbone = await InferenceSession.create(paths.backbone, { intraOpNumThreads: 1 });
  });
  afterAll(async () => {
    await classifier.close();
    await plain.release();
    await projection.release();
    await backbone.release();
  });

  /** The share of the gates that a crop gives. */
  async function gatesOf(pixels: Uint8Array): Promise<Tensor> {
    const features = (await backbone.run({ crops: new Tensor("uint8", pixels, [1, 160, 160, 3]) }))["features"] as Tensor;
    return (await projection.run({ features }))["gates"] as Tensor;
  }

  /** The reference meaning of a score: one LSTM from zero over the features of the window. */
  async function plainScore(window: readonly Tensor[]): Promise<number> {
    let h = new Tensor("float32", new Float32Array(256), [1, 1, 256]);
    let c = h;
    let score = Number.NaN;
    for (const gates of window) {
      const out = await plain.run({ gates, h, c });
      h = out["h_next"] as typeof h;
      c = out["c_next"] as typeof c;
      score = out["score"]?.data[0] as number;
    }
    return score;
  }

  it("gives the plain definition's scores to 1e-4, with missed slots, for two tracks interleaved in one batch", { timeout: 60_000 }, async () => {
    const tracks = [0, 1].map((row) => ({ row, schedule: new HorizonSchedule(10), gates: new Map<number, Tensor>() }));
    let compared = 0;
    let wrongWindowDiffers = 0;
    for (let slot = 0; slot < 320; slot++) {
      // Track 0 misses every seventh slot and a stretch across two hops; track 1 starts 13 slots later, misses some others,
      // and then so many that every one of its states restarts while a score is held back.
      const present = tracks.filter(({ row }) => (row === 0 ? slot % 7 !== 0 && !(slot >= 124 && slot < 143) : slot >= 13 && slot % 11 !== 5 && !(slot > 210 && slot < 308)));
      if (present.length === 0) continue;
      const turns = present.map((track) => ({ track, turn: turnAt(track.schedule, slot), pixels: crop(slot * 2 + track.row) }));
      const scores = await classifier.step(turns.map(({ track, turn, pixels }) => ({ ...noTrack, ...turn, row: track.row, slot, pixels, wanted: turn.due !== null })));
      for (const [index, { track, turn, pixels }] of turns.entries()) {
        track.gates.set(slot, await gatesOf(pixels));
        if (turn.due === null) continue;
        const { due } = turn;
        const given = (due.from === "held" ? scores.before : scores.now)[index * 10 + due.state] as number;
        const first = Math.min(...track.gates.keys());
        const end = first + (due.frames < 100 ? due.frames - 1 : 99 + Math.floor((slot - first - 99) / 10) * 10);
        const window = [...track.gates].filter(([at]) => at <= end && at > end - due.frames).map(([, gates]) => gates);
        expect(Math.abs(given - (await plainScore(window)))).toBeLessThan(1e-4);
        compared += 1;
        if (due.frames === 100 && compared % 3 === 0 && Math.abs(given - (await plainScore(window.slice(10)))) > 1e-4) wrongWindowDiffers += 1;
      }
    }
    expect(compared).toBe(39);
    // The test must be able to tell a window of the wrong length.
    expect(wrongWindowDiffers).toBeGreaterThan(8);
  });

  it("gives another score when the frames are reversed", async () => {
    const window: Tensor[] = [];
    for (let seed = 0; seed < 40; seed++) window.push(await gatesOf(crop(seed)));
    expect(Math.abs((await plainScore(window)) - (await plainScore(window.toReversed())))).toBeGreaterThan(1e-3);
  });

  it("owes nothing to what a row held before a fresh start, nor to what waited there", async () => {
    const all = Array.from({ length: 10 }, (_, state) => state);
    const step = async (seed: number, { fresh = false, wanted = true } = {}) => (await classifier.step([{ ...noTrack, row: 2, slot: 0, pixels: crop(seed), fresh, resets: fresh ? all : [], wanted }])).now.slice(0, 10);
    const first = await step(5, { fresh: true });
    expect(await step(6)).not.toEqual(first);
    await step(7, { wanted: false });
    expect(await step(5, { fresh: true })).toEqual(first);
  });
});

describe("providers", () => {
  it("refuses a wished-for provider that does not load instead of falling back", async () => {
    const { manifest, paths } = await cnnLstm(join(modelsDir, "edge"));
    await expect(openGraphs({ manifest, paths, provider: "cuda", intraOpNumThreads: 1, warmUp: async () => {} })).rejects.toMatchObject({ code: "provider-unavailable" });
  });

  it("refuses one that loads but cannot run", async () => {
    const { manifest, paths } = await cnnLstm(join(modelsDir, "edge"));
    const warmUp = async () => {
      throw new Error("the device is lost");
    };
    await expect(openGraphs({ manifest, paths, provider: "cpu", intraOpNumThreads: 1, warmUp })).rejects.toThrow(/the device is lost/);
  });

  it("takes the CPU on `auto` where CUDA does not load, and says what it passed over", async () => {
    const { manifest, paths } = await cnnLstm(join(modelsDir, "edge"));
    const passedOver: string[] = [];
    const sessions = await openGraphs({ manifest, paths, provider: "auto", intraOpNumThreads: 1, warmUp: async () => {}, onPassedOver: (provider) => passedOver.push(provider) });
    expect([...passedOver, sessions.provider]).toEqual(["cuda", "cpu"]);
    await releaseGraphs(sessions);
  });

  it("refuses graphs whose shapes are not the manifest's", async () => {
    const { manifest, paths } = await cnnLstm(join(modelsDir, "edge"));
    const wrong = { ...manifest, featureSize: 256 };
    await expect(openGraphs({ manifest: wrong, paths, provider: "cpu", intraOpNumThreads: 1, warmUp: async () => {} })).rejects.toMatchObject({
      code: "model-invalid",
      message: "edge: backbone must have features as float32 [any, 256], found float32 [n, 448]",
    });
  });
});

/** On a developer's machine PyTorch may be missing; where changes are let in, the proof may not. */
const mayBeLeftOut = process.env["CI"] !== "true";

describe.skipIf(python === null && mayBeLeftOut)("PyTorch-to-ONNX parity (needs python3-torch)", () => {
  it.each([
    ["edge", 40],
    ["face-resnet", 40],
    ["resnext101-lstm", 6],
  ])("%s gives PyTorch's features and scores", { timeout: 240_000 }, async (name, frames) => {
    if (python === null) throw new Error("PyTorch is missing, and with CI=true its parity must be tested: node scripts/setup.mjs --for training");
    const out = await keptBuild({ python, model: name, threads: 2, referenceFrames: frames });
    const floats = async (file: string) => new Float32Array(new Uint8Array(await readFile(join(out, file))).buffer);
    const [crops, features, scores] = [await readFile(join(out, "crops.bin")), await floats("features.bin"), await floats("scores.bin")];
    const { manifest, paths } = await cnnLstm(out);
    const { sizePx } = manifest.input;

    const session = await InferenceSession.create(paths.backbone);
    const found = (await session.run({ crops: new Tensor("uint8", new Uint8Array(crops), [frames, sizePx, sizePx, 3]) }))["features"]?.data as Float32Array;
    await session.release();
    expect(found).toHaveLength(features.length);
    const scale = Math.max(...features.map(Math.abs));
    expect(Math.max(...found.map((value, index) => Math.abs(value - (features[index] ?? Number.NaN))))).toBeLessThan(1e-4 * scale);

    await using classifier = await classifierOf(out, { capacity: 1, maxBatch: 1 });
    const cropBytes = crops.length / frames;
    for (let slot = 0; slot < frames; slot++) {
      const pixels = crops.subarray(slot * cropBytes, (slot + 1) * cropBytes);
      const given = await classifier.step([{ ...noTrack, row: 0, slot, pixels, fresh: slot === 0, resets: slot === 0 ? [0] : [], wanted: true }]);
      expect(Math.abs((given.now[0] ?? Number.NaN) - (scores[slot] ?? Number.NaN))).toBeLessThan(1e-4);
    }
  });
});
