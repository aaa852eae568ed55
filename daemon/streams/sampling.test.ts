import { expect, test } from "vitest";
import { SamplingControl } from "./sampling.ts";

const overload = { crops: 100, discarded: 10, oldestWaitMs: 600, busyRatio: 1 };
const calm = { crops: 10, discarded: 0, oldestWaitMs: 10, busyRatio: 0.2 };
const full = { crops: 100, discarded: 0, oldestWaitMs: 80, busyRatio: 0.9 };

function feed(control: SamplingControl, load: typeof calm, seconds: number): void {
  for (let second = 0; second < seconds; second++) control.update(load);
}

test("sampling falls in steps under lasting overload and no further than 2.5 fps", () => {
  const control = new SamplingControl();
  feed(control, overload, 1);
  expect(control.samplingFps).toBe(10);
  feed(control, overload, 1);
  expect(control.samplingFps).toBe(5);
  feed(control, overload, 20);
  expect(control.samplingFps).toBe(2.5);
});

test("it rises only after lasting calm with room for twice the crops", () => {
  const control = new SamplingControl();
  feed(control, overload, 2);
  feed(control, full, 60);
  expect(control.samplingFps).toBe(5);
  feed(control, calm, 14);
  expect(control.samplingFps).toBe(5);
  feed(control, calm, 1);
  expect(control.samplingFps).toBe(10);
});

test("it falls when analysis leaves out a fifth of the frames, whatever inference says, and not for a late frame", () => {
  const control = new SamplingControl();
  const second = (busy: number): void => {
    // Two analysis processes report on their own.
    control.noteFrames({ sampled: 20, busy });
    control.noteFrames({ sampled: 20, busy: 0 });
    control.update(calm);
  };
  for (let seconds = 0; seconds < 10; seconds++) second(8);
  expect(control.samplingFps).toBe(10);
  second(9);
  expect(control.samplingFps).toBe(10);
  second(9);
  expect(control.samplingFps).toBe(5);
});

test("the fifth is one of the frames that are sampled, at a reduced rate too: what still falls behind there does not rise", () => {
  const control = new SamplingControl();
  feed(control, overload, 2);
  for (let seconds = 0; seconds < 20; seconds++) {
    // 40 decoded in that second, of which analysis was given 20.
    control.noteFrames({ sampled: 40 / control.divisor, busy: control.divisor === 2 ? 6 : 0 });
    control.update(calm);
    expect(control.samplingFps).toBeLessThan(10);
    if (control.divisor === 4) return;
  }
  throw new Error("it did not fall further");
});

test("a rise that fails soon makes the next one wait twice as long, until one has lasted", () => {
  const control = new SamplingControl();
  const secondsToRise = (): number => {
    let seconds = 0;
    for (; control.samplingFps < 10; seconds++) feed(control, calm, 1);
    return seconds;
  };
  const fallen: number[] = [];
  for (let trial = 0; trial < 6; trial++) {
    feed(control, overload, 2);
    fallen.push(secondsToRise());
  }
  expect(fallen).toEqual([15, 30, 60, 120, 240, 240]);
  feed(control, calm, 31);
  feed(control, overload, 2);
  expect(secondsToRise()).toBe(15);
});
