/** The LSTM states of all tracks, and the features that wait to be stepped into them. */
import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { CnnLstmManifest } from "./manifest-schema.ts";

export interface HorizonStatesOptions {
  readonly projection: InferenceSession;
  readonly horizon: InferenceSession;
  readonly manifest: CnnLstmManifest;
  /** Rows of states: tracks that can be followed at once. */
  readonly capacity: number;
  /** Rows stepped together. */
  readonly maxBatch: number;
}

/**
 * A state must be up to date only when it gives a score, once a hop. Until then features wait, at most a hop of them a row;
 * then the input projection of all of them is one matrix product, so that its weights are read once a hop instead of once
 * a frame (a third to a half of the horizon's cost with few tracks), and the recurrent steps of all rows go together.
 * Memory is allocated once, whatever tracks come and go.
 */
export class HorizonStates {
  readonly #options: HorizonStatesOptions;
  readonly #states: number;
  readonly #hop: number;
  readonly #hidden: number;
  readonly #featureSize: number;
  readonly #rowFloats: number;
  /** `[capacity, states, hidden]`. */
  readonly #h: Float32Array;
  readonly #c: Float32Array;
  /** `[capacity, states]`: after the last step, and after the one before it. */
  readonly #scores: Float32Array;
  readonly #scoresBefore: Float32Array;
  /** `[capacity, hop, features]`, and the states to reset before each of those steps. */
  readonly #pending: Float32Array;
  readonly #pendingResets: (readonly number[])[][];
  readonly #scratch: Scratch;

