/** Calibration keeps order and is exact where it should do nothing. */
import { expect, it } from "vitest";
import { calibrate } from "./calibration.ts";

it("leaves a probability as it is at temperature 1 without bias", () => {
  expect(calibrate(0.123456789, { temperature: 1 })).toBe(0.123456789);
});

it("pulls towards one half at a temperature above 1 and pushes away below it", () => {
  expect(calibrate(0.9, { temperature: 2 })).toBeCloseTo(0.75, 10);
  expect(calibrate(0.75, { temperature: 0.5 })).toBeCloseTo(0.9, 10);
});

it("moves one half by the bias alone", () => {
  expect(calibrate(0.5, { temperature: 3, bias: Math.log(4) })).toBeCloseTo(0.8, 10);
});

it("stays finite and within bounds where the softmax has saturated", () => {
  for (const p of [0, 1]) {
    const score = calibrate(p, { temperature: 1.5, bias: -0.2 });
    expect(Number.isFinite(score)).toBe(true);
    expect(Math.abs(score - p)).toBeLessThan(1e-3);
  }
});
