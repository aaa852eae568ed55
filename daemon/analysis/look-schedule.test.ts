/** When faces are described, on a stream at ten frames a second. */
import { expect, test } from "vitest";
import type { TrackedFace } from "../../pipelines/types.ts";
import { LookSchedule } from "./look-schedule.ts";

const box = { x: 0, y: 0, width: 100, height: 100 };
const face = (trackId: number, changes: Partial<TrackedFace> = {}): TrackedFace => ({ trackId, box, detected: true, crop: { kind: "ok", pixels: new Uint8Array(0), sharpness: 1 }, ...changes });

/** @returns at which seconds which track was looked at */
function watch(schedule: LookSchedule, seconds: number, faces: (atS: number) => readonly TrackedFace[], fromS = 0): [number, number][] {
  const looks: [number, number][] = [];
  for (let tenth = fromS * 10; tenth < (fromS + seconds) * 10; tenth++) {
    const taken = schedule.next(faces(tenth / 10), { ptsMs: tenth * 100, nowMs: tenth * 100 });
    if (taken) looks.push([tenth / 10, taken.trackId]);
  }
  return looks;
}

test("a face is looked at three times before its first whole window, and then no more", () => {
  expect(watch(new LookSchedule(), 60, () => [face(1)])).toEqual([[1, 1], [3.5, 1], [6, 1]]);
});

test("a face with an open alert is looked at once more for each time that it is asked for", () => {
  const schedule = new LookSchedule();
  watch(schedule, 10, () => [face(1)]);
  schedule.ask(1);
  schedule.ask(2);
  expect(watch(schedule, 10, () => [face(1)], 10)).toEqual([[10, 1]]);
});

test("a stream is never looked at twice within a second, however many faces it has, and each has its turn", () => {
  const eight = Array.from({ length: 8 }, (_, index) => face(index + 1));
  const looks = watch(new LookSchedule(), 40, () => eight);
  for (const [index, [atS]] of looks.entries()) expect(atS - (looks[index - 1]?.[0] ?? -1)).toBeGreaterThanOrEqual(1);
  expect(looks.slice(0, 8).map(([, track]) => track).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(looks).toHaveLength(24);
});

test("only a face that is detected in this very frame and can be judged is looked at", () => {
  const refused = { kind: "refused", reason: "face-too-small" } as const;
  expect(watch(new LookSchedule(), 30, (atS) => [face(1, atS === 20 ? {} : { detected: false }), face(2, { crop: refused })])).toEqual([[20, 1]]);
});

test("a track that ended is forgotten", () => {
  const schedule = new LookSchedule();
  watch(schedule, 10, () => [face(1)]);
  schedule.forget(1);
  expect(watch(schedule, 10, () => [face(1)], 10)).toEqual([[11, 1], [13.5, 1], [16, 1]]);
});
