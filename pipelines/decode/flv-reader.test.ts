import { beforeAll, describe, expect, it } from "vitest";
import { TruecastError } from "../errors.ts";
import { makeFlv, tagBytes } from "./flv-fixture.ts";
import { type FlvTag, createFlvReader, flvHeader } from "./flv-reader.ts";

let flv: Buffer;
let tags: FlvTag[];

beforeAll(async () => {
  // B-frames, so that composition times are not zero.
  flv = await makeFlv({ size: "64x64", seconds: 1, gopFrames: 10, encoder: ["-tune", "film", "-bf", "2"] });
  tags = createFlvReader().push(flv);
});

it("reads what ffmpeg writes: one sequence header, keyframes at the GOP's distance, every frame", () => {
  expect(tags.filter((tag) => tag.kind === "sequence-header")).toHaveLength(1);
  const frames = tags.filter((tag) => tag.kind === "keyframe" || tag.kind === "inter");
  expect(frames).toHaveLength(30);
  expect(frames.flatMap((tag, i) => (tag.kind === "keyframe" ? [i] : []))).toEqual([0, 10, 20]);
  expect(frames.every((tag) => tag.codec === "h264")).toBe(true);
  expect(frames.some((tag) => tag.compositionMs > 0)).toBe(true);
  expect(tags.at(-1)?.kind).toBe("end-of-sequence");
});

it.each([1, 2, 7, 4096])("gives the same tags when the bytes come in pieces of %d", (size) => {
  const reader = createFlvReader();
  const pieces: FlvTag[] = [];
  for (let i = 0; i < flv.length; i += size) pieces.push(...reader.push(flv.subarray(i, i + size)));
  expect(pieces).toEqual(tags);
});

it("reads back what it writes, timestamps of 32 bits included", () => {
  const frames = tags.filter((tag) => tag.kind === "sequence-header" || tag.kind === "keyframe" || tag.kind === "inter");
  const shiftMs = 0xff000000;
  const again = createFlvReader().push(Buffer.concat([flvHeader(), ...frames.map((tag) => tagBytes(tag, shiftMs))]));
  expect(again).toEqual(frames.map((tag) => ({ ...tag, timestampMs: tag.timestampMs + shiftMs })));
});

describe("tags of other kinds", () => {
  const tag = (type: number, body: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(11 + body.length + 4);
    bytes.writeUInt8(type, 0);
    bytes.writeUIntBE(body.length, 1, 3);
    bytes.set(body, 11);
    bytes.writeUInt32BE(11 + body.length, 11 + body.length);
    return bytes;
  };
  const read = (bytes: Buffer) => createFlvReader().push(Buffer.concat([flvHeader(), bytes]))[0];
  const hvc1 = [...Buffer.from("hvc1")];

  it.each([
    ["audio", tag(8, [0xaf, 1]), "other", null],
    ["metadata", tag(18, [2, 0, 0]), "other", null],
    ["an empty tag", tag(9, []), "other", null],
    ["a player command", tag(9, [0x57, 0]), "other", null],
    ["a truncated H.264 tag", tag(9, [0x17, 1]), "other", null],
    ["Sorenson H.263", tag(9, [0x12, 0]), "unsupported", null],
    ["an unknown codec", tag(9, [0x2e, 0]), "unsupported", null],
    ["an Enhanced RTMP HEVC header", tag(9, [0x90, ...hvc1, 1]), "sequence-header", "hevc"],
    ["an Enhanced RTMP HEVC frame", tag(9, [0xa1, ...hvc1, 0, 0, 7, 1]), "inter", "hevc"],
    ["an Enhanced RTMP frame of unknown codec", tag(9, [0x93, 1, 2, 3, 4, 5]), "unsupported", null],
  ])("reads %s", (_name, bytes, kind, codec) => {
    expect(read(bytes)).toMatchObject({ kind, codec });
  });

  it.each([
    ["bytes that are no FLV", Buffer.from("RTMP is not FLV at all")],
    ["a header of impossible length", Buffer.from([0x46, 0x4c, 0x56, 1, 1, 0xff, 0, 0, 0])],
    ["an unknown tag type", Buffer.concat([flvHeader(), tag(7, [1])])],
    ["an encrypted tag", Buffer.concat([flvHeader(), tag(0x29, [1])])],
    ["a trailer of another length", Buffer.concat([flvHeader(), tag(9, [0x27, 1, 0, 0, 0]).fill(9, 16)])],
  ])("refuses %s with protocol-violation", (_name, bytes) => {
    expect(() => createFlvReader().push(bytes)).toThrow(expect.objectContaining({ code: "protocol-violation" }));
  });

  it("refuses a tag past the cap before its bytes arrive", () => {
    const header = Buffer.concat([flvHeader(), Buffer.from([9, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0])]);
    expect(() => createFlvReader({ maxTagBytes: 1024 }).push(header)).toThrow(TruecastError);
    expect(createFlvReader({ maxTagBytes: 1025 }).push(header)).toEqual([]);
  });
});
