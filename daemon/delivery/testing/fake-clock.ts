/** A clock that stands until a test moves it. */
import type { Clock } from "../clock.ts";

export interface FakeClock extends Clock {
  /** Goes on by so much, and calls what became due on the way, in its order. What those calls await is not waited for. */
  advance(ms: number): void;
  /** To the next call that is due, at most so far. @returns false when there was none */
  advanceToNext(maxMs: number): boolean;
}

export function fakeClock(startMs: number): FakeClock {
  let nowMs = startMs;
  let waiting: { readonly atMs: number; readonly work: () => void }[] = [];
  const advanceToNext = (maxMs: number): boolean => {
    const next = waiting.toSorted((a, b) => a.atMs - b.atMs)[0];
    if (next === undefined || next.atMs > nowMs + maxMs) return false;
    waiting = waiting.filter((entry) => entry !== next);
    nowMs = Math.max(nowMs, next.atMs);
    next.work();
    return true;
  };
  return {
    now: () => nowMs,
    after(ms, work) {
      const entry = { atMs: nowMs + ms, work };
      waiting.push(entry);
      return () => void (waiting = waiting.filter((other) => other !== entry));
    },
    advanceToNext,
    advance(ms) {
      const end = nowMs + ms;
      while (advanceToNext(end - nowMs));
      nowMs = end;
    },
  };
}
