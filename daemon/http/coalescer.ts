/** Thins out updates about the same thing: the first goes out at once, later ones wait for the interval, newest wins. */

export interface Coalescer<T> {
  /** The value when it should go out now, or null when it is held. */
  offer(key: string, value: T, nowMs: number): T | null;
  /** Forgets what is held of a key. */
  drop(key: string): void;
  /** Held values whose interval is over. Keys that have been quiet for an interval are forgotten. */
  due(nowMs: number): T[];
  /** When `due` next has something to do; null when it has not. */
  readonly nextDueMs: number | null;
}

export function createCoalescer<T>(intervalMs: number): Coalescer<T> {
  // Insertion order is order of `dueMs`, because every entry waits equally long and is inserted anew when it goes out.
  const entries = new Map<string, { dueMs: number; held: { value: T } | null }>();

  return {
    offer(key, value, nowMs) {
      const entry = entries.get(key);
      if (entry === undefined) {
        entries.set(key, { dueMs: nowMs + intervalMs, held: null });
        return value;
      }
      entry.held = { value };
      return null;
    },
    drop: (key) => void entries.delete(key),
    due(nowMs) {
      const out: T[] = [];
      // Entries inserted below lie in the future, so the walk ends at them.
      for (const [key, entry] of entries) {
        if (entry.dueMs > nowMs) break;
        entries.delete(key);
        if (entry.held === null) continue;
        out.push(entry.held.value);
        entries.set(key, { dueMs: nowMs + intervalMs, held: null });
      }
      return out;
    },
    get nextDueMs() {
      for (const entry of entries.values()) return entry.dueMs;
      return null;
    },
  };
}
