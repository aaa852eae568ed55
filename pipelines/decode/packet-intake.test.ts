import { beforeAll, expect, it } from "vitest";
import { makeFlvTags, tagBytes, videoTags } from "./flv-fixture.ts";
import { type FlvTag, encodeFlvTag, flvHeader } from "./flv-reader.ts";
import { type IntakeItem, type PacketIntake, createPacketIntake } from "./packet-intake.ts";
import { encodeVideo, enhancedBodies, enhancedTag } from "./testing/enhanced-flv.ts";

let tags: readonly FlvTag[];
let tiny: readonly FlvTag[];

beforeAll(async () => {
  tags = videoTags(await makeFlvTags({ size: "64x64", seconds: 2, gopFrames: 20 }));
  tiny = videoTags(await makeFlvTags({ size: "16x16", seconds: 0.2 }));
});

const flv = (list: readonly FlvTag[], shiftMs = 0) => Buffer.concat([flvHeader(), ...list.map((tag) => tagBytes(tag, shiftMs))]);
const push = (intake: PacketIntake, bytes: Uint8Array) => [...intake.push(bytes)];
const kinds = (items: readonly IntakeItem[]) => items.map((item) => (item.kind === "packet" ? item.packet.kind : item.kind));

it("keeps the packets since the last keyframe", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  const items = push(intake, flv(tags.slice(0, 1 + 45)));
  expect(kinds(items).slice(0, 3)).toEqual(["header", "keyframe", "inter"]);
  expect(intake.history.packets.map((packet) => packet.kind)).toEqual(["keyframe", "inter", "inter", "inter", "inter"]);
  expect(intake.history.byteLength).toBe(intake.history.packets.reduce((sum, packet) => sum + packet.payload.length, 0));
  expect(intake.newestMs).toBe(1467);
});

it("lets a GOP past the cap go as a whole and begins again at the next keyframe", () => {
  const gop = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  push(gop, flv(tags.slice(0, 11)));
  const intake = createPacketIntake({ maxHistoryBytes: gop.history.byteLength });
  push(intake, flv(tags.slice(0, 11)));
  expect(intake.history.packets).toHaveLength(10);
  for (const tag of tags.slice(11, 21)) push(intake, tagBytes(tag));
  expect(intake.history.packets).toHaveLength(0);
  for (const tag of tags.slice(21, 24)) push(intake, tagBytes(tag));
  expect(intake.history.packets).toHaveLength(3);
});

it("passes over a repeated sequence header and drops the packets of a replaced one", async () => {
  const other = videoTags(await makeFlvTags({ size: "96x64", seconds: 0.1 }));
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  push(intake, flv(tags.slice(0, 5)));
  expect(push(intake, tagBytes(tags[0] as FlvTag))).toEqual([]);
  expect(intake.history.packets).toHaveLength(4);
  expect(push(intake, tagBytes(other[0] as FlvTag))).toMatchObject([{ kind: "header", widthPx: 96, heightPx: 64 }]);
  expect(intake.history.packets).toHaveLength(0);
});

it("refuses a picture that is too small once, ignores its packets, and accepts the next good header", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  expect(push(intake, flv(tiny))).toMatchObject([{ kind: "refused", error: { code: "picture-size-refused" } }]);
  expect(intake.packetsIgnored).toBe(tiny.length - 1);
  expect(kinds(tags.slice(0, 2).flatMap((tag) => push(intake, tagBytes(tag))))).toEqual(["header", "keyframe"]);
});

it("refuses what cannot be decoded by its name, once, and accepts the header that follows", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  const vvc = enhancedTag({ timestampMs: 0, body: Buffer.concat([Buffer.from([0x90]), Buffer.from("vvc1"), Buffer.alloc(4)]) });
  const items = push(intake, Buffer.concat([flvHeader(), vvc, vvc]));
  expect(items).toMatchObject([{ kind: "refused", error: { code: "codec-unsupported", message: "The publisher sends VVC (vvc1); publish H.264, HEVC, AV1, VP9 or VP8." } }]);
  expect(kinds(tags.slice(0, 2).flatMap((tag) => push(intake, tagBytes(tag))))).toEqual(["header", "keyframe"]);
});

