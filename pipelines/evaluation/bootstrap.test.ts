/** Intervals over groups, on tables whose spread is known. */
import { expect, test } from "vitest";
import { groupBootstrap, median, quantile, seededRandom } from "./bootstrap.ts";

const mean = (items: readonly { readonly value: number }[]): number => items.reduce((sum, { value }) => sum + value, 0) / items.length;

test("the interval of a mean of independent clips is the textbook one", () => {
  const items = Array.from({ length: 100 }, (_, index) => ({ group: String(index), value: index % 2 }));
  const [interval] = groupBootstrap(items, (drawn) => [mean(drawn)]);
  // 1.96 standard errors of a fair coin thrown a hundred times.
  expect(interval!.low).toBeCloseTo(0.5 - 0.098, 1);
  expect(interval!.high).toBeCloseTo(0.5 + 0.098, 1);
});

test("a hundred clips of four people say hardly more than four clips", () => {
  const items = Array.from({ length: 100 }, (_, index) => ({ group: String(index % 4), value: index % 2 }));
  const [interval] = groupBootstrap(items, (drawn) => [mean(drawn)]);
  expect(interval).toEqual({ low: 0, high: 1 });
});

test("the same seed gives the same interval, another seed another", () => {
  const random = seededRandom(5);
  const items = Array.from({ length: 30 }, (_, index) => ({ group: String(index), value: random() }));
  const interval = (seed: number) => groupBootstrap(items, (drawn) => [mean(drawn)], { seed, rounds: 200 })[0];
  expect(interval(1)).toEqual(interval(1));
  expect(interval(1)).not.toEqual(interval(2));
});

test("statistics of one draw are paired: a constant difference has no spread", () => {
  const items = Array.from({ length: 20 }, (_, index) => ({ group: String(index), value: index }));
  const [difference] = groupBootstrap(items, (drawn) => [mean(drawn.map(({ value }) => ({ value: value + 3 }))) - mean(drawn)]);
  expect(difference!.low).toBeCloseTo(3, 9);
  expect(difference!.high).toBeCloseTo(3, 9);
});

test("there is no interval for one group, nor where the statistic is mostly undefined", () => {
  expect(groupBootstrap([{ group: "a", value: 1 }], (drawn) => [mean(drawn)])).toEqual([null]);
  const items = [{ group: "a", value: 1 }, { group: "b", value: 2 }];
  let calls = 0;
  expect(groupBootstrap(items, () => [calls++ % 4 === 0 ? 1 : null], { seed: 1, rounds: 100 })).toEqual([null]);
});

test("quantiles lie between neighbours, and an empty list has no median", () => {
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([])).toBeNull();
});

test("the generator is even and within [0, 1)", () => {
  const random = seededRandom(1);
  const numbers = Array.from({ length: 10_000 }, random);
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  expect(numbers.reduce((sum, value) => sum + value, 0) / numbers.length).toBeCloseTo(0.5, 2);
});
