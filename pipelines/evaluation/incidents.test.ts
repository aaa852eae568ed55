/** False incidents an hour, with a rule that is easy to count by hand. */
import { expect, test } from "vitest";
import { type AlertRuleUnderTest, countIncidents, poissonUpper } from "./incidents.ts";
import { clipOf, trackOf } from "./testing/clips.ts";

/** Fires at the second score in a row from the threshold up, once until the score falls. */
const rule: AlertRuleUnderTest = {
  earliestAlertMs: 11_000,
  start(threshold) {
    let inARow = 0;
    return ({ score }) => {
      inARow = score >= threshold ? inARow + 1 : 0;
      return inARow === 2;
    };
  },
};

test("incidents are counted on genuine faces and set against the time they were seen", () => {
  const quiet = Array.from({ length: 3_591 }, () => 0.1);
  const clips = [
    clipOf({ file: "hour", label: "real", tracks: [trackOf(quiet.with(100, 0.9).with(101, 0.9).with(102, 0.9).with(2_000, 0.9).with(3_000, 0.85).with(3_001, 0.85))] }),
    clipOf({ file: "swap", label: "fake", tracks: [trackOf([0.9, 0.9, 0.9])] }),
    clipOf({ file: "weak", label: "fake", tracks: [trackOf([0.9, 0.2, 0.9])] }),
    clipOf({ file: "short", label: "fake", tracks: [trackOf([0.9])] }),
  ];
  const found = countIncidents(clips, 0.8, rule);
  expect(found.faceHours).toBeCloseTo(1, 3);
  expect(found.alertableHours).toBeCloseTo(1 - 11 / 3_600, 3);
  expect(found.inForce).toMatchObject({ threshold: 0.8, incidents: 2, fakesAlerted: 0.5 });
  expect(found.inForce.perFaceHour).toBeCloseTo(2, 2);
  expect(found.sweep.find(({ threshold }) => threshold === 0.9)).toMatchObject({ incidents: 1 });
  expect(found.sweep.find(({ threshold }) => threshold === 0.95)).toMatchObject({ incidents: 0, fakesAlerted: 0 });
  expect(found.genuineScores).toBe(3_591);
  expect(found.inForce.genuineScoresAbove).toBeCloseTo(6 / 3_591, 12);
  expect(found.fakeTracksLongEnough).toBe(2);
});

test("clips too short for an alert show nothing about alerts", () => {
  const found = countIncidents([clipOf({ file: "a", label: "real", tracks: [trackOf([0.99])] })], 0.8, rule);
  expect(found.alertableHours).toBe(0);
  expect(found.inForce).toMatchObject({ incidents: 0, upperPerAlertableHour: null, fakesAlerted: null });
});

test("no incident in an hour leaves room for three, as the Poisson table says", () => {
  expect(poissonUpper(0)).toBeCloseTo(2.9957, 3);
  expect(poissonUpper(1)).toBeCloseTo(4.7439, 3);
  expect(poissonUpper(10)).toBeCloseTo(16.962, 2);
});
