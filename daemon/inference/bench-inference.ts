/** Benchmarks of inference: the backbone against the machine's matrix products, the staggered horizon against running it all again. */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { buildModel, findPythonWithTorch } from "../../models/build-model.ts";
import { HorizonStates } from "../../models/horizon-states.ts";
import { type GraphPaths, loadModelFolder } from "../../models/manifest.ts";
import type { CnnLstmManifest } from "../../models/manifest-schema.ts";
import { sessionOptions } from "../../models/onnx-sessions.ts";
import { matmulGraph } from "./matmul-graph.ts";

export interface BackboneBench {
  readonly model: string;
  /** Medians. */
  readonly msPerCrop: { readonly batch1: number; readonly batch8: number };
  readonly gigaMacsPerCrop: number;
  /** At the better of the two batch sizes. */
  readonly gflopPerSecond: number;
  readonly matmulGflopPerSecond: number;
  readonly shareOfMatmul: number;
}

/** Medians, milliseconds a hop for all tracks; without the backbone passes of the hop's new crops, which each way but the clip's needs alike. */
export interface HorizonBench {
  readonly model: string;
  readonly tracks: number;
  readonly staggeredMs: number;
  readonly lstmRerunMs: number;
  /** From the measured cost of a crop: 100 crops a track, then the LSTM. */
  readonly clipRerunMs: number;
  readonly lstmOverStaggered: number;
  readonly clipOverStaggered: number;
}

export interface InferenceBench {
  readonly threads: number;
  readonly backbones: readonly BackboneBench[];
  readonly horizons: readonly HorizonBench[];
  /** What was left out, and why. */
  readonly skipped: readonly string[];
}

const TRACK_COUNTS = [1, 4, 16];
const MATMUL_SIZE = 2048;
const ROUNDS = 15;

/** Builds both models in a temporary folder (about a minute) and measures them with the settings of the live service. */
export async function benchInference({ threads = availableParallelism(), models = ["edge", "resnext101-lstm"] } = {}): Promise<InferenceBench> {
  const python = await findPythonWithTorch();
  if (python === null) return { threads, backbones: [], horizons: [], skipped: ["inference: PyTorch (Debian: python3-torch) is missing, and the graphs are built with it"] };
  const backbones: BackboneBench[] = [];
  const horizons: HorizonBench[] = [];
  for (const model of models) {
    const dir = await mkdtemp(join(tmpdir(), "truecast-bench-"));
    try {
      await buildModel({ python, model, out: dir, threads, sequence: true });
      const folder = await loadModelFolder(dir);
      if (folder.kind !== "cnn-lstm") continue;
      const backbone = await benchBackbone({ manifest: folder.manifest, paths: folder.paths, threads });
      backbones.push(backbone);
      const msPerCrop = Math.min(backbone.msPerCrop.batch1, backbone.msPerCrop.batch8);
      for (const tracks of TRACK_COUNTS) horizons.push(await benchHorizon({ manifest: folder.manifest, paths: folder.paths, sequencePath: join(dir, "sequence.onnx"), tracks, msPerCrop, threads }));
    } finally {
      await rm(dir, { recursive: true });
    }
  }
  return { threads, backbones, horizons, skipped: [] };
}

export interface BenchedModel {
  readonly manifest: CnnLstmManifest;
  readonly paths: GraphPaths;
  readonly threads: number;
}

