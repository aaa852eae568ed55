import { fork } from "node:child_process";
import { expect, test } from "vitest";

interface Comparison {
  readonly largestDifference: number;
  readonly largestValue: number;
  readonly leanHeapBytes: number;
  readonly fullHeapBytes: number;
  readonly leakedTensors: number;
}

// tfjs keeps global state: the comparison has a process of its own, which sees the lean network first, since a heap never shrinks.
test("the lean network gives face-api's own answer and needs a third of the memory", { timeout: 60_000 }, async () => {
  const child = fork(new URL("./testing/compare-networks.ts", import.meta.url).pathname, [], { execArgv: [] });
  const { largestDifference, largestValue, leanHeapBytes, fullHeapBytes, leakedTensors } = await new Promise<Comparison>((resolve, reject) => {
    child.once("message", (message) => resolve(message as Comparison));
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
  expect(largestValue).toBeGreaterThan(1);
  expect(largestDifference / largestValue).toBeLessThan(1e-5);
  expect(leanHeapBytes * 3).toBeLessThan(fullHeapBytes);
  expect(leakedTensors).toBe(0);
});
