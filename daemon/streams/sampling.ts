/** Decides how often faces are sampled under load: evenly for all streams, 10 → 5 → 2.5 frames a second, and back when there is room. */
import { SAMPLE_RATE_HZ } from "../../pipelines/types.ts";

export type SamplingDivisor = 1 | 2 | 4;

export interface LoadSample {
  /** Crops handed to inference in the last second. */
  readonly crops: number;
  /** Of these, left out because the queue was full. */
  readonly discarded: number;
  /** Age of the oldest waiting crop, milliseconds. */
  readonly oldestWaitMs: number;
  /** Share of the last second in which the model ran, 0..1. */
  readonly busyRatio: number;
}

/** Frames of one second in the analysis processes. */
export interface FrameLoad {
  /** Given to analysis; those left out because sampling is reduced do not count. */
  readonly sampled: number;
  /** Of these, left out because a newer one came before they were taken up. */
  readonly busy: number;
}

/** Seconds of trouble before sampling falls, and of calm before it rises: quick to yield, slow to trust. */
const SECONDS_TO_FALL = 2;
const SECONDS_TO_RISE = 15;
const OVERLOADED_WAIT_MS = 400;
/** Twice the crops must fit into what is free before the rate doubles. */
const CALM_BUSY_RATIO = 0.42;
/** A single frame may be late for many reasons; a fifth of them are not. */
const OVERLOADED_FRAMES_RATIO = 0.2;
/** How much room analysis has cannot be told from outside, so a rise is a trial: one that fails this soon doubles the calm before the next. */
const TRIAL_SECONDS = 30;
const MAX_SECONDS_TO_RISE = 240;

/** Feed it once a second. */
export class SamplingControl {
  #divisor: SamplingDivisor = 1;
  #troubled = 0;
  #calm = 0;
  #frames = { sampled: 0, busy: 0 };
  #secondsToRise = SECONDS_TO_RISE;
  #sinceRise = Number.POSITIVE_INFINITY;

  get divisor(): SamplingDivisor {
    return this.#divisor;
  }

  get samplingFps(): number {
    return SAMPLE_RATE_HZ / this.#divisor;
  }

  /** Counts what an analysis process said of its streams, for the next update. */
  noteFrames({ sampled, busy }: FrameLoad): void {
    this.#frames.sampled += sampled;
    this.#frames.busy += busy;
  }

  /** @returns true when the divisor changed. */
  update(load: LoadSample): boolean {
    const { sampled, busy } = this.#frames;
    this.#frames = { sampled: 0, busy: 0 };
    this.#sinceRise++;
    const troubled = load.discarded > 0 || load.oldestWaitMs > OVERLOADED_WAIT_MS || busy > OVERLOADED_FRAMES_RATIO * sampled;
    const calm = !troubled && load.busyRatio < CALM_BUSY_RATIO;
    this.#troubled = troubled ? this.#troubled + 1 : 0;
    this.#calm = calm ? this.#calm + 1 : 0;
    const before = this.#divisor;
    if (this.#troubled >= SECONDS_TO_FALL && this.#divisor < 4) this.#fall();
    else if (this.#calm >= this.#secondsToRise && this.#divisor > 1) this.#rise();
    if (this.#divisor === before) return false;
    this.#troubled = 0;
    this.#calm = 0;
    return true;
  }

  #fall(): void {
    this.#divisor = this.#divisor === 1 ? 2 : 4;
    this.#secondsToRise = this.#sinceRise <= TRIAL_SECONDS ? Math.min(MAX_SECONDS_TO_RISE, this.#secondsToRise * 2) : SECONDS_TO_RISE;
  }

  #rise(): void {
    this.#divisor = this.#divisor === 4 ? 2 : 1;
    this.#sinceRise = 0;
  }
}
