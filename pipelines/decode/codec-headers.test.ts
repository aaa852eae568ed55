/** The headers of HEVC, AV1 and VP9, as real encoders write them, whole and cut anywhere. */
import { beforeAll, describe, expect, test } from "vitest";
import { TruecastError } from "../errors.ts";
import { readAv1SequenceHeader, readAv1Units, readLeb128 } from "./av1-units.ts";
import { createCodecReader } from "./codec-reader.ts";
import { readHevcConfiguration, readHevcSequenceParameterSet, toByteStream } from "./hevc-configuration.ts";
import { flvHeader } from "./flv-reader.ts";
import { createPacketIntake } from "./packet-intake.ts";
import { type EncodedVideo, encodeVideo, enhancedBodies, enhancedTag } from "./testing/enhanced-flv.ts";
import { readVp9Keyframe } from "./vp9-keyframe.ts";

// Sizes that are no multiple of any block, so that cropping counts.
const PICTURE = "testsrc2=s=202x118:r=30";
let hevc: EncodedVideo;
let av1: EncodedVideo;
let vp9: EncodedVideo;

beforeAll(async () => {
  hevc = await encodeVideo({ codec: "hevc", picture: PICTURE, seconds: 0.2 });
  av1 = await encodeVideo({ codec: "av1", picture: PICTURE, seconds: 0.2 });
  vp9 = await encodeVideo({ codec: "vp9", picture: PICTURE, seconds: 0.2 });
});

const first = ({ packets }: EncodedVideo): Buffer => packets[0]?.data ?? Buffer.alloc(0);
const violation = expect.objectContaining({ code: "protocol-violation" }) as unknown;

describe("HEVC", () => {
  test("the configuration gives the picture's size and the parameter sets, each with a start code", () => {
    const configuration = readHevcConfiguration(hevc.configuration);
    expect(configuration).toMatchObject({ widthPx: 202, heightPx: 118, lengthBytes: 4 });
    const types = configuration.parameterSets.toString("hex").split("00000001").slice(1).map((unit) => (Number.parseInt(unit.slice(0, 2), 16) >> 1) & 0x3f);
    expect(types).toEqual([32, 33, 34]);
  });

  test("a configuration cut anywhere before its last parameter set is refused, and never read past its end", () => {
    for (let length = 0; length < hevc.configuration.length; length += 1) {
      expect(() => readHevcConfiguration(hevc.configuration.subarray(0, length)), `${length} bytes`).toThrow(violation);
    }
  });

  test("a sequence parameter set cut before the picture's size is refused", () => {
    const { parameterSets } = readHevcConfiguration(hevc.configuration);
    const start = parameterSets.indexOf(Buffer.from("000000014201", "hex")) + 4;
    expect(readHevcSequenceParameterSet(parameterSets.subarray(start))).toEqual({ widthPx: 202, heightPx: 118 });
    for (let length = 0; length < 16; length += 1) expect(() => readHevcSequenceParameterSet(parameterSets.subarray(start, start + length))).toThrow(violation);
  });

  test("NAL units that are not as long as they say make no frame", () => {
    const frame = first(hevc);
    expect(toByteStream(frame, { lengthBytes: 4 })?.length).toBe(frame.length);
    expect(toByteStream(frame.subarray(0, -1), { lengthBytes: 4 })).toBeNull();
    expect(toByteStream(Buffer.from("0000", "hex"), { lengthBytes: 4 })).toBeNull();
    expect(toByteStream(Buffer.from("00000000", "hex"), { lengthBytes: 4 })).toBeNull();
    expect(toByteStream(Buffer.from("02aabb", "hex"), { lengthBytes: 1 })?.toString("hex")).toBe("00000001aabb");
  });
});

test("headers and frames with any bytes changed are refused, left out or taken, and nothing else is thrown", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const outcomes = { taken: 0, refused: 0 };
  for (const video of [hevc, av1, vp9]) {
    const bodies = enhancedBodies(video);
    for (let round = 0; round < 1_000; round += 1) {
      const intake = createPacketIntake({ maxHistoryBytes: 1 << 20 });
      const mutated = bodies.map(({ timestampMs, body }) => {
        const bytes = Buffer.from(body.subarray(0, random(4) === 0 ? random(body.length) : body.length));
        for (let change = random(4); change > 0 && bytes.length > 0; change -= 1) bytes[random(Math.min(bytes.length, 80))] = random(256);
        return enhancedTag({ timestampMs, body: bytes });
      });
      for (const { kind } of intake.push(Buffer.concat([flvHeader(), ...mutated]))) outcomes[kind === "refused" ? "refused" : "taken"] += 1;
    }
  }
  expect(outcomes.taken).toBeGreaterThan(1_000);
  expect(outcomes.refused).toBeGreaterThan(1_000);
});

