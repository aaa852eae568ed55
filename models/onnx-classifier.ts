/** A model folder's graphs behind the pipeline's port: backbone, then one step of all staggered states of the batch. */
import { Tensor } from "onnxruntime-node";
import type { HorizonClassifier, HorizonInput } from "../pipelines/horizon/classifier.ts";
import type { CnnLstmManifest } from "./manifest-schema.ts";
import type { GraphPaths } from "./manifest.ts";
import { type GraphSessions, openGraphs, type Provider, type ProviderChoice } from "./onnx-sessions.ts";

export interface OnnxClassifierOptions {
  readonly paths: GraphPaths;
  readonly manifest: CnnLstmManifest;
  readonly provider: ProviderChoice;
  readonly intraOpNumThreads: number;
  /** Rows of states: tracks that can be followed at once. */
  readonly capacity: number;
  readonly maxBatch: number;
  readonly onPassedOver?: (provider: Provider, reason: string) => void;
}

/** @throws TruecastError provider-unavailable, model-invalid */
export async function startOnnxClassifier(options: OnnxClassifierOptions): Promise<OnnxClassifier> {
  const batch = new Batch(options.manifest, options.maxBatch);
  let warmUpMs = 0;
  const sessions = await openGraphs({
    ...options,
    warmUp: async (opened) => {
      const startedAt = performance.now();
      await batch.run(opened, 1);
      warmUpMs = performance.now() - startedAt;
    },
  });
  return new OnnxClassifier({ sessions, batch, capacity: options.capacity, warmUpMs });
}

export class OnnxClassifier implements HorizonClassifier {
  readonly provider: Provider;
  readonly warmUpMs: number;
  readonly #sessions: GraphSessions;
  readonly #batch: Batch;
  /** `[capacity, states, hidden]`, allocated once: memory does not depend on how many tracks come and go. */
  readonly #h: Float32Array;
  readonly #c: Float32Array;
  #closing: Promise<void> | undefined;

  constructor({ sessions, batch, capacity, warmUpMs }: { sessions: GraphSessions; batch: Batch; capacity: number; warmUpMs: number }) {
    this.provider = sessions.provider;
    this.warmUpMs = warmUpMs;
    this.#sessions = sessions;
    this.#batch = batch;
    this.#h = new Float32Array(capacity * batch.rowFloats);
    this.#c = new Float32Array(capacity * batch.rowFloats);
  }

  async step(inputs: readonly HorizonInput[]): Promise<Float32Array> {
    const { rowFloats, hidden } = this.#batch;
    inputs.forEach((input, index) => {
      const from = input.row * rowFloats;
      const to = index * rowFloats;
      this.#batch.crops.set(input.pixels, index * this.#batch.cropBytes);
      this.#batch.h.set(this.#h.subarray(from, from + rowFloats), to);
      this.#batch.c.set(this.#c.subarray(from, from + rowFloats), to);
      for (const state of input.resets) {
        this.#batch.h.fill(0, to + state * hidden, to + (state + 1) * hidden);
        this.#batch.c.fill(0, to + state * hidden, to + (state + 1) * hidden);
      }
    });
    const scores = await this.#batch.run(this.#sessions, inputs.length);
    inputs.forEach((input, index) => {
      const from = index * rowFloats;
      this.#h.set(this.#batch.hNext.subarray(from, from + rowFloats), input.row * rowFloats);
      this.#c.set(this.#batch.cNext.subarray(from, from + rowFloats), input.row * rowFloats);
    });
    return scores;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#release());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #release(): Promise<void> {
    await this.#sessions.backbone.release();
    await this.#sessions.horizon.release();
  }
}

/** The arrays that one batch passes through, allocated once for the largest. */
class Batch {
  readonly hidden: number;
  readonly rowFloats: number;
  readonly cropBytes: number;
  readonly crops: Uint8Array;
  readonly h: Float32Array;
  readonly c: Float32Array;
  readonly hNext: Float32Array;
  readonly cNext: Float32Array;
  readonly #features: Float32Array;
  readonly #scores: Float32Array;
  readonly #sizePx: number;
  readonly #featureSize: number;
  readonly #states: number;

  constructor(manifest: CnnLstmManifest, maxBatch: number) {
    this.#sizePx = manifest.input.sizePx;
    this.#featureSize = manifest.featureSize;
    this.#states = manifest.window / manifest.hop;
    this.hidden = manifest.hiddenSize;
    this.rowFloats = this.#states * this.hidden;
    this.cropBytes = this.#sizePx ** 2 * 3;
    this.crops = new Uint8Array(maxBatch * this.cropBytes);
    this.#features = new Float32Array(maxBatch * this.#featureSize);
    this.#scores = new Float32Array(maxBatch * this.#states);
    this.h = new Float32Array(maxBatch * this.rowFloats);
    this.c = new Float32Array(maxBatch * this.rowFloats);
    this.hNext = new Float32Array(maxBatch * this.rowFloats);
    this.cNext = new Float32Array(maxBatch * this.rowFloats);
  }

  /** Backbone and horizon over the first `count` entries; gives `[count, states]`, valid until the next run. */
  async run({ backbone, horizon }: GraphSessions, count: number): Promise<Float32Array> {
    const states = (data: Float32Array): Tensor => new Tensor("float32", data.subarray(0, count * this.rowFloats), [count, this.#states, this.hidden]);
    const features = new Tensor("float32", this.#features.subarray(0, count * this.#featureSize), [count, this.#featureSize]);
    const scores = this.#scores.subarray(0, count * this.#states);
    const crops = new Tensor("uint8", this.crops.subarray(0, count * this.cropBytes), [count, this.#sizePx, this.#sizePx, 3]);
    await backbone.run({ crops }, { features });
    await horizon.run({ features, h: states(this.h), c: states(this.c) }, { h_next: states(this.hNext), c_next: states(this.cNext), score: new Tensor("float32", scores, [count, this.#states]) });
    return scores;
  }
}
