/** The port behind which a model lives: it keeps the staggered states of many tracks and advances them a batch at a time. */

/** One crop and the row of states that it advances. */
export interface HorizonInput {
  /** Row of states, `0 <= row < capacity`; the engine owns which track has which. No row twice in a batch. */
  readonly row: number;
  readonly stream: string;
  readonly track: string;
  readonly slot: number;
  /** RGB24 HWC at the model's input size. */
  readonly pixels: Uint8Array;
  /** Nothing of the row counts any more: another track had it, or its step failed. */
  readonly fresh: boolean;
  /** States of the row to set to zero before the step. */
  readonly resets: readonly number[];
  /** Whether the scores of this row will be read. Where not, the classifier may put the step off. */
  readonly wanted: boolean;
}

/** Raw probabilities of manipulation, `[inputs.length, states]` row-major; only rows that were `wanted` are defined. */
export interface RawScores {
  /** Of every state after this step. */
  readonly now: Float32Array;
  /** Of every state before this step and its resets. */
  readonly before: Float32Array;
}

/** Not re-entrant: one `step` at a time. */
export interface HorizonClassifier extends AsyncDisposable {
  /** Execution provider in use: `cpu`, `cuda`, `webgpu`, or `none` for a model that computes nothing. */
  readonly provider: string;
  /** How long the first inference took, which readies kernels and memory. */
  readonly warmUpMs: number;
  /** The scores are valid until the next call. When it throws, the rows of the batch must be started anew. */
  step(inputs: readonly HorizonInput[]): Promise<RawScores>;
  close(): Promise<void>;
}
