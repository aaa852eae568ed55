/** Figures of small score tables, computed by hand. */
import { expect, test } from "vitest";
import { accuracyAt, areaUnderCurve, bestAccuracy, equalErrorRate, rocCurve, type Scored, truePositiveRateAt } from "./roc.ts";

function scored(reals: readonly number[], fakes: readonly number[]): Scored[] {
  return [...reals.map((score) => ({ label: "real" as const, score })), ...fakes.map((score) => ({ label: "fake" as const, score }))];
}

/** One of twelve pairs is in the wrong order. */
const SMALL = scored([0.1, 0.2, 0.3, 0.7], [0.6, 0.8, 0.9]);

test("the area is the share of pairs in the right order, ties counted half", () => {
  expect(areaUnderCurve(SMALL)).toBeCloseTo(11 / 12, 12);
  expect(areaUnderCurve(scored([0.1, 0.4], [0.35, 0.8]))).toBe(0.75);
  expect(areaUnderCurve(scored([0.5, 0.5], [0.5]))).toBe(0.5);
  expect(areaUnderCurve(scored([0.9], [0.1]))).toBe(0);
});

test("the area equals that under the curve by trapezoids, with ties", () => {
  const items = scored([0.1, 0.2, 0.2, 0.5, 0.6, 0.6], [0.2, 0.5, 0.6, 0.6, 0.9]);
  const curve = rocCurve(items);
  const trapezoids = curve.slice(1).reduce((sum, point, index) => {
    const before = curve[index]!;
    return sum + ((point.falsePositiveRate - before.falsePositiveRate) * (point.truePositiveRate + before.truePositiveRate)) / 2;
  }, 0);
  expect(areaUnderCurve(items)).toBeCloseTo(trapezoids, 12);
});

test("the curve has one point for each distinct score, from nothing flagged to everything", () => {
  expect(rocCurve(scored([0.1, 0.4], [0.4, 0.8]))).toEqual([
    { threshold: Number.POSITIVE_INFINITY, falsePositiveRate: 0, truePositiveRate: 0 },
    { threshold: 0.8, falsePositiveRate: 0, truePositiveRate: 0.5 },
    { threshold: 0.4, falsePositiveRate: 0.5, truePositiveRate: 1 },
    { threshold: 0.1, falsePositiveRate: 1, truePositiveRate: 1 },
  ]);
});

test("the equal error rate lies where misses and false alarms meet, between points if need be", () => {
  expect(equalErrorRate(SMALL)).toBeCloseTo(0.25, 12);
  expect(equalErrorRate(scored([0.1, 0.2], [0.8, 0.9]))).toBe(0);
  expect(equalErrorRate(scored([0.8, 0.9], [0.1, 0.2]))).toBe(1);
  // One threshold for all: from (0, 0) straight to (1, 1), so half of either.
  expect(equalErrorRate(scored([0.5], [0.5]))).toBe(0.5);
});

test("accuracy counts a score at the threshold as fake", () => {
  expect(accuracyAt(SMALL, 0.7)).toEqual({ threshold: 0.7, accuracy: 5 / 7, balancedAccuracy: (2 / 3 + 3 / 4) / 2, truePositiveRate: 2 / 3, falsePositiveRate: 1 / 4 });
});

test("the best threshold is the strictest of equals, halfway between two scores", () => {
  expect(bestAccuracy(SMALL)).toMatchObject({ threshold: 0.75, accuracy: 6 / 7 });
  expect(bestAccuracy(SMALL, "balancedAccuracy")).toMatchObject({ threshold: (0.3 + 0.6) / 2, balancedAccuracy: (1 + 3 / 4) / 2 });
});

test("where calling nothing fake is best, the threshold is out of reach", () => {
  expect(bestAccuracy(scored([0.8, 0.9, 0.95], [0.1]))).toMatchObject({ threshold: Number.POSITIVE_INFINITY, accuracy: 0.75 });
});

test("the rate at one false positive in a hundred needs a hundred genuine clips", () => {
  expect(truePositiveRateAt(SMALL, 0.01)).toEqual({ kind: "too-few-genuine", genuine: 4, needed: 100 });
  const hundred = scored(Array.from({ length: 100 }, (_, index) => index / 200), [0.49, 0.494, 0.6, 0.7]);
  // One false positive is allowed: the threshold may go down to the second highest genuine score, 0.49, exclusive of it.
  expect(truePositiveRateAt(hundred, 0.01)).toEqual({ kind: "measured", truePositiveRate: 0.75, threshold: 0.494 });
  expect(truePositiveRateAt(hundred, 0.001)).toEqual({ kind: "too-few-genuine", genuine: 100, needed: 1000 });
});

test("with one class missing there is no figure rather than a good one", () => {
  const reals = scored([0.1, 0.2], []);
  expect(areaUnderCurve(reals)).toBeNull();
  expect(equalErrorRate(reals)).toBeNull();
  expect(accuracyAt(reals, 0.5)).toBeNull();
  expect(bestAccuracy(reals)).toBeNull();
  expect(rocCurve(reals)).toEqual([]);
});
