import { expect, test } from "vitest";
import type { ClockedPacket, VideoHeader } from "../../pipelines/decode/packet-history.ts";
import { createPacketRing } from "./packet-ring.ts";

const header: VideoHeader = { codec: "h264", payload: new Uint8Array(4) };

function packet(clockMs: number, kind: ClockedPacket["kind"], bytes = 100): ClockedPacket {
  return { kind, clockMs, timestampMs: clockMs, compositionMs: 0, payload: new Uint8Array(bytes) };
}

/** A keyframe a second, ten packets a second. */
function play(ring: ReturnType<typeof createPacketRing>, seconds: number, bytes = 100): void {
  for (let slot = 0; slot < seconds * 10; slot++) ring.add(packet(slot * 100, slot % 10 === 0 ? "keyframe" : "inter", bytes), header);
}

const times = (ring: ReturnType<typeof createPacketRing>, from: number): number[] => ring.from(from).map((kept) => kept.packet.clockMs);

/** Of each packet. */
const BESIDE_PAYLOAD = 512;

test("the past begins with the keyframe at or before the wished moment", () => {
  const ring = createPacketRing({ maxMs: 5_000, maxBytes: 1_000_000 });
  play(ring, 20);
  expect(times(ring, 16_450)[0]).toBe(16_000);
  expect(times(ring, 17_000)[0]).toBe(17_000);
  expect(times(ring, 17_000).at(-1)).toBe(19_900);
});

test("it reaches back as far as it must, and no group of pictures further", () => {
  const ring = createPacketRing({ maxMs: 5_000, maxBytes: 1_000_000 });
  play(ring, 20);
  expect(times(ring, 0)[0]).toBe(14_000);
  expect(ring.byteLength).toBe(60 * (100 + BESIDE_PAYLOAD));
});

test("bytes bound it too: whole groups go", () => {
  const ring = createPacketRing({ maxMs: 60_000, maxBytes: 25_000 });
  play(ring, 20, 1_000 - BESIDE_PAYLOAD);
  expect(ring.byteLength).toBeLessThanOrEqual(25_000);
  expect(times(ring, 0)[0]).toBe(18_000);
});

test("a group larger than all of it leaves nothing until the next keyframe", () => {
  const ring = createPacketRing({ maxMs: 60_000, maxBytes: 5_000 });
  play(ring, 0.9, 1_000);
  expect([ring.byteLength, times(ring, 0)]).toEqual([0, []]);
  ring.add(packet(1_000, "inter"), header);
  expect(times(ring, 0)).toEqual([]);
  ring.add(packet(1_100, "keyframe"), header);
  expect(times(ring, 0)).toEqual([1_100]);
});

test("a stream without a further keyframe keeps its one group however old", () => {
  const ring = createPacketRing({ maxMs: 1_000, maxBytes: 1_000_000 });
  for (let slot = 0; slot < 100; slot++) ring.add(packet(slot * 100, slot === 0 ? "keyframe" : "inter"), header);
  expect(times(ring, 9_000)[0]).toBe(0);
});

test("a flood of packets that hold next to nothing is bounded like any other", () => {
  const ring = createPacketRing({ maxMs: 60_000, maxBytes: 1_000_000 });
  for (let index = 0; index < 100_000; index++) ring.add(packet(index / 100, index % 100 === 0 ? "keyframe" : "inter", 1), header);
  expect(ring.from(0).length).toBeLessThan(2_000);
});