describe("AV1", () => {
  test("the configuration's sequence header and the keyframe's say the same size", () => {
    const reader = createCodecReader("av1");
    expect(reader.header(av1.configuration)).toMatchObject({ widthPx: 202, heightPx: 118 });
    expect(reader.keyframe(first(av1)).picture).toMatchObject({ widthPx: 202, heightPx: 118 });
  });

  test("a keyframe without a sequence header gets the configuration's, behind a temporal delimiter", () => {
    const units = readAv1Units(first(av1)) ?? [];
    const [header] = units.filter(({ type }) => type === 1);
    const bare = Buffer.concat(units.filter(({ type }) => type !== 1).map(({ bytes }) => bytes));
    const reader = createCodecReader("av1");
    expect(() => reader.keyframe(bare)).toThrow(violation);
    reader.header(av1.configuration);
    const { payload } = reader.keyframe(bare);
    expect(Buffer.from(payload).toString("hex")).toBe(`1200${header?.bytes.toString("hex")}${bare.toString("hex")}`);
    // Some senders leave the delimiter in: it stays the only one.
    expect(reader.keyframe(Buffer.concat([Buffer.from("1200", "hex"), bare])).payload).toEqual(payload);
  });

  test("a sequence header or a unit cut anywhere is refused or left out", () => {
    const [header] = (readAv1Units(first(av1)) ?? []).filter(({ type }) => type === 1);
    const payload = header?.payload ?? Buffer.alloc(0);
    for (let length = 0; length < 5; length += 1) expect(() => readAv1SequenceHeader(payload.subarray(0, length))).toThrow(violation);
    const units = Buffer.concat((readAv1Units(first(av1)) ?? []).map(({ bytes }) => bytes));
    for (let length = 1; length < header!.bytes.length; length += 1) expect(readAv1Units(units.subarray(0, length))).toBeNull();
    expect(createCodecReader("av1").inter(Buffer.from("32ff", "hex"))).toBeNull();
    expect(createCodecReader("av1").header(Buffer.from("8100", "hex"))).toBeNull();
  });

  test.each([["ff", null], ["e58e26", 624_485], ["ffffffffff01", null], ["ffffffff0f", 4_294_967_295], ["ffffffffffffffffff01", null]])("a length of %s is %j", (hex, value) => {
    expect(readLeb128(Buffer.from(hex, "hex"), 0)?.value ?? null).toBe(value);
  });
});

describe("VP9", () => {
  test("a keyframe says its size; cut short, or no keyframe, it is refused", () => {
    expect(readVp9Keyframe(first(vp9))).toEqual({ widthPx: 202, heightPx: 118 });
    for (let length = 0; length < 9; length += 1) expect(() => readVp9Keyframe(first(vp9).subarray(0, length))).toThrow(TruecastError);
    expect(() => readVp9Keyframe(vp9.packets[1]?.data ?? Buffer.alloc(0))).toThrow(violation);
  });

  test("profiles 1 to 3 have their size elsewhere", () => {
    // marker 2, profile, keyframe, sync code, depth where there is one, colour space 2, range and subsampling, then the size.
    const bits = { 1: "10 10 00 11 010010011000001101000010 010 0000", 2: "10 01 00 11 010010011000001101000010 0 010 0", 3: "10 11 0 00 11 010010011000001101000010 0 010 0000" };
    for (const start of Object.values(bits)) {
      const all = `${start}${(639).toString(2).padStart(16, "0")}${(359).toString(2).padStart(16, "0")}`.replaceAll(" ", "");
      const bytes = Buffer.from((all.padEnd(80, "0").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
      expect(readVp9Keyframe(bytes)).toEqual({ widthPx: 640, heightPx: 360 });
    }
  });
});
