import { fork } from "node:child_process";
import { expect, test } from "vitest";

interface Comparison {
  readonly length: number;
  readonly largestDifference: number;
  readonly largestValue: number;
  readonly leakedTensors: number;
  readonly steps: number;
  readonly longestShare: number;
}

// tfjs keeps global state, so the comparison has a process of its own.
test("the network in steps gives face-api's own numbers, keeps no tensor, and no step is the most of it", { timeout: 60_000 }, async () => {
  const child = fork(new URL("./testing/compare-descriptors.ts", import.meta.url).pathname, [], { execArgv: [] });
  const comparison = await new Promise<Comparison>((resolve, reject) => {
    child.once("message", (message) => resolve(message as Comparison));
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
  expect(comparison).toMatchObject({ length: 128, leakedTensors: 0, steps: 16 });
  expect(comparison.largestValue).toBeGreaterThan(0.1);
  expect(comparison.largestDifference).toBeLessThan(1e-5);
  expect(comparison.longestShare).toBeLessThan(0.5);
});
