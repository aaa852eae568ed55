/** VP8 in enhanced FLV, as WHIP publishers send it: through the same live decoder as H.264. */
import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { pino } from "pino";
import { expect, test } from "vitest";
import { TruecastError } from "../errors.ts";
import type { Frame } from "../types.ts";
import type { DecoderEvent } from "./decoder-events.ts";
import { NUMBERED_PICTURE, frameNumberMatches } from "./flv-fixture.ts";
import { flvHeader } from "./flv-reader.ts";
import { startLiveDecoder } from "./live-decoder.ts";
import { readVp8Keyframe } from "./vp8-keyframe.ts";

const run = promisify(execFile);
const until = { timeout: 20_000, interval: 20 };

/** Frames of a VP8 stream, made by the real ffmpeg. */
async function makeVp8(picture: string, seconds: number): Promise<Buffer[]> {
  const { stdout } = await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", picture, "-t", String(seconds), "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", "30", "-auto-alt-ref", "0", "-lag-in-frames", "0", "-f", "ivf", "pipe:1"], { encoding: "buffer", maxBuffer: 64 << 20 });
  const frames: Buffer[] = [];
  for (let offset = 32; offset < stdout.length; ) {
    const end = offset + 12 + stdout.readUInt32LE(offset);
    frames.push(stdout.subarray(offset + 12, end));
    offset = end;
  }
  return frames;
}

function enhancedTag(packetType: 0 | 1, frame: Buffer, timestampMs: number): Buffer {
  const keyframe = packetType === 0 || (frame.readUInt8(0) & 1) === 0;
  const body = Buffer.concat([Buffer.from([0x80 | (keyframe ? 0x10 : 0x20) | packetType]), Buffer.from("vp08"), frame]);
  const tag = Buffer.alloc(11 + body.length + 4);
  tag.writeUInt8(9, 0);
  tag.writeUIntBE(body.length, 1, 3);
  tag.writeUIntBE(timestampMs, 4, 3);
  body.copy(tag, 11);
  tag.writeUInt32BE(11 + body.length, 11 + body.length);
  return tag;
}

test("gives ten frames a second, each with the PTS of its own pixels, and follows a new picture size", async () => {
  const numbered = await makeVp8(NUMBERED_PICTURE, 2);
  const larger = await makeVp8("testsrc2=s=128x96:r=30", 1);
  const frames: Frame[] = [];
  const events: DecoderEvent[] = [];
  await using decoder = startLiveDecoder({ log: pino({ level: "silent" }), onFrame: (frame) => frames.push(frame), onEvent: (event) => events.push(event) });
  decoder.write(flvHeader());
  decoder.write(enhancedTag(0, Buffer.from("01000000000a820101010000", "hex"), 0));
  for (const [index, frame] of [...numbered, ...larger].entries()) {
    await delay(10);
    decoder.write(enhancedTag(1, frame, Math.round((index * 1_000) / 30)));
  }
  decoder.detach();
  await expect.poll(() => frames.length, until).toBe(30);
  expect(frames.map(({ ptsMs }) => ptsMs)).toEqual(Array.from({ length: 30 }, (_, slot) => slot * 100));
  expect(frames.slice(0, 20).filter((frame) => !frameNumberMatches(frame))).toEqual([]);
  expect(events.filter(({ kind }) => kind === "source-format" || kind === "frame-size")).toEqual([
    { kind: "source-format", codec: "vp8", widthPx: 64, heightPx: 64 },
    { kind: "frame-size", widthPx: 64, heightPx: 64 },
    { kind: "source-format", codec: "vp8", widthPx: 128, heightPx: 96 },
    { kind: "frame-size", widthPx: 128, heightPx: 96 },
  ]);
  expect(decoder.counters).toMatchObject({ decodeErrors: 0, restarts: 0 });
}, 60_000);

test.each([["nothing", ""], ["an interframe", "310200"], ["a keyframe without its start code", "30010000000040014001"]])("%s is no keyframe", (_what, hex) => {
  expect(() => readVp8Keyframe(Buffer.from(hex, "hex"))).toThrow(TruecastError);
});