it("goes on after a keyframe that cannot be read with the next one that can, though its picture is the same", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  const vp8 = (frame: string, timestampMs: number) => enhancedTag({ timestampMs, body: Buffer.concat([Buffer.from([0x91]), Buffer.from("vp08"), Buffer.from(frame, "hex")]) });
  const good = "3002009d012a4001b40055";
  expect(kinds(push(intake, Buffer.concat([flvHeader(), vp8(good, 0)])))).toEqual(["header", "keyframe"]);
  expect(push(intake, vp8("30020000000040014001", 33))).toMatchObject([{ kind: "refused", error: { code: "protocol-violation" } }]);
  expect(kinds(push(intake, vp8(good, 67)))).toEqual(["header", "keyframe"]);
});

it("goes on after a keyframe of HEVC that cannot be read with the next one that can, without another sequence header; after a header that cannot, it does not", async () => {
  const { configuration, packets, codec } = await encodeVideo({ codec: "hevc", picture: "testsrc2=s=64x64:r=30", seconds: 0.4, gopFrames: 4 });
  const damaged = packets.map((packet, index) => (index === 0 || index === 4 ? { ...packet, data: packet.data.subarray(0, -1) } : packet));
  const [header, ...frames] = enhancedBodies({ codec, configuration, packets: damaged }).map(enhancedTag);
  if (header === undefined) throw new Error("nothing was encoded");
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  expect(kinds(push(intake, Buffer.concat([flvHeader(), header, ...frames])))).toEqual(["header", "refused", "header", "keyframe", "inter", "inter", "inter"]);
  const [unreadable] = enhancedBodies({ codec, configuration: configuration.subarray(0, 30), packets: [] }).map(enhancedTag);
  if (unreadable === undefined) throw new Error("no header was made");
  expect(kinds(push(intake, Buffer.concat([unreadable, ...frames.slice(8)])))).toEqual(["refused"]);
});

it("leaves out a damaged interframe of HEVC and goes on with the next", async () => {
  const { configuration, packets, codec } = await encodeVideo({ codec: "hevc", picture: "testsrc2=s=64x64:r=30", seconds: 0.2 });
  const bodies = enhancedBodies({ codec, configuration, packets: packets.map((packet, index) => (index === 2 ? { ...packet, data: packet.data.subarray(0, -1) } : packet)) });
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  expect(kinds(push(intake, Buffer.concat([flvHeader(), ...bodies.map(enhancedTag)])))).toEqual(["header", "keyframe", "inter", "inter", "inter", "inter"]);
  expect(intake.packetsIgnored).toBe(1);
});

it("refuses bytes that are no FLV and listens again to the next publisher, whose clock goes on", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  push(intake, flv(tags.slice(0, 4), 70_000));
  expect(push(intake, Buffer.alloc(64, 0x41))).toMatchObject([{ kind: "refused", error: { code: "protocol-violation" } }]);
  expect(push(intake, flv(tags))).toEqual([]);
  intake.endPublisher();
  const items = push(intake, flv(tags.slice(0, 2)));
  expect(items[1]).toMatchObject({ kind: "packet", discontinuity: "reconnect", packet: { clockMs: 167 } });
});

it("bounds composition times, so that no packet's PTS runs away from its DTS", () => {
  const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
  push(intake, flv(tags.slice(0, 1)));
  const wild = (compositionMs: number) => push(intake, encodeFlvTag({ kind: "keyframe", timestampMs: 0, compositionMs, payload: Buffer.from([1]) }));
  expect(wild(8_000_000)).toMatchObject([{ packet: { compositionMs: 2000 } }]);
  expect(wild(-8_000_000)).toMatchObject([{ packet: { compositionMs: 0 } }]);
});
