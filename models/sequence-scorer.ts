/** A model's own graphs asked about short sequences outside the live horizon: every crop stands for an equal share of the window. */
import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { CnnLstmManifest } from "./manifest-schema.ts";
import type { GraphPaths } from "./manifest.ts";
import { openGraphs, releaseGraphs } from "./onnx-sessions.ts";

export interface SequenceScorer extends AsyncDisposable {
  /**
   * Raw probabilities of manipulation after a whole window from a zero state, one a sequence. All sequences have the same number of crops.
   * @param sequences crops are RGB24 HWC at the model's input size
   */
  score(sequences: readonly (readonly Uint8Array[])[]): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** On the CPU: beside the live model, and off its path. @throws TruecastError model-invalid */
export async function openSequenceScorer({ paths, manifest, threads }: { readonly paths: GraphPaths; readonly manifest: CnnLstmManifest; readonly threads: number }): Promise<SequenceScorer> {
  const sessions = await openGraphs({ paths, manifest, provider: "cpu", intraOpNumThreads: threads, warmUp: async () => undefined });
  let closing: Promise<void> | undefined;
  const scorer: SequenceScorer = {
    async score(sequences) {
      const steps = sequences[0]?.length ?? 0;
      const features: Float32Array[] = [];
      for (const crop of sequences.flat()) features.push(await featuresOf(sessions.backbone, crop, manifest));
      return await scoresOf(sessions, features, { manifest, count: sequences.length, steps });
    },
    close: () => (closing ??= releaseGraphs(sessions)),
    [Symbol.asyncDispose]: () => scorer.close(),
  };
  return scorer;
}

async function featuresOf(backbone: InferenceSession, crop: Uint8Array, { input: { sizePx }, featureSize }: CnnLstmManifest): Promise<Float32Array> {
  const features = new Float32Array(featureSize);
  await backbone.run({ crops: new Tensor("uint8", crop, [1, sizePx, sizePx, 3]) }, { features: new Tensor("float32", features, [1, featureSize]) });
  return features;
}

/** @param features of all sequences, one after the other */
async function scoresOf(
  { projection, horizon }: { readonly projection: InferenceSession; readonly horizon: InferenceSession },
  features: readonly Float32Array[],
  { manifest, count, steps }: { readonly manifest: CnnLstmManifest; readonly count: number; readonly steps: number },
): Promise<readonly number[]> {
  const { featureSize, hiddenSize, window } = manifest;
  let h = new Float32Array(count * hiddenSize);
  let c = new Float32Array(count * hiddenSize);
  const scores = new Float32Array(count);
  for (let step = 0; step < window; step++) {
    const index = Math.floor((step * steps) / window);
    const inputs = new Float32Array(count * featureSize);
    for (let sequence = 0; sequence < count; sequence++) inputs.set(features[sequence * steps + index] ?? [], sequence * featureSize);
    const gates = new Tensor("float32", new Float32Array(count * 4 * hiddenSize), [count, 4 * hiddenSize]);
    await projection.run({ features: new Tensor("float32", inputs, [count, featureSize]) }, { gates });
    const next = { h: new Float32Array(h.length), c: new Float32Array(c.length) };
    const state = (data: Float32Array): Tensor => new Tensor("float32", data, [count, 1, hiddenSize]);
    await horizon.run({ gates, h: state(h), c: state(c) }, { h_next: state(next.h), c_next: state(next.c), score: new Tensor("float32", scores, [count, 1]) });
    h = next.h;
    c = next.c;
  }
  return [...scores];
}
