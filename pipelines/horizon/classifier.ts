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
  /** States of the row to set to zero before the step. */
  readonly resets: readonly number[];
}

/** Not re-entrant: one `step` at a time. */
export interface HorizonClassifier extends AsyncDisposable {
  /** Execution provider in use: `cpu`, `cuda`, `webgpu`, or `none` for a model that computes nothing. */
  readonly provider: string;
  /** How long the first inference took, which readies kernels and memory. */
  readonly warmUpMs: number;
  /**
   * Raw probability of manipulation of every state after the step, `[inputs.length, states]` row-major.
   * Valid until the next call. When it throws, no state has changed.
   */
  step(inputs: readonly HorizonInput[]): Promise<Float32Array>;
  close(): Promise<void>;
}
