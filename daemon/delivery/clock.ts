/** The wall clock and its timers, in one place that tests replace. Wall time, because due times outlive the process. */

export interface Clock {
  now(): number;
  /** @returns a function that takes the call back. */
  after(ms: number, work: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};
