/** Awaits what a fault calls for, holds it to its bound, and prints how long it took: the figures of docs/operations.md. */
import { expect, vi } from "vitest";

/** Awaits a condition; nothing is slept for. @returns the value that was accepted */
export async function until<T>(look: () => Promise<T> | T, accept: (value: T) => boolean, timeoutMs = 60_000): Promise<T> {
  let last: T | undefined;
  await vi.waitFor(
    async () => {
      last = await look();
      if (!accept(last)) throw new Error(`not yet: ${JSON.stringify(last).slice(0, 800)}`);
    },
    { timeout: timeoutMs, interval: 50 },
  );
  return last as T;
}

/** @param recovered resolves when the fault is over; begun right after the fault */
export async function expectRecovery(fault: string, boundSeconds: number, recovered: () => Promise<unknown>): Promise<void> {
  const startedAtMs = performance.now();
  await recovered();
  const seconds = (performance.now() - startedAtMs) / 1_000;
  tell(`${fault}: ${seconds.toFixed(1)} s (bound ${boundSeconds} s)`);
  expect(seconds).toBeLessThan(boundSeconds);
}

/** A figure for the table. */
export function tell(text: string): void {
  process.stdout.write(`fault: ${text}\n`);
}