  constructor(options: HorizonStatesOptions) {
    const { manifest, capacity, maxBatch } = options;
    this.#options = options;
    this.#hop = manifest.hop;
    this.#states = manifest.window / manifest.hop;
    this.#hidden = manifest.hiddenSize;
    this.#featureSize = manifest.featureSize;
    this.#rowFloats = this.#states * this.#hidden;
    this.#h = new Float32Array(capacity * this.#rowFloats);
    this.#c = new Float32Array(capacity * this.#rowFloats);
    this.#scores = new Float32Array(capacity * this.#states);
    this.#scoresBefore = new Float32Array(capacity * this.#states);
    this.#pending = new Float32Array(capacity * this.#hop * this.#featureSize);
    this.#pendingResets = Array.from({ length: capacity }, () => []);
    this.#scratch = {
      features: new Float32Array(maxBatch * this.#hop * this.#featureSize),
      gates: new Float32Array(maxBatch * this.#hop * 4 * this.#hidden),
      h: new Float32Array(maxBatch * this.#rowFloats),
      c: new Float32Array(maxBatch * this.#rowFloats),
      hNext: new Float32Array(maxBatch * this.#rowFloats),
      cNext: new Float32Array(maxBatch * this.#rowFloats),
      scores: new Float32Array(maxBatch * this.#states),
    };
  }

  /** Adds a row's next step. @returns true when the row can hold no more, so that `flush` must follow. */
  push({ row, fresh, resets }: { readonly row: number; readonly fresh: boolean; readonly resets: readonly number[] }, features: Float32Array): boolean {
    const waiting = this.#waitingOf(row);
    if (fresh) waiting.length = 0;
    this.#pending.set(features, (row * this.#hop + waiting.length) * this.#featureSize);
    waiting.push(resets);
    return waiting.length === this.#hop;
  }

  /** Steps every row through all that waits. */
  async flush(): Promise<void> {
    const rows = this.#pendingResets.flatMap((waiting, row) => (waiting.length > 0 ? [row] : []));
    // Longest first: the rows that still step are then always the first of the batch.
    rows.sort((a, b) => this.#waitingOf(b).length - this.#waitingOf(a).length);
    const { maxBatch } = this.#options;
    for (let at = 0; at < rows.length; at += maxBatch) await this.#advance(rows.slice(at, at + maxBatch));
  }

  /** Scores of a row's states after its last step; up to date after `flush`. */
  scoresOf(row: number): Float32Array {
    return this.#scores.subarray(row * this.#states, (row + 1) * this.#states);
  }

  /** Scores of a row's states after the step before its last. */
  scoresBeforeOf(row: number): Float32Array {
    return this.#scoresBefore.subarray(row * this.#states, (row + 1) * this.#states);
  }

  async #advance(rows: readonly number[]): Promise<void> {
    const { h, c, gates } = this.#scratch;
    const active = this.#layOut(rows);
    await this.#project(active.reduce((sum, count) => sum + count, 0));
    rows.forEach((row, index) => {
      h.set(this.#rowOf(this.#h, row), index * this.#rowFloats);
      c.set(this.#rowOf(this.#c, row), index * this.#rowFloats);
    });
    let buffers = { h, c, hNext: this.#scratch.hNext, cNext: this.#scratch.cNext };
    let gatesAt = 0;
    for (const [step, count] of active.entries()) {
      for (let index = 0; index < count; index++) this.#reset(buffers, index, this.#waitingOf(rows[index] ?? 0)[step] ?? []);
      const gatesEnd = gatesAt + count * 4 * this.#hidden;
      await this.#step(buffers, gates.subarray(gatesAt, gatesEnd), count);
      gatesAt = gatesEnd;
      for (let index = 0; index < count; index++) this.#keepScores(rows[index] ?? 0, index);
      // Rows without a further step are done: from the last still active to the last of this step.
      for (let index = active[step + 1] ?? 0; index < count; index++) this.#keepStates(rows[index] ?? 0, index, buffers);
      buffers = { h: buffers.hNext, c: buffers.cNext, hNext: buffers.h, cNext: buffers.c };
    }
  }

  /** Puts the waiting features in the order of their steps. @returns how many rows take part in each step. */
  #layOut(rows: readonly number[]): number[] {
    const active: number[] = [];
    let at = 0;
    for (let step = 0; step < this.#hop; step++) {
      const count = rows.filter((row) => this.#waitingOf(row).length > step).length;
      if (count === 0) break;
      active.push(count);
      for (const row of rows.slice(0, count)) {
        const from = (row * this.#hop + step) * this.#featureSize;
        this.#scratch.features.set(this.#pending.subarray(from, from + this.#featureSize), at);
        at += this.#featureSize;
      }
    }
    return active;
  }

  async #project(count: number): Promise<void> {
    const features = new Tensor("float32", this.#scratch.features.subarray(0, count * this.#featureSize), [count, this.#featureSize]);
    const gates = new Tensor("float32", this.#scratch.gates.subarray(0, count * 4 * this.#hidden), [count, 4 * this.#hidden]);
    await this.#options.projection.run({ features }, { gates });
  }

  async #step({ h, c, hNext, cNext }: StateBuffers, gates: Float32Array, count: number): Promise<void> {
    const states = (data: Float32Array): Tensor => new Tensor("float32", data.subarray(0, count * this.#rowFloats), [count, this.#states, this.#hidden]);
    await this.#options.horizon.run(
      { gates: new Tensor("float32", gates, [count, 4 * this.#hidden]), h: states(h), c: states(c) },
      { h_next: states(hNext), c_next: states(cNext), score: new Tensor("float32", this.#scratch.scores.subarray(0, count * this.#states), [count, this.#states]) },
    );
  }

  #reset({ h, c }: StateBuffers, index: number, resets: readonly number[]): void {
    for (const state of resets) {
      const from = index * this.#rowFloats + state * this.#hidden;
      h.fill(0, from, from + this.#hidden);
      c.fill(0, from, from + this.#hidden);
    }
  }

  #keepScores(row: number, index: number): void {
    this.scoresBeforeOf(row).set(this.scoresOf(row));
    this.scoresOf(row).set(this.#scratch.scores.subarray(index * this.#states, (index + 1) * this.#states));
  }

  #keepStates(row: number, index: number, { hNext, cNext }: StateBuffers): void {
    const from = index * this.#rowFloats;
    this.#rowOf(this.#h, row).set(hNext.subarray(from, from + this.#rowFloats));
    this.#rowOf(this.#c, row).set(cNext.subarray(from, from + this.#rowFloats));
    this.#waitingOf(row).length = 0;
  }

  #rowOf(all: Float32Array, row: number): Float32Array {
    return all.subarray(row * this.#rowFloats, (row + 1) * this.#rowFloats);
  }

  #waitingOf(row: number): (readonly number[])[] {
    const waiting = this.#pendingResets[row];
    if (waiting === undefined) throw new RangeError(`row ${row} of ${this.#pendingResets.length}`);
    return waiting;
  }
}

interface StateBuffers {
  readonly h: Float32Array;
  readonly c: Float32Array;
  readonly hNext: Float32Array;
  readonly cNext: Float32Array;
}

/** The arrays that one batch passes through. */
interface Scratch extends StateBuffers {
  readonly features: Float32Array;
  readonly gates: Float32Array;
  readonly scores: Float32Array;
}
