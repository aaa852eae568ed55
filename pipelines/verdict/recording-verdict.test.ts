/** How the scores of a recording become one verdict. */
import { expect, test } from "vitest";
import type { CropRefusal, HorizonFrames, ModelInfo } from "../types.ts";
import { createRecording, type Recording, worstStretch } from "./recording-verdict.ts";

const bands = { uncertain: 0.4, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 };
const model: Pick<ModelInfo, "bands" | "trained" | "kind"> = { bands, trained: true, kind: "cnn-lstm" };

interface Face { readonly track: number; readonly fromMs?: number; readonly slots: number; readonly refusal?: CropRefusal; readonly scores?: readonly (readonly [HorizonFrames, number, number?])[] }

function show(recording: Recording, { track, fromMs = 0, slots, refusal, scores = [] }: Face): void {
  for (let slot = 0; slot < slots; slot++) recording.observeCrop(track, fromMs + slot * 100, refusal ?? null);
  for (const [frames, score, coverage = 1] of scores) recording.observeScore(track, { frames, score, coverage });
}

function verdictOf(faces: readonly Face[], info = model) {
  const recording = createRecording(info);
  for (const face of faces) show(recording, face);
  return recording.verdict();
}

const full = (scores: readonly number[]): readonly (readonly [HorizonFrames, number])[] => scores.map((score) => [100, score] as const);

test("a track's score is the mean of its full-horizon scores, without the provisional ones", () => {
  const verdict = verdictOf([{ track: 1, slots: 120, scores: [[40, 0.1], [60, 0.2], [80, 0.3], ...full([0.8, 0.9, 1])] }]);
  expect(verdict).toMatchObject({ verdict: "manipulated", reason: null });
  expect(verdict.score).toBeCloseTo(0.9, 9);
  expect(verdict.tracks).toEqual([{ track: 1, verdict: "manipulated", score: verdict.score, reason: null, frames: 120, firstPtsMs: 0, lastPtsMs: 11_900 }]);
});

test("a clip shorter than the horizon is judged by its longest provisional scores", () => {
  const verdict = verdictOf([{ track: 1, slots: 70, scores: [[40, 0.9], [60, 0.7]] }]);
  expect(verdict).toMatchObject({ verdict: "suspicious", score: 0.7 });
});

test("a clip of fewer than 40 slots is unscored", () => {
  expect(verdictOf([{ track: 1, slots: 39 }])).toMatchObject({ verdict: "unscored", score: null, reason: "too-few-frames" });
});

test("twenty manipulated seconds of an hour decide, one stray score does not", () => {
  const hour = Array.from({ length: 3_600 }, () => 0.05);
  const swapped = hour.with(1_000, 1);
  expect(verdictOf([{ track: 1, slots: 36_000, scores: full(swapped) }]).verdict).toBe("authentic");
  for (let second = 1_000; second < 1_020; second++) swapped[second] = 0.95;
  expect(verdictOf([{ track: 1, slots: 36_000, scores: full(swapped) }])).toMatchObject({ verdict: "manipulated", score: expect.closeTo(0.95, 9) });
});

test("the worst stretch equals its plain definition", () => {
  const scores = Array.from({ length: 97 }, (_, index) => Math.abs(Math.sin(index * 12.9898)));
  const means = scores.slice(19).map((_, start) => scores.slice(start, start + 20).reduce((sum, score) => sum + score, 0) / 20);
  expect(worstStretch(scores)).toBeCloseTo(Math.max(...means), 12);
  expect(worstStretch([])).toBeNull();
});

test("a recording is as bad as its worst track", () => {
  const verdict = verdictOf([
    { track: 1, slots: 120, scores: full([0.1, 0.1]) },
    { track: 2, slots: 120, scores: full([0.85, 0.9]) },
  ]);
  expect(verdict).toMatchObject({ verdict: "manipulated", score: 0.875, tracks: [{ verdict: "authentic" }, { verdict: "manipulated" }] });
});

test("a long face that could not be scored keeps an authentic one from speaking for the recording", () => {
  const verdict = verdictOf([{ track: 1, slots: 120, scores: full([0.1]) }, { track: 2, slots: 60, refusal: "face-too-small" }]);
  expect(verdict).toMatchObject({ verdict: "unscored", reason: "face-too-small", score: 0.1 });
});

test("a glimpse is listed as unscored but does not decide beside a scored face", () => {
  const verdict = verdictOf([{ track: 1, slots: 120, scores: full([0.1]) }, { track: 2, slots: 12 }]);
  expect(verdict).toMatchObject({ verdict: "authentic", score: 0.1, tracks: [{ track: 1 }, { track: 2, verdict: "unscored", reason: "too-few-frames" }] });
});

test("only sparse windows are low coverage, with the score for display", () => {
  expect(verdictOf([{ track: 1, slots: 200, scores: [[100, 0.9, 0.3]] }])).toMatchObject({ verdict: "unscored", reason: "low-coverage", score: 0.9 });
});

test("an untrained model gives a score but no verdict", () => {
  expect(verdictOf([{ track: 1, slots: 120, scores: full([0.02]) }], { ...model, trained: false })).toMatchObject({ verdict: "unscored", reason: "untrained-model", score: 0.02 });
});

test("a recording without a face gives the reason it is told, by default no-face", () => {
  expect(createRecording(model).verdict()).toEqual({ verdict: "unscored", score: null, reason: "no-face", tracks: [] });
  expect(createRecording(model).verdict("no-video")).toMatchObject({ verdict: "unscored", reason: "no-video" });
});
