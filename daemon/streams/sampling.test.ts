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
