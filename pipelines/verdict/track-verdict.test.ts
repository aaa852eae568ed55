/** Bands, hysteresis and the reasons of an unscored track. */
import { describe, expect, test } from "vitest";
import type { HorizonScore, ModelInfo } from "../types.ts";
import { bandOf } from "./bands.ts";
import { createTrackVerdict } from "./track-verdict.ts";

const bands = { uncertain: 0.4, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 };
const model: Pick<ModelInfo, "bands" | "trained" | "kind"> = { bands, trained: true, kind: "cnn-lstm" };
const full = (score: number, coverage = 1): HorizonScore => ({ frames: 100, score, coverage });

describe("a score in its band", () => {
  test("enters a band at its lower edge", () => {
    expect([0, 0.39, 0.4, 0.59, 0.6, 0.79, 0.8, 1].map((score) => bandOf(score, bands))).toEqual([
      "authentic", "authentic", "uncertain", "uncertain", "suspicious", "suspicious", "manipulated", "manipulated",
    ]);
  });

  test("rises at once, across several bands", () => {
    expect(bandOf(0.8, bands, "authentic")).toBe("manipulated");
  });

  test("falls only when it is the hysteresis below the edge", () => {
    expect(bandOf(0.76, bands, "manipulated")).toBe("manipulated");
    expect(bandOf(0.74, bands, "manipulated")).toBe("suspicious");
    expect(bandOf(0.56, bands, "manipulated")).toBe("suspicious");
    expect(bandOf(0.36, bands, "manipulated")).toBe("uncertain");
    expect(bandOf(0.34, bands, "manipulated")).toBe("authentic");
  });

  test("is never read from a number that is not one", () => {
    expect(() => bandOf(Number.NaN, bands)).toThrow(RangeError);
  });
});

describe("the verdict of a track", () => {
  test("is unscored for too few frames until the first score, then provisional, then full", () => {
    const verdict = createTrackVerdict({ model });
    for (let ptsMs = 0; ptsMs < 4_000; ptsMs += 100) verdict.observeCrop(ptsMs, null);
    expect(verdict.verdictAt(3_900, true)).toEqual({ kind: "unscored", reason: "too-few-frames", score: null });
    verdict.observeScore(4_000, { frames: 40, score: 0.7, coverage: 1 });
    expect(verdict.verdictAt(4_000, true)).toEqual({ kind: "suspicious", score: 0.7, frames: 40, coverage: 1 });
    verdict.observeScore(10_000, full(0.1, 0.97));
    expect(verdict.verdictAt(10_000, true)).toEqual({ kind: "authentic", score: 0.1, frames: 100, coverage: 0.97 });
  });

  test("does not flicker while the score swings inside the hysteresis", () => {
    const verdict = createTrackVerdict({ model });
    const kinds = [0.81, 0.78, 0.8, 0.76, 0.82].map((score, index) => {
      verdict.observeScore(index * 1_000, full(score));
      return verdict.verdictAt(index * 1_000, true).kind;
    });
    expect(new Set(kinds)).toEqual(new Set(["manipulated"]));
  });

  test.each(["face-too-small", "face-too-blurred", "face-cut-off"] as const)("is unscored as %s when most crops of the last 3 s were refused", (refusal) => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(0.2));
    for (let ptsMs = 100; ptsMs <= 1_500; ptsMs += 100) verdict.observeCrop(ptsMs, null);
    for (let ptsMs = 1_600; ptsMs <= 3_000; ptsMs += 100) verdict.observeCrop(ptsMs, refusal);
    expect(verdict.verdictAt(3_000, true).kind).toBe("authentic");
    verdict.observeCrop(3_100, refusal);
    verdict.observeCrop(3_200, refusal);
    expect(verdict.verdictAt(3_200, true)).toEqual({ kind: "unscored", reason: refusal, score: 0.2 });
  });

  test("names the most frequent of several refusals", () => {
    const verdict = createTrackVerdict({ model });
    for (const [index, refusal] of (["face-cut-off", "face-too-blurred", "face-too-blurred"] as const).entries()) verdict.observeCrop(index * 100, refusal);
    expect(verdict.verdictAt(200, true)).toMatchObject({ reason: "face-too-blurred" });
  });

  test("recovers from refusals once usable crops prevail again", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(0.2));
    for (let ptsMs = 0; ptsMs < 1_000; ptsMs += 100) verdict.observeCrop(ptsMs, "face-too-blurred");
    for (let ptsMs = 1_000; ptsMs <= 4_500; ptsMs += 100) verdict.observeCrop(ptsMs, null);
    expect(verdict.verdictAt(4_500, true).kind).toBe("authentic");
  });

  test("is unscored when less than half of the window held a crop", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(0.2, 0.5));
    expect(verdict.verdictAt(0, true).kind).toBe("authentic");
    verdict.observeScore(1_000, full(0.1, 0.49));
    expect(verdict.verdictAt(1_000, true)).toEqual({ kind: "unscored", reason: "low-coverage", score: 0.1 });
  });

  test("says that it stands on reduced sampling, and only then", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, { ...full(0.9), samplingFps: 2.5 });
    expect(verdict.verdictAt(0, true)).toEqual({ kind: "manipulated", score: 0.9, frames: 100, coverage: 1, samplingFps: 2.5 });
    verdict.observeScore(1_000, full(0.9));
    expect(verdict.verdictAt(1_000, true)).toEqual({ kind: "manipulated", score: 0.9, frames: 100, coverage: 1 });
  });

  test("does not keep an old score when half a horizon passes without a new one", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(0.2));
    expect(verdict.verdictAt(5_000, true).kind).toBe("authentic");
    expect(verdict.verdictAt(5_100, true)).toEqual({ kind: "unscored", reason: "low-coverage", score: 0.2 });
  });

  test("forgets the band after such a pause, so that hysteresis does not reach across it", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(0.8));
    verdict.observeScore(6_000, full(0.78));
    expect(verdict.verdictAt(6_000, true).kind).toBe("suspicious");
  });

  test("is never given by an untrained model, whose score is kept for display", () => {
    const verdict = createTrackVerdict({ model: { ...model, trained: false } });
    verdict.observeScore(0, full(0.01));
    expect(verdict.verdictAt(0, true)).toEqual({ kind: "unscored", reason: "untrained-model", score: 0.01 });
  });

  test("is given by the scripted stand-in, though it is untrained", () => {
    const verdict = createTrackVerdict({ model: { ...model, trained: false, kind: "scripted" } });
    verdict.observeScore(0, full(0.9));
    expect(verdict.verdictAt(0, true).kind).toBe("manipulated");
  });

  test("is unscored while inference is down", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(0.01));
    expect(verdict.verdictAt(100, false)).toEqual({ kind: "unscored", reason: "inference-unavailable", score: 0.01 });
  });

  test("does not turn a score that is not a number into authentic", () => {
    const verdict = createTrackVerdict({ model });
    verdict.observeScore(0, full(Number.NaN));
    expect(verdict.verdictAt(0, true)).toEqual({ kind: "unscored", reason: "too-few-frames", score: null });
  });
});
