/** Bounds, order and fairness of the queue before the model. */
import { describe, expect, it } from "vitest";
import { CropQueue } from "./crop-queue.ts";

const queueOf = (maxWaiting = 100) => new CropQueue<number>({ maxPerTrack: 2, maxWaiting });
const crop = (stream: string, face: number, slot: number) => ({ stream, track: `${stream}#${face}`, queuedAtMs: slot, item: slot });
const named = (crops: { track: string; item: number }[]) => crops.map(({ track, item }) => `${track}@${item}`);

describe("CropQueue", () => {
  it("gives the crops of a track in their order, one a batch", () => {
    const queue = queueOf();
    queue.push(crop("a", 1, 1));
    queue.push(crop("a", 1, 2));
    expect(named(queue.take(8))).toEqual(["a#1@1"]);
    expect(named(queue.take(8))).toEqual(["a#1@2"]);
    expect(queue.take(8)).toEqual([]);
  });

  it("discards the older of a track when two wait already, so that the newest stay", () => {
    const queue = queueOf();
    expect(queue.push(crop("a", 1, 1))).toBeNull();
    expect(queue.push(crop("a", 1, 2))).toBeNull();
    expect(queue.push(crop("a", 1, 3))?.item).toBe(1);
    expect(queue.size).toBe(2);
    expect(named(queue.take(8))).toEqual(["a#1@2"]);
  });

  it("serves a stream with one face as often as one with many", () => {
    const queue = queueOf();
    for (let face = 1; face <= 20; face++) queue.push(crop("crowd", face, 0));
    queue.push(crop("solo", 1, 0));
    expect(named(queue.take(4))).toEqual(["crowd#1@0", "solo#1@0", "crowd#2@0", "crowd#3@0"]);
    queue.push(crop("solo", 1, 1));
    expect(named(queue.take(4))).toContain("solo#1@1");
  });

  it("lets the faces of a stream take turns when a batch is too small for all", () => {
    const queue = queueOf();
    const served = new Map<string, number>();
    for (let slot = 0; slot < 30; slot++) {
      for (let face = 1; face <= 5; face++) queue.push(crop("a", face, slot));
      for (const { track } of queue.take(2)) served.set(track, (served.get(track) ?? 0) + 1);
    }
    expect([...served.values()]).toEqual([12, 12, 12, 12, 12]);
  });

  it("takes from the fullest stream when all places are taken", () => {
    const queue = queueOf(4);
    for (let face = 1; face <= 4; face++) queue.push(crop("crowd", face, face));
    expect(queue.push(crop("solo", 1, 9))).toMatchObject({ track: "crowd#1" });
    expect(queue.size).toBe(4);
    expect(named(queue.take(8))).toEqual(["crowd#2@2", "solo#1@9", "crowd#3@3", "crowd#4@4"]);
  });

  it("knows how long the oldest has waited", () => {
    const queue = queueOf();
    expect(queue.oldestQueuedAtMs).toBeNull();
    queue.push(crop("a", 1, 7));
    queue.push(crop("b", 1, 5));
    expect(queue.oldestQueuedAtMs).toBe(5);
    queue.drop("b#1");
    expect(queue.oldestQueuedAtMs).toBe(7);
  });

  it("forgets a dropped track and everything on clear, and says what that was", () => {
    const queue = queueOf();
    queue.push(crop("a", 1, 1));
    queue.push(crop("a", 1, 2));
    queue.push(crop("b", 1, 3));
    expect(named(queue.drop("a#1"))).toEqual(["a#1@1", "a#1@2"]);
    expect(queue.size).toBe(1);
    expect(named(queue.clear())).toEqual(["b#1@3"]);
    expect(queue.size).toBe(0);
    expect(queue.take(8)).toEqual([]);
  });
});
