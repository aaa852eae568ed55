import { expect, it } from "vitest";
import { createMediaClock, createSlotGate } from "./media-clock.ts";

it("begins where it is told to and follows the raw timeline", () => {
  const clock = createMediaClock({ startMs: 0 });
  expect([5000, 5033, 5067, 7067].map((rawMs) => clock.advance(rawMs).ptsMs)).toEqual([0, 33, 67, 2067]);
  expect(clock.discontinuities).toBe(0);
});

it("goes on by 100 ms across a backward jump and a forward jump beyond 2 s", () => {
  const clock = createMediaClock({ startMs: 0 });
  clock.advance(10_000);
  expect(clock.advance(500)).toEqual({ ptsMs: 100, discontinuity: "backward" });
  expect(clock.advance(533)).toEqual({ ptsMs: 133, discontinuity: null });
  expect(clock.advance(2534)).toEqual({ ptsMs: 233, discontinuity: "forward" });
  expect(clock.advance(2567)).toEqual({ ptsMs: 266, discontinuity: null });
  expect(clock.discontinuities).toBe(2);
});

it("survives the wrap of RTMP's 32-bit timestamps", () => {
  const clock = createMediaClock({ startMs: 0 });
  clock.advance(2 ** 32 - 20);
  expect(clock.advance(13)).toEqual({ ptsMs: 100, discontinuity: "backward" });
});

it("holds still for timestamps that slip back by less than a slot", () => {
  const clock = createMediaClock({ startMs: 0 });
  expect([0, 40, 39, 80, 30, 120].map((rawMs) => clock.advance(rawMs).ptsMs)).toEqual([0, 40, 40, 80, 80, 120]);
  expect(clock.discontinuities).toBe(0);
});

it("goes on by 100 ms after a reconnect, even where the raw timestamps would fit", () => {
  const clock = createMediaClock({ startMs: 0 });
  clock.advance(0);
  clock.advance(40);
  clock.interrupt();
  expect(clock.advance(41)).toEqual({ ptsMs: 140, discontinuity: "reconnect" });
});

it("does not count an interruption before the first timestamp", () => {
  const clock = createMediaClock({ startMs: 0 });
  clock.interrupt();
  expect(clock.advance(77)).toEqual({ ptsMs: 0, discontinuity: null });
});

it("hands out strictly rising slots, flags frames of a used or earlier slot and counts skipped ones", () => {
  const gate = createSlotGate();
  expect([0, 99.999, 100, 50, 400].map((ptsMs) => gate.admit(ptsMs))).toEqual([
    { kind: "new-slot", slot: 0, skippedSlots: 0 },
    { kind: "same-slot", slot: 0 },
    { kind: "new-slot", slot: 1, skippedSlots: 0 },
    { kind: "same-slot", slot: 0 },
    { kind: "new-slot", slot: 4, skippedSlots: 2 },
  ]);
});
