/** A model folder's graphs behind the pipeline's port: crops to features at once, features into the LSTM states when a score is due. */
import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { HorizonClassifier, HorizonInput, RawScores } from "../pipelines/horizon/classifier.ts";
import { HorizonStates } from "./horizon-states.ts";
import type { CnnLstmManifest } from "./manifest-schema.ts";
import type { GraphPaths } from "./manifest.ts";
import { type GraphSessions, openGraphs, type Provider, type ProviderChoice, releaseGraphs } from "./onnx-sessions.ts";

export interface OnnxClassifierOptions {
  readonly paths: GraphPaths;
  readonly manifest: CnnLstmManifest;
  readonly provider: ProviderChoice;
  /** CPU threads of one inference; 0 is one a core. */
  readonly intraOpNumThreads: number;
  /** Rows of states: tracks that can be followed at once. */
  readonly capacity: number;
  readonly maxBatch: number;
  readonly onPassedOver?: (provider: Provider, reason: string) => void;
}

/** @throws TruecastError provider-unavailable, model-invalid */
export async function startOnnxClassifier(options: OnnxClassifierOptions): Promise<OnnxClassifier> {
  let warmUpMs = 0;
  const sessions = await openGraphs({
    ...options,
    warmUp: async (opened) => {
      const startedAtMs = performance.now();
      const trial = new OnnxClassifier({ ...options, capacity: 1, maxBatch: 1 }, { sessions: opened, warmUpMs: 0, release: async () => {} });
      await trial.step([{ row: 0, stream: "", track: "", slot: 0, pixels: new Uint8Array(options.manifest.input.sizePx ** 2 * 3), fresh: true, resets: [], wanted: true }]);
      warmUpMs = performance.now() - startedAtMs;
    },
  });
  return new OnnxClassifier(options, { sessions, warmUpMs, release: () => releaseGraphs(sessions) });
}

export class OnnxClassifier implements HorizonClassifier {
  readonly provider: Provider;
  readonly warmUpMs: number;
  readonly #backbone: InferenceSession;
  readonly #release: () => Promise<void>;
  readonly #horizon: HorizonStates;
  readonly #states: number;
  readonly #sizePx: number;
  readonly #featureSize: number;
  /** The arrays that one batch passes through, allocated once for the largest. */
  readonly #crops: Uint8Array;
  readonly #features: Float32Array;
  readonly #now: Float32Array;
  readonly #before: Float32Array;
  #closing: Promise<void> | undefined;

  constructor(
    { manifest, capacity, maxBatch }: Pick<OnnxClassifierOptions, "manifest" | "capacity" | "maxBatch">,
    { sessions, warmUpMs, release }: { sessions: GraphSessions; warmUpMs: number; release: () => Promise<void> },
  ) {
    this.provider = sessions.provider;
    this.warmUpMs = warmUpMs;
    this.#backbone = sessions.backbone;
    this.#release = release;
    this.#horizon = new HorizonStates({ projection: sessions.projection, horizon: sessions.horizon, manifest, capacity, maxBatch });
    this.#states = manifest.window / manifest.hop;
    this.#sizePx = manifest.input.sizePx;
    this.#featureSize = manifest.featureSize;
    this.#crops = new Uint8Array(maxBatch * this.#sizePx ** 2 * 3);
    this.#features = new Float32Array(maxBatch * this.#featureSize);
    this.#now = new Float32Array(maxBatch * this.#states);
    this.#before = new Float32Array(maxBatch * this.#states);
  }

  async step(inputs: readonly HorizonInput[]): Promise<RawScores> {
    await this.#extractFeatures(inputs);
    let flush = false;
    inputs.forEach((input, index) => {
      const isFull = this.#horizon.push(input, this.#features.subarray(index * this.#featureSize, (index + 1) * this.#featureSize));
      flush ||= isFull || input.wanted;
    });
    if (flush) await this.#horizon.flush();
    inputs.forEach(({ row, wanted }, index) => {
      if (!wanted) return;
      this.#now.set(this.#horizon.scoresOf(row), index * this.#states);
      this.#before.set(this.#horizon.scoresBeforeOf(row), index * this.#states);
    });
    return { now: this.#now, before: this.#before };
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#release());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #extractFeatures(inputs: readonly HorizonInput[]): Promise<void> {
    const count = inputs.length;
    const cropBytes = this.#sizePx ** 2 * 3;
    inputs.forEach(({ pixels }, index) => this.#crops.set(pixels, index * cropBytes));
    const crops = new Tensor("uint8", this.#crops.subarray(0, count * cropBytes), [count, this.#sizePx, this.#sizePx, 3]);
    const features = new Tensor("float32", this.#features.subarray(0, count * this.#featureSize), [count, this.#featureSize]);
    await this.#backbone.run({ crops }, { features });
  }
}
