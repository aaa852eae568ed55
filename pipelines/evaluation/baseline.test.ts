/** The trivial baseline on clips whose answer is known. */
import { expect, test } from "vitest";
import { baselineScores, fitLogisticRegression } from "./baseline.ts";
import { seededRandom } from "./bootstrap.ts";
import { areaUnderCurve } from "./roc.ts";
import type { EvaluatedClip } from "./scored-clip.ts";
import { clipOf } from "./testing/clips.ts";

function clips(count: number, bitrateOf: (label: "real" | "fake", index: number) => number): EvaluatedClip[] {
  return Array.from({ length: count }, (_, index) => {
    const label = index % 3 === 0 ? ("fake" as const) : ("real" as const);
    return clipOf({ file: `${index}.mp4`, label, group: `g${index >> 1}`, clues: { bitrateKbps: bitrateOf(label, index), widthPx: 512, heightPx: 512, sharpness: 0.1 } });
  });
}

test("clips that bit rate alone tells apart are told apart, each by the clips of other groups", () => {
  const scores = baselineScores(clips(40, (label, index) => (label === "fake" ? 300 : 2_000) + index));
  expect(scores).toHaveLength(40);
  expect(areaUnderCurve(scores)).toBe(1);
});

test("clips that differ in nothing are tied: the area is one half, not less", () => {
  expect(areaUnderCurve(baselineScores(clips(30, () => 800)))).toBe(0.5);
});

test("bit rates drawn at random tell nothing", () => {
  const random = seededRandom(3);
  const area = areaUnderCurve(baselineScores(clips(400, () => 200 + 2_000 * random())));
  expect(area).toBeGreaterThan(0.38);
  expect(area).toBeLessThan(0.62);
});

test("a clip is never judged by clips of its own group: what holds only inside it is not learned", () => {
  // In each pair the fake has the higher rate, but the pairs differ far more than their members do.
  const pairs = Array.from({ length: 12 }, (_, group) => (["real", "fake"] as const).map((label) => clipOf({ file: `${group}-${label}`, label, group: `g${group}`, clues: { bitrateKbps: 100 * 2 ** group * (label === "fake" ? 1.001 : 1), widthPx: 512, heightPx: 512, sharpness: 0.1 } }))).flat();
  const area = areaUnderCurve(baselineScores(pairs));
  expect(area).toBeGreaterThan(0.4);
  expect(area).toBeLessThan(0.6);
});

test("clips without crops have no sharpness and are left out", () => {
  const some = clips(20, () => 800);
  expect(baselineScores([...some, clipOf({ file: "faceless", label: "real", clues: { bitrateKbps: 1, widthPx: 2, heightPx: 2, sharpness: null } })])).toHaveLength(20);
});

test("the regression is symmetric: halfway between the classes it says one half", () => {
  const predict = fitLogisticRegression([[1, 7], [2, 7], [4, 7], [5, 7]], [0, 0, 1, 1]);
  expect(predict([3, 7])).toBeCloseTo(0.5, 6);
  expect(predict([5, 7])).toBeGreaterThan(0.9);
  expect(predict([1, 7]) + predict([5, 7])).toBeCloseTo(1, 6);
});
