import { beforeAll, expect, it } from "vitest";
import { makeFlvTags, tagBytes, videoTags } from "./flv-fixture.ts";
import { type FlvTag, encodeFlvTag, flvHeader } from "./flv-reader.ts";
import { type IntakeItem, createPacketIntake } from "./packet-intake.ts";

let tags: readonly FlvTag[];
let tiny: readonly FlvTag[];

beforeAll(async () => {
  tags = videoTags(await makeFlvTags({ size: "64x64", seconds: 2, gopFrames: 20 }));
  tiny = videoTags(await makeFlvTags({ size: "16x16", seconds: 0.2 }));
});

const flv = (list: readonly FlvTag[], shiftMs = 0) => Buffer.concat([flvHeader(), ...list.map((tag) => tagBytes(tag, shiftMs))]);
const kinds = (items: readonly IntakeItem[]) => items.map((item) => (item.kind === "packet" ? item.packet.kind : item.kind));

it("keeps the packets since the last keyframe", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  const items = intake.push(flv(tags.slice(0, 1 + 45)));
  expect(kinds(items).slice(0, 3)).toEqual(["header", "keyframe", "inter"]);
  expect(intake.history.packets.map((packet) => packet.kind)).toEqual(["keyframe", "inter", "inter", "inter", "inter"]);
  expect(intake.history.byteLength).toBe(intake.history.packets.reduce((sum, packet) => sum + packet.payload.length, 0));
  expect(intake.newestMs).toBe(1467);
});

it("lets a GOP past the cap go as a whole and begins again at the next keyframe", () => {
  const gop = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  gop.push(flv(tags.slice(0, 11)));
  const intake = createPacketIntake({ maxHistoryBytes: gop.history.byteLength });
  intake.push(flv(tags.slice(0, 11)));
  expect(intake.history.packets).toHaveLength(10);
  for (const tag of tags.slice(11, 21)) intake.push(tagBytes(tag));
  expect(intake.history.packets).toHaveLength(0);
  for (const tag of tags.slice(21, 24)) intake.push(tagBytes(tag));
  expect(intake.history.packets).toHaveLength(3);
});

it("passes over a repeated sequence header and drops the packets of a replaced one", async () => {
  const other = videoTags(await makeFlvTags({ size: "96x64", seconds: 0.1 }));
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  intake.push(flv(tags.slice(0, 5)));
  expect(intake.push(tagBytes(tags[0] as FlvTag))).toEqual([]);
  expect(intake.history.packets).toHaveLength(4);
  expect(intake.push(tagBytes(other[0] as FlvTag))).toMatchObject([{ kind: "header", widthPx: 96, heightPx: 64 }]);
  expect(intake.history.packets).toHaveLength(0);
});

it("refuses a picture that is too small once, ignores its packets, and accepts the next good header", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  expect(intake.push(flv(tiny))).toMatchObject([{ kind: "refused", error: { code: "picture-size-refused" } }]);
  expect(intake.packetsIgnored).toBe(tiny.length - 1);
  expect(kinds(tags.slice(0, 2).flatMap((tag) => intake.push(tagBytes(tag))))).toEqual(["header", "keyframe"]);
});

it("refuses HEVC by name", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  const hevc = Buffer.from([9, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0x90, ...Buffer.from("hvc1"), 0, 0, 0, 16]);
  expect(intake.push(Buffer.concat([flvHeader(), hevc, hevc]))).toMatchObject([{ kind: "refused", error: { code: "codec-unsupported" } }]);
});

it("refuses bytes that are no FLV and listens again to the next publisher, whose clock goes on", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  intake.push(flv(tags.slice(0, 4), 70_000));
  expect(intake.push(Buffer.alloc(64, 0x41))).toMatchObject([{ kind: "refused", error: { code: "protocol-violation" } }]);
  expect(intake.push(flv(tags))).toEqual([]);
  intake.endPublisher();
  const items = intake.push(flv(tags.slice(0, 2)));
  expect(items[1]).toMatchObject({ kind: "packet", discontinuity: "reconnect", packet: { clockMs: 167 } });
});

it("bounds composition times, so that no packet's PTS runs away from its DTS", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  intake.push(flv(tags.slice(0, 1)));
  const wild = (compositionMs: number) => intake.push(encodeFlvTag({ kind: "keyframe", timestampMs: 0, compositionMs, payload: Buffer.from([1]) }));
  expect(wild(8_000_000)).toMatchObject([{ packet: { compositionMs: 2000 } }]);
  expect(wild(-8_000_000)).toMatchObject([{ packet: { compositionMs: 0 } }]);
});
