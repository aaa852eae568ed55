/** HEVC, AV1 and VP9 as Enhanced RTMP carries them, from real encoders, through the same live decoder as H.264. */
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import type { Frame } from "../types.ts";
import type { DecoderEvent } from "./decoder-events.ts";
import { NUMBERED_PICTURE, ffmpegChildren, frameNumberMatches } from "./flv-fixture.ts";
import { flvHeader } from "./flv-reader.ts";
import { type LiveDecoder, startLiveDecoder } from "./live-decoder.ts";
import { type EncodedCodec, encodeVideo, enhancedBodies, enhancedTag } from "./testing/enhanced-flv.ts";

const CODECS: readonly EncodedCodec[] = ["h264", "hevc", "av1", "vp9"];
const until = { timeout: 20_000, interval: 20 };

let decoder: LiveDecoder;
let frames: Frame[] = [];
let events: DecoderEvent[] = [];

function start(): LiveDecoder {
  frames = [];
  events = [];
  decoder = startLiveDecoder({ log: pino({ level: "silent" }), onFrame: (frame) => frames.push(frame), onEvent: (event) => events.push(event) });
  decoder.write(flvHeader());
  return decoder;
}
afterEach(async () => {
  await decoder.close();
  expect(await ffmpegChildren()).toEqual([]);
});

const eventsOf = <K extends DecoderEvent["kind"]>(kind: K) => events.filter((event): event is Extract<DecoderEvent, { kind: K }> => event.kind === kind);

test.each(CODECS)("%s gives ten frames a second, each with the PTS of its own pixels, and follows a new picture size", async (codec) => {
  const numbered = enhancedBodies(await encodeVideo({ codec, picture: NUMBERED_PICTURE, seconds: 2 }));
  const larger = enhancedBodies(await encodeVideo({ codec, picture: "testsrc2=s=128x96:r=30", seconds: 1 }));
  start();
  for (const { timestampMs, body } of [...numbered, ...larger.map((tag) => ({ ...tag, timestampMs: tag.timestampMs + 2_000 }))]) {
    await delay(10);
    decoder.write(enhancedTag({ timestampMs, body }));
  }
  decoder.detach();
  await expect.poll(() => frames.length, until).toBe(30);
  expect(frames.map(({ ptsMs }) => ptsMs)).toEqual(Array.from({ length: 30 }, (_, slot) => slot * 100));
  expect(frames.slice(0, 20).filter((frame) => !frameNumberMatches(frame))).toEqual([]);
  expect(events.filter(({ kind }) => kind === "source-format" || kind === "frame-size")).toEqual([
    { kind: "source-format", codec, widthPx: 64, heightPx: 64 },
    { kind: "frame-size", widthPx: 64, heightPx: 64 },
    { kind: "source-format", codec, widthPx: 128, heightPx: 96 },
    { kind: "frame-size", widthPx: 128, heightPx: 96 },
  ]);
  expect(decoder.counters).toMatchObject({ decodeErrors: 0, restarts: 0, packetsIgnored: 0 });
}, 60_000);

test("HEVC with B-frames keeps order and PTS", async () => {
  const { packets } = await encodeVideo({ codec: "hevc", picture: NUMBERED_PICTURE, seconds: 3, bFrames: 3 }).then((video) => {
    start();
    for (const tag of enhancedBodies(video)) decoder.write(enhancedTag(tag));
    return video;
  });
  expect(packets.some(({ ptsMs, dtsMs }) => ptsMs - dtsMs > 60)).toBe(true);
  decoder.detach();
  await expect.poll(() => frames.length, until).toBeGreaterThanOrEqual(30);
  const leadMs = packets[0]?.ptsMs ?? 0;
  expect(leadMs).toBeGreaterThan(0);
  expect(frames.map(({ ptsMs }) => ptsMs)).toEqual(frames.map(({ ptsMs }) => ptsMs).toSorted((a, b) => a - b));
  expect(frames.filter(({ ptsMs, rgb }) => !frameNumberMatches({ ptsMs: ptsMs - leadMs, rgb }))).toEqual([]);
  expect(decoder.counters).toMatchObject({ decodeErrors: 0 });
}, 60_000);

test.each(CODECS)("%s goes on from the kept packets when ffmpeg is killed, far from the next keyframe", async (codec) => {
  const bodies = enhancedBodies(await encodeVideo({ codec, picture: NUMBERED_PICTURE, seconds: 9, gopFrames: 300 }));
  start();
  const play = async (from: number, to: number) => {
    for (const tag of bodies.slice(from, to)) {
      await delay(8);
      decoder.write(enhancedTag(tag));
    }
  };
  await play(0, 90);
  await expect.poll(() => frames.length, until).toBeGreaterThan(20);
  process.kill(decoder.pid ?? 0, "SIGKILL");
  await play(90, 200);
  await expect.poll(() => eventsOf("recovered"), until).toMatchObject([{ cause: "exited" }]);
  const count = frames.length;
  await play(200, 271);
  await expect.poll(() => frames.length, until).toBeGreaterThan(count + 10);
  expect(frames.filter((frame) => !frameNumberMatches(frame))).toEqual([]);
}, 60_000);

test("a stream may change its codec", async () => {
  const bodies = await Promise.all((["hevc", "vp9"] as const).map(async (codec) => enhancedBodies(await encodeVideo({ codec, picture: NUMBERED_PICTURE, seconds: 1 }))));
  start();
  for (const [index, tags] of bodies.entries()) for (const { timestampMs, body } of tags) decoder.write(enhancedTag({ timestampMs: timestampMs + index * 1_000, body }));
  await expect.poll(() => eventsOf("source-format").map(({ codec }) => codec), until).toEqual(["hevc", "vp9"]);
  await expect.poll(() => frames.filter(({ ptsMs }) => ptsMs >= 1_000).length, until).toBeGreaterThanOrEqual(9);
}, 60_000);
