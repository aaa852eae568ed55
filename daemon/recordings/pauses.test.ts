/** A process that stands still, in small: the event loop is blocked. */
import { expect, test } from "vitest";
import { despitePauses } from "./pauses.ts";

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("what failed across a pause is done again", async () => {
  let calls = 0;
  let waited = 0;
  const work = async (): Promise<string> => {
    calls++;
    await new Promise((resolve) => setImmediate(resolve));
    if (calls > 1) return "done";
    standStill(120);
    throw new Error("timed out");
  };
  await expect(despitePauses(work, { pauseMs: 80, beforeRetry: async () => void waited++ })).resolves.toBe("done");
  expect([calls, waited]).toEqual([2, 1]);
});

test("what fails without a pause fails at once, unless it is known to pass", async () => {
  let calls = 0;
  const work = (): Promise<never> => {
    calls++;
    return Promise.reject(new Error("broken"));
  };
  await expect(despitePauses(work)).rejects.toThrow("broken");
  expect(calls).toBe(1);
  await expect(despitePauses(work, { attempts: 3, isPassing: () => true })).rejects.toThrow("broken");
  expect(calls).toBe(4);
});
