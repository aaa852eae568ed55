import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { avcPictureSize } from "./avc-picture-size.ts";
import { flvTags } from "./testing/ffmpeg.ts";
import { classifyVideoPacket } from "./video-packet.ts";

const encode = (size: string, ...options: string[]) =>
  flvTags(spawnSync("ffmpeg", ["-loglevel", "error", "-f", "lavfi", "-i", `color=size=${size}:rate=10`, "-frames:v", "3", "-c:v", "libx264", "-preset", "ultrafast", ...options, "-f", "flv", "pipe:1"]).stdout)
    .filter((tag) => tag.type === 9)
    .map((tag) => tag.payload);

describe("classifyVideoPacket", () => {
  test("tells sequence header, keyframe and interframes of a real H.264 stream apart", () => {
    const kinds = encode("64x64", "-pix_fmt", "yuv420p").map((payload) => classifyVideoPacket(payload).kind);
    expect(kinds).toEqual(["sequence-header", "keyframe", "interframe", "interframe", "empty"]);
  });

  test.each([
    ["9068766331", "HEVC"],
    ["a161763031", "AV1"],
    ["9076703039", "VP9"],
    ["9061766331", "H.264 as Enhanced RTMP"],
    ["9000000000", "an unknown Enhanced RTMP codec"],
    ["1200", "Sorenson H.263 (flv1)"],
    ["1c00", "HEVC"],
    ["1f00", "FLV codec 15"],
  ])("names the codec of %s as %s", (bytes, codec) => {
    expect(classifyVideoPacket(Buffer.from(bytes, "hex"))).toEqual({ kind: "unsupported", codec });
  });

  test.each(["", "17", "1701", "1702000000", "5700", "90687663"])("takes %j for a packet without a picture", (bytes) => {
    expect(classifyVideoPacket(Buffer.from(bytes, "hex"))).toEqual({ kind: "empty" });
  });
});

describe("avcPictureSize", () => {
  test.each([
    ["320x180", "yuv420p", "baseline"],
    ["1280x720", "yuv420p", "high"],
    ["1920x1080", "yuv420p", "main"],
    ["642x362", "yuv422p", "high422"],
    ["322x182", "yuv444p", "high444"],
    ["322x182", "gray", "high"],
    ["2x2", "yuv420p", "baseline"],
  ])("reads %s in %s from what the encoder wrote", (size, pixelFormat, profile) => {
    const [header] = encode(size, "-pix_fmt", pixelFormat, "-profile:v", profile);
    const [widthPx, heightPx] = size.split("x").map(Number);
    expect(avcPictureSize(header?.subarray(5) ?? Buffer.alloc(0))).toEqual({ widthPx, heightPx });
  });

  test("reads interlaced pictures as whole frames", () => {
    const [header] = encode("720x576", "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme", "-x264-params", "interlaced=1");
    expect(avcPictureSize(header?.subarray(5) ?? Buffer.alloc(0))).toEqual({ widthPx: 720, heightPx: 576 });
  });

  test("gives no size for damaged records, at once", () => {
    const [header] = encode("320x180", "-pix_fmt", "yuv420p");
    const record = header?.subarray(5) ?? Buffer.alloc(0);
    for (let length = 0; length < 16; length += 1) expect(avcPictureSize(record.subarray(0, length))).toBeNull();
    expect(avcPictureSize(Buffer.alloc(200, 0xff))).toBeNull();
    // Order-count type 1 with a cycle of 2^32 - 2 offsets: following it would take minutes.
    expect(avcPictureSize(Buffer.from("0142c00affe1000d6742c00ad300000001fffffffe", "hex"))).toBeNull();
    expect(avcPictureSize(Buffer.concat([Buffer.from("0142c00affe10064", "hex"), Buffer.alloc(100)]))).toBeNull();
  });
});
