import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { flvTags } from "./testing/ffmpeg.ts";
import { classifyVideoPacket } from "./video-packet.ts";

describe("classifyVideoPacket", () => {
  test("tells sequence header, keyframe and interframes of a real H.264 stream apart", () => {
    const { stdout } = spawnSync("ffmpeg", ["-loglevel", "error", "-f", "lavfi", "-i", "color=size=64x64:rate=10", "-frames:v", "3", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-f", "flv", "pipe:1"]);
    const kinds = flvTags(stdout).filter(({ type }) => type === 9).map(({ payload }) => classifyVideoPacket(payload).kind);
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
