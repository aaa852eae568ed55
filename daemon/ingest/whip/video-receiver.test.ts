/** A packet that never comes leads to requests: for itself first, then for a keyframe; the same for every codec. */
import { expect, test } from "vitest";
import { INGEST_LIMITS } from "../limits.ts";
import type { WhipCodec } from "../messages.ts";
import type { VideoFrame } from "./frame-parts.ts";
import { createVideoReceiver } from "./video-receiver.ts";

/** A keyframe and an interframe, each in one packet. */
const PAYLOADS: Readonly<Record<WhipCodec, readonly [keyframe: string, interframe: string]>> = {
  h264: ["78000567" + "42c01ed9" + "000468ce3c80" + "00046511aabb", "4122"],
  vp8: ["103002009d012a4001b40055", "1031020055"],
  vp9: ["0c824983422003f003f0aabbcc", "4c8600aa"],
  av1: ["280c08000000029fe49d7f9f00183010aabb", "103030cc"],
};

test.each(Object.keys(PAYLOADS) as WhipCodec[])("%s: NACK, then PLI, and no picture until the keyframe comes", (codec) => {
  const [keyframe, interframe] = PAYLOADS[codec].map((hex) => Buffer.from(hex, "hex")) as [Buffer, Buffer];
  const frames: VideoFrame[] = [];
  const sent: string[] = [];
  const receiver = createVideoReceiver({
    codec,
    ssrc: 1,
    maxBitrateKbps: 1_000,
    limits: INGEST_LIMITS,
    onFrame: (frame) => frames.push(frame),
    // Payload type and format: 205/1 NACK, 206/1 PLI, 206/15 REMB, 201 receiver report.
    sendRtcp: (packet) => sent.push(`${packet.readUInt8(1)}/${packet.readUInt8(0) & 0x1f}`),
  });
  const packet = (index: number, payload: Buffer, nowMs: number) => receiver.packet({ payloadType: 96, marker: true, index, timestamp: index * 3_000, ssrc: 7, payload }, nowMs);
  packet(100, keyframe, 1_000);
  packet(101, interframe, 1_033);
  receiver.pulse(1_040);
  expect(frames.map((frame) => frame.keyframe)).toEqual([true, false]);
  expect(sent.filter((kind) => kind === "206/1")).toEqual([]);
  // 102 is lost.
  packet(103, interframe, 1_100);
  receiver.pulse(1_120);
  expect(sent).toContain("205/1");
  expect(sent).not.toContain("206/1");
  receiver.pulse(1_100 + INGEST_LIMITS.whipHoldMs);
  expect(sent).toContain("206/1");
  expect(receiver.lostPackets).toBe(1);
  packet(104, interframe, 1_300);
  expect(frames).toHaveLength(2);
  packet(105, keyframe, 1_340);
  packet(106, interframe, 1_370);
  expect(frames.map((frame) => frame.keyframe)).toEqual([true, false, true, false]);
});
