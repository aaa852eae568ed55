import { expect, test } from "vitest";
import { createCropRing } from "./crop-ring.ts";

const pixels = new Uint8Array(3);

test("two crops a second are kept of each face, and the last ten seconds of them", () => {
  const ring = createCropRing();
  for (let slot = 0; slot < 300; slot++) ring.add(1, { ptsMs: slot * 100, pixels });
  const times = ring.from(1, 0).map(({ ptsMs }) => ptsMs);
  expect(times).toEqual(Array.from({ length: 20 }, (_, index) => 20_000 + index * 500));
  expect(ring.from(1, 27_400).map(({ ptsMs }) => ptsMs)).toEqual([27_500, 28_000, 28_500, 29_000, 29_500]);
});

test("at a reduced sampling rate the next crop that comes is kept", () => {
  const ring = createCropRing();
  for (let slot = 0; slot < 100; slot += 4) ring.add(1, { ptsMs: slot * 100, pixels });
  expect(ring.from(1, 0).map(({ ptsMs }) => ptsMs).slice(0, 3)).toEqual([0, 800, 1_600]);
});

test("faces have a ring each, which ends with them", () => {
  const ring = createCropRing();
  ring.add(1, { ptsMs: 0, pixels });
  ring.add(2, { ptsMs: 100, pixels });
  ring.endTrack(1);
  expect([ring.from(1, 0), ring.from(2, 0).length]).toEqual([[], 1]);
});
