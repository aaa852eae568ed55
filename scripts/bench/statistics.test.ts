import { expect, it } from "vitest";
import { median, medianSlope, quantile } from "./statistics.ts";

it("takes the middle, or the mean of the two in the middle", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 2, 100])).toBe(3);
  expect(quantile([10, 20, 30], 0.75)).toBe(25);
  expect(median([])).toBeNaN();
});

it("finds a leak under the sawtooth of a garbage collector, and none where there is none", () => {
  const points = (leakPerStep: number) => Array.from({ length: 60 }, (_, x) => ({ x, y: 300 + leakPerStep * x + 5 * (x % 4) + (x === 30 ? 500 : 0) }));
  expect(medianSlope(points(0.5))).toBeCloseTo(0.5, 1);
  expect(Math.abs(medianSlope(points(0)))).toBeLessThan(0.05);
});
