/** Calibration of small tables, computed by hand. */
import { expect, test } from "vitest";
import { reliabilityOf } from "./reliability.ts";

const real = (score: number) => ({ label: "real" as const, score });
const fake = (score: number) => ({ label: "fake" as const, score });

test("the calibration error weighs each bin's gap by its clips", () => {
  const found = reliabilityOf([real(0.05), fake(0.05), fake(0.95), fake(0.95)]);
  // First bin: 0.45 off, last bin: 0.05 off, two clips each.
  expect(found!.expectedCalibrationError).toBeCloseTo(0.25, 12);
  expect(found!.brier).toBeCloseTo((0.0025 + 0.9025 + 0.0025 + 0.0025) / 4, 12);
  expect(found!.bins[0]).toEqual({ low: 0, high: 0.1, count: 2, meanScore: 0.05, shareFake: 0.5 });
  expect(found!.bins[4]).toEqual({ low: 0.4, high: 0.5, count: 0, meanScore: null, shareFake: null });
});

test("scores that are right as often as they say have no error", () => {
  const found = reliabilityOf([...Array.from({ length: 3 }, () => fake(0.75)), real(0.75), ...Array.from({ length: 3 }, () => real(0.25)), fake(0.25)]);
  expect(found!.expectedCalibrationError).toBe(0);
});

test("a score of one falls into the last bin", () => {
  expect(reliabilityOf([fake(1)])!.bins[9]).toMatchObject({ count: 1, shareFake: 1 });
});

test("without clips there is no calibration, and a score beyond one is a defect", () => {
  expect(reliabilityOf([])).toBeNull();
  expect(() => reliabilityOf([fake(-0.2)])).toThrow(RangeError);
});
