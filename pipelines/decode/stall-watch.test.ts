import { expect, it } from "vitest";
import { createStallWatch } from "./stall-watch.ts";

const options = { timeoutMs: 3000, firstFrameTimeoutMs: 5000, checkEveryMs: 250 };

/** Feeds at `fps` from `fromMs` and checks on time; returns when the watch calls it a stall. */
function stalledAt(watch: ReturnType<typeof createStallWatch>, fps: number, fromMs: number, toMs: number): number | null {
  let nextFeedMs = fromMs;
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 250) {
    for (; nextFeedMs <= nowMs; nextFeedMs += 1000 / fps) watch.fed(nextFeedMs);
    if (watch.isStalled(nowMs)) return nowMs;
  }
  return null;
}

it("finds a decoder stalled three seconds after its last answered packet", () => {
  const watch = createStallWatch(options);
  watch.fed(0);
  watch.delivered();
  expect(stalledAt(watch, 30, 1000, 20_000)).toBe(4000);
});

it("gives a decoder that has just started five seconds", () => {
  expect(stalledAt(createStallWatch(options), 30, 0, 20_000)).toBe(5000);
});

it("never finds a decoder stalled that is fed nothing", () => {
  const watch = createStallWatch(options);
  watch.fed(0);
  watch.delivered();
  for (let nowMs = 0; nowMs < 60_000; nowMs += 250) expect(watch.isStalled(nowMs)).toBe(false);
});

it("does not blame the decoder for a publisher that falls silent at 60 packets a second, nor when it sends again", () => {
  const watch = createStallWatch(options);
  watch.fed(0);
  watch.delivered();
  // Of six packets one is to become a frame: the last five before the silence are answered by none.
  for (let packet = 1; packet <= 5; packet++) watch.fed((packet * 1000) / 60);
  for (let nowMs = 0; nowMs <= 20_000; nowMs += 250) expect(watch.isStalled(nowMs)).toBe(false);
  watch.fed(20_200);
  expect(watch.isStalled(20_250)).toBe(false);
  // From here on packets come, and a decoder that still answers none of them is stalled: nothing has delivered since.
  expect(stalledAt(watch, 60, 20_500, 40_000)).toBe(22_250);
});

it("waits for four packets of a stream of one frame a second, which may all be held for reordering", () => {
  const watch = createStallWatch({ ...options, firstFrameTimeoutMs: 1000 });
  expect(stalledAt(watch, 1, 0, 20_000)).toBe(3000);
});

it("does not blame the decoder for the time in which this process itself was held up", () => {
  const watch = createStallWatch(options);
  watch.fed(0);
  watch.delivered();
  expect(stalledAt(watch, 30, 0, 1000)).toBe(null);
  // Ten seconds pass without a check.
  for (let i = 0; i < 10; i++) watch.fed(11_000);
  expect(watch.isStalled(11_000)).toBe(false);
  expect(watch.isStalled(11_250)).toBe(false);
  expect(stalledAt(watch, 30, 11_500, 20_000)).toBe(12_750);
});
