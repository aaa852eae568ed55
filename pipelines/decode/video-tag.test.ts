import { describe, expect, test } from "vitest";
import { type FlvTag, createFlvReader, flvHeader } from "./flv-reader.ts";
import { makeFlv } from "./flv-fixture.ts";
import { enhancedTag } from "./testing/enhanced-flv.ts";
import { readVideoTag } from "./video-tag.ts";

const read = (hex: string) => readVideoTag(Buffer.from(hex, "hex"));
const ascii = (text: string) => Buffer.from(text).toString("hex");
const hvc1 = ascii("hvc1");
const modEx = (type: number, next: number, data: string) => `${(data.length / 2 - 1).toString(16).padStart(2, "0")}${data}${type.toString(16)}${next.toString(16)}`;

test("tells sequence header, keyframe and interframes of a real H.264 stream apart", async () => {
  const tags: FlvTag[] = createFlvReader().push(await makeFlv({ size: "64x64", seconds: 0.1 }));
  expect(tags.map(({ kind }) => kind)).toEqual(["other", "sequence-header", "keyframe", "inter", "inter", "end-of-sequence"]);
});

describe("Enhanced RTMP", () => {
  test.each([
    ["a sequence start", `90${hvc1}0102`, { kind: "sequence-header", codec: "hevc", compositionMs: 0, payload: Buffer.from([1, 2]) }],
    ["coded frames of HEVC, with their composition time", `a1${hvc1}fffffe0a`, { kind: "inter", codec: "hevc", compositionMs: -2, payload: Buffer.from([10]) }],
    ["coded frames of H.264", `91${ascii("avc1")}0000280a`, { kind: "keyframe", codec: "h264", compositionMs: 40, payload: Buffer.from([10]) }],
    ["coded frames of AV1, which has none", `91${ascii("av01")}0000280a`, { kind: "keyframe", codec: "av1", compositionMs: 0, payload: Buffer.from([0, 0, 40, 10]) }],
    ["coded frames of VP9", `a1${ascii("vp09")}0a`, { kind: "inter", codec: "vp9", compositionMs: 0, payload: Buffer.from([10]) }],
    ["coded frames of VP8", `a1${ascii("vp08")}0a`, { kind: "inter", codec: "vp8", compositionMs: 0, payload: Buffer.from([10]) }],
    ["CodedFramesX", `93${hvc1}0a`, { kind: "keyframe", codec: "hevc", compositionMs: 0, payload: Buffer.from([10]) }],
    ["a generated keyframe", `c3${hvc1}0a`, { kind: "keyframe", codec: "hevc", compositionMs: 0, payload: Buffer.from([10]) }],
    ["a sequence end", `92${hvc1}`, { kind: "end-of-sequence", codec: "hevc", compositionMs: 0, payload: Buffer.alloc(0) }],
    ["AV1's sequence start of MPEG-2 TS, whose keyframes say all", `95${ascii("av01")}800481000c00`, { kind: "sequence-header", codec: "av1", compositionMs: 0, payload: Buffer.alloc(0) }],
    ["HEVC in the legacy extension", "1c0100002a0a", { kind: "keyframe", codec: "hevc", compositionMs: 42, payload: Buffer.from([10]) }],
    ["a modifier before the packet", `97${modEx(0, 1, "0003e8")}${hvc1}0000050a`, { kind: "keyframe", codec: "hevc", compositionMs: 5, payload: Buffer.from([10]) }],
    ["two modifiers, one of them long", `a7${modEx(0, 7, "0003e8")}ff0100${"00".repeat(257)}13${hvc1}0a`, { kind: "inter", codec: "hevc", compositionMs: 0, payload: Buffer.from([10]) }],
  ])("reads %s", (_what, hex, tag) => {
    expect(read(hex)).toEqual(tag);
  });

  test.each([
    ["metadata", `94${hvc1}02`],
    ["a command to a player", "d100"],
    ["a command behind a modifier", `d7${modEx(0, 1, "000000")}00`],
    ["coded frames without frames", `91${hvc1}000000`],
    ["an undefined packet type", `98${hvc1}00`],
    ["MPEG-2 TS of a codec that has none", `95${hvc1}00`],
  ])("finds no picture in %s", (_what, hex) => {
    expect(read(hex)).toEqual({ kind: "empty" });
  });
});

test.each([
  [`90${ascii("vvc1")}00`, "VVC (vvc1)"],
  [`91${ascii("xyz9")}00`, "an unknown Enhanced RTMP codec (xyz9)"],
  ["90c0ffee00", "an unknown Enhanced RTMP codec"],
  ["9600", "multitrack video"],
  [`97${modEx(0, 6, "000000")}0161766331`, "multitrack video"],
  ["1200", "Sorenson H.263 (flv1)"],
  ["1400", "VP6"],
  ["2500", "VP6 with alpha"],
  ["1d00", "AV1 outside of Enhanced RTMP"],
  ["1f00", "FLV codec 15"],
])("names the codec of %s as %s", (hex, name) => {
  expect(read(hex)).toEqual({ kind: "unsupported", name });
});

test.each(["", "17", "1701", "1702", "1701000000", "1700000000", "5700", "90687663", "97", "97ff", "97ffffff", "9702", "d0"])("takes %j for a packet without a picture", (hex) => {
  expect(read(hex)).toEqual({ kind: "empty" });
});

test.each([
  ["H.264", "17010000280a0b"],
  ["legacy HEVC", "1c010000280a0b"],
  ["Enhanced HEVC", `91${hvc1}0000280a0b`],
  ["CodedFramesX", `93${ascii("avc1")}0a0b`],
  ["AV1", `91${ascii("av01")}0a0b`],
  ["a sequence start", `90${ascii("vp09")}0a0b`],
  ["modifiers", `97${modEx(0, 7, "0003e8")}ff0100${"00".repeat(257)}11${hvc1}0000050a0b`],
])("every beginning of a packet is read without a byte beyond it: %s", (_what, hex) => {
  const whole = Buffer.from(hex, "hex");
  const complete = readVideoTag(whole);
  expect(complete).toMatchObject({ payload: Buffer.from([10, 11]) });
  for (let length = 0; length < whole.length; length += 1) {
    const tag = readVideoTag(whole.subarray(0, length));
    expect(tag.kind === "empty" || ("payload" in tag && tag.payload.length < 2)).toBe(true);
    // The same through the reader of the FLV stream.
    const [flvTag] = createFlvReader().push(Buffer.concat([flvHeader(), enhancedTag({ timestampMs: 0, body: whole.subarray(0, length) })]));
    expect(flvTag?.kind).toBe(tag.kind === "empty" ? "other" : tag.kind);
  }
});
