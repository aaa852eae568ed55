import { describe, expect, test } from "vitest";
import { type OrderedPacket, createPacketOrder } from "./packet-order.ts";
import { type RtpPacket, nearestIndex, readRtpHeader } from "./rtp-packet.ts";

const packet = (index: number): RtpPacket => ({ payloadType: 96, marker: false, index, timestamp: index * 90, ssrc: 1, payload: Buffer.from([index & 0xff]) });
const shown = (ordered: readonly OrderedPacket[]) => ordered.map((item) => `${item.packet.index}${item.afterGap ? "!" : ""}`).join(" ");
const start = () => createPacketOrder({ holdMs: 150, maxHeldPackets: 8 });

describe("packet order", () => {
  test("packets in order pass at once; the first one may have missed others", () => {
    const order = start();
    expect([10, 11, 12].map((index) => shown(order.push(packet(index), 0)))).toEqual(["10!", "11", "12"]);
  });

  test("a late packet holds back what follows, and nothing is lost", () => {
    const order = start();
    order.push(packet(1), 0);
    expect(shown(order.push(packet(3), 1))).toBe("");
    expect(shown(order.push(packet(2), 20))).toBe("2 3");
    expect(order.lost).toBe(0);
  });

  test("a hole is given up after the hold, and what follows is marked", () => {
    const order = start();
    order.push(packet(1), 0);
    order.push(packet(4), 10);
    expect(shown(order.tick(159))).toBe("");
    expect(shown(order.tick(160))).toBe("4!");
    expect(order.lost).toBe(2);
    expect(shown(order.push(packet(2), 161))).toBe("");
    expect(order.late).toBe(1);
  });

  test("each lost packet is asked for after mere reordering, then again, and not for ever", () => {
    const order = start();
    order.push(packet(0xffff), 0);
    order.push(packet(0x10002), 0);
    expect(order.takeNacks(5)).toEqual([]);
    expect(order.takeNacks(10)).toEqual([0, 1]);
    expect(order.takeNacks(20)).toEqual([]);
    expect(order.takeNacks(50)).toEqual([0, 1]);
    for (const ms of [90, 130, 170, 210]) order.takeNacks(ms);
    expect(order.takeNacks(1_000)).toEqual([]);
  });

  test("repeated packets are dropped", () => {
    const order = start();
    order.push(packet(1), 0);
    order.push(packet(3), 0);
    expect(shown(order.push(packet(1), 1))).toBe("");
    expect(shown(order.push(packet(3), 1))).toBe("");
    expect(order.late).toBe(2);
  });

  test("it holds no more than its cap, and no longer a range than the widest gap", () => {
    const order = start();
    order.push(packet(1), 0);
    const released = Array.from({ length: 9 }, (_, each) => shown(order.push(packet(3 + each), 0))).filter((text) => text !== "");
    expect(released).toEqual(["3! 4 5 6 7 8 9 10 11"]);
    order.push(packet(900), 0);
    expect(shown(order.push(packet(1_500), 0))).not.toBe("");
  });

  test("a jump far forward or back begins anew", () => {
    const order = start();
    order.push(packet(50_000), 0);
    expect(shown(order.push(packet(10), 0))).toBe("10!");
    expect(shown(order.push(packet(40_000), 0))).toBe("40000!");
  });
});

test("the index goes on over wraps of the sequence number, also when the packets around one are lost", () => {
  expect(nearestIndex(65_530, 65_531)).toBe(65_531);
  expect(nearestIndex(65_530, 2)).toBe(65_538);
  expect(nearestIndex(65_538, 65_530)).toBe(65_530);
  expect(nearestIndex(65_300, 400)).toBe(65_936);
  expect(nearestIndex(3, 65_530)).toBe(65_530);
});

test.each([
  ["shorter than a header", "80600001000000000000"],
  ["another version", "406000010000000000000001"],
  ["contributing sources beyond its end", "8f6000010000000000000001"],
  ["an extension without its length", "906000010000000000000001"],
  ["an extension longer than the packet", "906000010000000000000001bedeffff00"],
])("an RTP header is refused: %s", (_what, hex) => {
  expect(readRtpHeader(Buffer.from(hex, "hex"))).toBeNull();
});