/** Crops and matrix products in turn, so that whatever slows the machine down slows both. */
export async function benchBackbone({ manifest, paths, threads }: BenchedModel): Promise<BackboneBench> {
  const options = sessionOptions("cpu", threads);
  const backbone = await InferenceSession.create(paths.backbone, options);
  const matmul = await InferenceSession.create(matmulGraph(MATMUL_SIZE), options);
  try {
    const x = random([MATMUL_SIZE, MATMUL_SIZE]);
    const batches = [1, 8].map((count) => cropsOf(manifest.input.sizePx, count));
    const [batch1 = Number.NaN, batch8 = Number.NaN, product = Number.NaN] = await mediansMs([...batches.map((crops) => () => backbone.run({ crops })), () => matmul.run({ x })]);
    const msPerCrop = { batch1, batch8: batch8 / 8 };
    const gigaMacsPerCrop = (manifest.macsPerCrop ?? Number.NaN) / 1e9;
    const gflopPerSecond = (2 * gigaMacsPerCrop * 1000) / Math.min(msPerCrop.batch1, msPerCrop.batch8);
    const matmulGflopPerSecond = (2 * MATMUL_SIZE ** 3) / 1e6 / product;
    return { model: manifest.name, msPerCrop, gigaMacsPerCrop, gflopPerSecond, matmulGflopPerSecond, shareOfMatmul: gflopPerSecond / matmulGflopPerSecond };
  } finally {
    await backbone.release();
    await matmul.release();
  }
}

export interface HorizonBenchOptions extends BenchedModel {
  /** The LSTM over a whole window as one graph: the strongest form of running it again. */
  readonly sequencePath: string;
  readonly tracks: number;
  readonly msPerCrop: number;
}

export async function benchHorizon({ manifest, paths, threads, sequencePath, tracks, msPerCrop }: HorizonBenchOptions): Promise<HorizonBench> {
  const options = sessionOptions("cpu", threads);
  const [projection, horizon, sequence] = [await InferenceSession.create(paths.projection, options), await InferenceSession.create(paths.horizon, options), await InferenceSession.create(sequencePath, options)];
  try {
    const states = new HorizonStates({ projection, horizon, manifest, capacity: tracks, maxBatch: tracks });
    const feature = random([manifest.featureSize]).data as Float32Array;
    const features = random([tracks, manifest.window, manifest.featureSize]);
    const [staggeredMs = Number.NaN, lstmRerunMs = Number.NaN] = await mediansMs([() => oneHop(states, { tracks, hop: manifest.hop, feature }), () => sequence.run({ features })]);
    const clipRerunMs = tracks * manifest.window * msPerCrop + lstmRerunMs;
    return { model: manifest.name, tracks, staggeredMs, lstmRerunMs, clipRerunMs, lstmOverStaggered: lstmRerunMs / staggeredMs, clipOverStaggered: clipRerunMs / staggeredMs };
  } finally {
    for (const session of [projection, horizon, sequence]) await session.release();
  }
}

/** The slots of one hop. Tracks begin at different times, so their scores fall due at different slots. */
async function oneHop(states: HorizonStates, { tracks, hop, feature }: { tracks: number; hop: number; feature: Float32Array }): Promise<void> {
  for (let slot = 0; slot < hop; slot++) {
    let due = false;
    for (let row = 0; row < tracks; row++) {
      const isDue = (row * 7) % hop === slot;
      const isFull = states.push({ row, fresh: false, resets: isDue ? [0] : [] }, feature);
      due ||= isDue || isFull;
    }
    if (due) await states.flush();
  }
}

/** Runs the tasks in turn; the first round warms up and is not counted. */
async function mediansMs(tasks: readonly (() => Promise<unknown>)[]): Promise<number[]> {
  const samples = tasks.map(() => [] as number[]);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, task] of tasks.entries()) {
      const startedAtMs = performance.now();
      await task();
      if (round > 0) samples[index]?.push(performance.now() - startedAtMs);
    }
  }
  return samples.map((values) => values.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN);
}

function random(dims: number[]): Tensor {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return new Tensor("float32", new Float32Array(length).map((_, index) => Math.sin(index * 1.7)), dims);
}

function cropsOf(sizePx: number, count: number): Tensor {
  return new Tensor("uint8", new Uint8Array(count * sizePx * sizePx * 3).map((_, index) => (index * 37) % 251), [count, sizePx, sizePx, 3]);
}
