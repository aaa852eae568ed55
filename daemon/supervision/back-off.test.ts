import { expect, test } from "vitest";
import { BackOff } from "./back-off.ts";

const options = { firstMs: 100, maxMs: 1_000, healthyAfterMs: 10_000 };

test("the first restart is at once and the next ones double up to the cap", () => {
  const backOff = new BackOff(options);
  expect([0, 1, 2, 3, 4, 5, 6].map(() => backOff.next(50))).toEqual([0, 100, 200, 400, 800, 1_000, 1_000]);
});

test("a healthy run starts the ladder anew", () => {
  const backOff = new BackOff(options);
  backOff.next(50);
  backOff.next(50);
  expect(backOff.next(10_000)).toBe(0);
  expect(backOff.next(50)).toBe(100);
});
