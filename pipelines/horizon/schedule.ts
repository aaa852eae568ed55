/** When the staggered LSTM states of one track start, step, give a score and start again, counted in slots of the media clock. */
import type { HorizonFrames, ReducedSamplingFps } from "../types.ts";

/** Ages, in slots, at which the first state gives a score before it has seen a full horizon. */
const PROVISIONAL_AGES: readonly HorizonFrames[] = [40, 60, 80];
const WINDOW: HorizonFrames = 100;

/** A score that falls due at the slot being taken. At most one: a newer one replaces those that a gap held back. */
export interface DueScore {
  /** Which of the states gives it. */
  readonly state: number;
  readonly frames: HorizonFrames;
  /** Filled slots over due slots of the window, 0..1. */
  readonly coverage: number;
  /** null when every slot of the window was due. */
  readonly reducedSamplingFps: ReducedSamplingFps | null;
  /**
   * `step`: read the state's score after this slot's step. `held`: the boundary fell into missed slots, so read the score
   * the state had after its last step, before it is reset.
   */
  readonly from: "step" | "held";
}

export interface HorizonTurn {
  /** The track starts here, or anew after a gap as long as the window or on another clock: nothing from before counts. */
  readonly fresh: boolean;
  /** States to set to zero before the step; ascending. */
  readonly resets: readonly number[];
  readonly due: DueScore | null;
}

/**
 * The schedule of one track. State k begins at slot `k * hop` after the track's first and again every `window` slots, so
 * that one state is exactly `window` old at each hop: its score equals that of an LSTM run from zero over the window.
 * A missed slot makes no step; it only lowers the coverage. A slot that sampling left out makes no step either, but it was
 * not due and lowers nothing. Its size does not grow with the track.
 *
 * Slots rise by one media clock. A slot that is only a little older came late and is refused; one that goes back by a hop or
 * more is of another clock (the process that counted was replaced), and begins the track anew: refused, it would leave the
 * face unscored for as long as the old clock had run.
 */
export class HorizonSchedule {
  readonly hop: number;
  readonly states: number;
  /** Of the window under way of each state, up to the last slot taken. */
  readonly #filled: Uint16Array;
  readonly #due: Uint16Array;
  #firstSlot: number | null = null;
  #lastSlot = 0;
  #lastDivisor = 1;

  constructor(hop: number) {
    if (!Number.isInteger(hop) || hop < 1 || WINDOW % hop !== 0) throw new RangeError(`hop ${hop} does not divide the window of ${WINDOW} slots`);
    this.hop = hop;
    this.states = WINDOW / hop;
    this.#filled = new Uint16Array(this.states);
    this.#due = new Uint16Array(this.states);
  }

  /** The last slot taken, or null before the first. */
  get lastSlot(): number | null {
    return this.#firstSlot === null ? null : this.#lastSlot;
  }

  /**
   * Takes the next filled slot; `divisor` says which slots are due at present: those it divides.
   * Null when it is refused because it does not rise: then nothing changed.
   */
  advance(slot: number, divisor = 1): HorizonTurn | null {
    if (!Number.isSafeInteger(slot)) return null;
    if (this.#firstSlot === null || slot - this.#lastSlot >= WINDOW || this.#lastSlot - slot >= this.hop) return this.#begin(slot, divisor);
    if (slot <= this.#lastSlot) return null;
    const first = this.#firstSlot;
    const previous = this.#lastSlot - first;
    const current = slot - first;
    // Where in a gap sampling changed is not known. A gap of one coarse step is what the change itself looks like; in a
    // longer one a slot that may have been due was due.
    const coarse = Math.max(divisor, this.#lastDivisor);
    const missedDivisor = current - previous <= coarse ? coarse : Math.min(divisor, this.#lastDivisor);
    /** Due among the slots without a crop, by their positions; both ends included. */
    const dueAmong = (from: number, to: number): number => Math.max(0, Math.floor((first + to) / missedDivisor) - Math.ceil((first + from) / missedDivisor) + 1);
    this.#lastSlot = slot;
    this.#lastDivisor = divisor;

    const boundary = this.#newestBoundary(current);
    const isDue = boundary !== null && boundary.at > previous;
    const held = isDue && boundary.at < current ? this.#score(boundary, "held", dueAmong(previous + 1, boundary.at)) : null;
    const resets: number[] = [];
    for (let state = 0; state < this.states; state++) {
      const round = this.#round(state, current);
      if (round !== this.#round(state, previous)) {
        resets.push(state);
        this.#filled[state] = 0;
        this.#due[state] = 0;
      }
      const beganAt = round * WINDOW + state * this.hop;
      this.#filled[state] = (this.#filled[state] ?? 0) + 1;
      // What is filled was due, whatever the divisor says: crops of the old rate may still arrive after it has changed.
      this.#due[state] = (this.#due[state] ?? 0) + 1 + dueAmong(Math.max(previous + 1, beganAt), current - 1);
    }
    return { fresh: false, resets, due: held ?? (isDue ? this.#score(boundary, "step") : null) };
  }

  #begin(slot: number, divisor: number): HorizonTurn {
    this.#firstSlot = slot;
    this.#lastSlot = slot;
    this.#lastDivisor = divisor;
    this.#filled.fill(0);
    this.#due.fill(0);
    this.#filled[0] = 1;
    this.#due[0] = 1;
    return { fresh: true, resets: Array.from({ length: this.states }, (_, state) => state), due: null };
  }

  /** How many times the state has begun by then, less one; negative before its first start. */
  #round(state: number, position: number): number {
    return Math.floor((position - state * this.hop) / WINDOW);
  }

  /** The newest slot at or before `position` at which a score falls due. */
  #newestBoundary(position: number): { at: number; state: number; frames: HorizonFrames } | null {
    const full = Math.floor((position - (WINDOW - 1)) / this.hop);
    if (full >= 0) return { at: WINDOW - 1 + full * this.hop, state: full % this.states, frames: WINDOW };
    const frames = PROVISIONAL_AGES.findLast((age) => age - 1 <= position);
    return frames === undefined ? null : { at: frames - 1, state: 0, frames };
  }

  /** `missed`: slots that were due since the last step, up to the boundary. */
  #score({ state, frames }: { state: number; frames: HorizonFrames }, from: "step" | "held", missed = 0): DueScore {
    const due = (this.#due[state] ?? 0) + missed;
    return { state, frames, coverage: (this.#filled[state] ?? 0) / due, reducedSamplingFps: reducedSamplingFps(due / frames), from };
  }
}

/** Rounded down to a rate that sampling can have, so that no window with slots left out passes for one without. */
function reducedSamplingFps(dueShare: number): ReducedSamplingFps | null {
  if (dueShare >= 1) return null;
  return dueShare >= 0.5 ? 5 : 2.5;
}
