import { PassThrough } from "node:stream";
import { pino } from "pino";
import { afterEach, beforeAll, expect, it } from "vitest";
import type { Frame } from "../types.ts";
import type { DecoderEvent } from "./decoder-events.ts";
import { NUMBERED_PICTURE, ffmpegChildren, frameNumberMatches, makeFlvTags, playTags, tagBytes, videoTags } from "./flv-fixture.ts";
import { type FlvTag, flvHeader } from "./flv-reader.ts";
import { type LiveDecoder, type LiveDecoderOptions, startLiveDecoder } from "./live-decoder.ts";

const quietLog = pino({ level: "silent" });

interface Watched {
  readonly decoder: LiveDecoder;
  readonly frames: Frame[];
  readonly events: DecoderEvent[];
  readonly eventsOf: <K extends DecoderEvent["kind"]>(kind: K) => Extract<DecoderEvent, { kind: K }>[];
}

/** Forty seconds, one keyframe every ten: what a restarted decoder has to be refilled with. */
let longGop: readonly FlvTag[];
let plain: readonly FlvTag[];
let open: LiveDecoder[] = [];

beforeAll(async () => {
  longGop = await makeFlvTags({ picture: NUMBERED_PICTURE, seconds: 40, gopFrames: 300 });
  plain = await makeFlvTags({ seconds: 3 });
});

afterEach(async () => {
  await Promise.all(open.map((decoder) => decoder.close()));
  open = [];
  expect(await ffmpegChildren()).toEqual([]);
});

function watchDecoder(options: Partial<LiveDecoderOptions> = {}): Watched {
  const frames: Frame[] = [];
  const events: DecoderEvent[] = [];
  const decoder = startLiveDecoder({ log: quietLog, onFrame: (frame) => frames.push(frame), onEvent: (event) => events.push(event), ...options });
  open.push(decoder);
  return { decoder, frames, events, eventsOf: <K extends DecoderEvent["kind"]>(kind: K) => events.filter((event): event is Extract<DecoderEvent, { kind: K }> => event.kind === kind) };
}

function expectRisingSlots(frames: readonly Frame[]): void {
  const slots = frames.map((frame) => Math.floor(frame.ptsMs / 100));
  expect(slots.filter((slot, i) => i > 0 && slot <= (slots[i - 1] ?? 0))).toEqual([]);
}

/** Impatient, so that a test does not wait three seconds; the figures of the defaults have a test of their own. */
const impatient = { stallTimeoutMs: 500, firstFrameTimeoutMs: 2000, termGraceMs: 100 };
const until = { timeout: 15_000, interval: 20 };

it("gives ten frames a second, each with the PTS of its own pixels", async () => {
  const { decoder, frames, eventsOf } = watchDecoder();
  await playTags(longGop.slice(0, 152), (bytes) => decoder.write(bytes), { speed: 2 }).done;
  await expect.poll(() => frames.length, until).toBe(50);
  expect(frames.map((frame) => frame.ptsMs)).toEqual(Array.from({ length: 50 }, (_, slot) => slot * 100));
  expect(frames.filter((frame) => !frameNumberMatches(frame))).toEqual([]);
  expect(eventsOf("frame-size")).toEqual([{ kind: "frame-size", widthPx: 64, heightPx: 64 }]);
  expect(eventsOf("source-format")).toEqual([{ kind: "source-format", codec: "h264", widthPx: 64, heightPx: 64 }]);
  expect(decoder.state.kind).toBe("decoding");
  expect(decoder.counters).toMatchObject({ framesDelivered: 50, restarts: 0, decodeErrors: 0, packetsDropped: 0 });
});

it("keeps the order and the PTS of streams with B-frames", async () => {
  const tags = await makeFlvTags({ picture: NUMBERED_PICTURE, seconds: 3, gopFrames: 30, encoder: ["-preset", "veryfast", "-tune", "film", "-bf", "3"] });
  const { decoder, frames } = watchDecoder();
  await playTags(tags, (bytes) => decoder.write(bytes), { speed: 2 }).done;
  decoder.detach();
  await expect.poll(() => frames.length, until).toBeGreaterThanOrEqual(30);
  expectRisingSlots(frames);
  // The first DTS is the clock's zero, and the first PTS lies two frames behind it.
  expect(frames.filter((frame) => !frameNumberMatches({ ptsMs: frame.ptsMs - 67, rgb: frame.rgb }))).toEqual([]);
});

it("feeds each packet once, however many come in one piece", async () => {
  // As a new route brings them: what was kept, then all that came meanwhile; here two groups of pictures and a bit.
  const tags = await makeFlvTags({ picture: NUMBERED_PICTURE, seconds: 2.5, gopFrames: 30 });
  const { decoder, frames } = watchDecoder();
  decoder.write(Buffer.concat([flvHeader(), ...videoTags(tags).map((tag) => tagBytes(tag))]));
  decoder.detach();
  await expect.poll(() => frames.length, until).toBe(25);
  expect(frames.map((frame) => frame.ptsMs)).toEqual(Array.from({ length: 25 }, (_, slot) => slot * 100));
  expect(frames.filter((frame) => !frameNumberMatches(frame))).toEqual([]);
  expect(decoder.counters).toMatchObject({ decodeErrors: 0, restarts: 0 });
});

it("goes on at the newest frame when ffmpeg is killed, ten seconds away from the next keyframe", async () => {
  const { decoder, frames, eventsOf } = watchDecoder();
  await using _player = playTags(longGop, (bytes) => decoder.write(bytes), { speed: 2 });
  await expect.poll(() => frames.length, until).toBeGreaterThan(20);
  const killed = decoder.pid ?? 0;
  process.kill(killed, "SIGKILL");
  await expect.poll(() => eventsOf("recovered"), until).toMatchObject([{ cause: "exited" }]);
  const count = frames.length;
  await expect.poll(() => frames.length, until).toBeGreaterThan(count + 10);
  expect(decoder.pid).not.toBe(killed);
  expect(eventsOf("restart")).toMatchObject([{ cause: "exited", delayMs: 0, error: { code: "decoder-exited" } }]);
  expect(eventsOf("recovered")[0]?.downMs).toBeLessThan(3000);
  expectRisingSlots(frames);
  expect(frames.filter((frame) => !frameNumberMatches(frame))).toEqual([]);
  expect(frames.at(-1)?.ptsMs).toBeLessThan(9900);
  // What was missed is named, and nothing else is.
  const missing = Math.floor((frames.at(-1)?.ptsMs ?? 0) / 100) + 1 - frames.length;
  expect(eventsOf("frames-lost")).toEqual(missing === 0 ? [] : [{ kind: "frames-lost", reason: "decoder-restart", count: missing }]);
});

it("has frames again within 8 s of a frozen ffmpeg with its default patience, and the frozen one is gone", async () => {
  const { decoder, frames, eventsOf } = watchDecoder();
  await using _player = playTags(longGop, (bytes) => decoder.write(bytes));
  await expect.poll(() => frames.length, until).toBeGreaterThan(5);
  const frozen = decoder.pid ?? 0;
  process.kill(frozen, "SIGSTOP");
  const frozenAtMs = performance.now();
  await expect.poll(() => eventsOf("recovered"), until).toMatchObject([{ cause: "stalled" }]);
  expect(performance.now() - frozenAtMs).toBeLessThan(8000);
  expect(eventsOf("restart")).toMatchObject([{ cause: "stalled", error: { code: "decoder-stalled" } }]);
  await expect.poll(ffmpegChildren, until).toEqual([decoder.pid]);
  expect(() => process.kill(frozen, 0)).toThrow(expect.objectContaining({ code: "ESRCH" }));
  expectRisingSlots(frames);
});

it.each([
  ["bytes", { maxBacklogBytes: 200_000 }],
  ["time", { maxBacklogMs: 700 }],
])("drops packets up to a keyframe when ffmpeg is behind by more %s than allowed, says so, and goes on when it can", async (_unit, cap) => {
  const tags = await makeFlvTags({ size: "640x360", seconds: 2, gopFrames: 15, encoder: ["-qp", "1"] });
  const { decoder, frames, events, eventsOf } = watchDecoder({ ...cap, stallTimeoutMs: 30_000 });
  await using _player = playTags(tags, (bytes) => decoder.write(bytes), { loop: true });
  await expect.poll(() => frames.length, until).toBeGreaterThan(5);
  process.kill(decoder.pid ?? 0, "SIGSTOP");
  await expect.poll(() => decoder.counters.packetsDropped, until).toBeGreaterThan(30);
  process.kill(decoder.pid ?? 0, "SIGCONT");
  await expect.poll(() => eventsOf("frames-lost"), until).toMatchObject([{ reason: "ingest-backlog" }]);
  expect(events.filter((event) => event.kind === "restart")).toEqual([]);
  expectRisingSlots(frames);
});

it("follows a change of picture size and of profile in the middle of a stream", async () => {
  const upright = await makeFlvTags({ size: "180x320", seconds: 1, encoder: ["-profile:v", "baseline"] });
  const interlaced = await makeFlvTags({ size: "180x320", seconds: 1, encoder: ["-profile:v", "high", "-preset", "veryfast", "-x264-params", "interlaced=1"] });
  const { decoder, frames, eventsOf } = watchDecoder();
  let shiftMs = 0;
  decoder.write(flvHeader());
  for (const tags of [plain.slice(0, 32), upright, interlaced, plain]) {
    const start = frames.length;
    for (const tag of videoTags(tags)) decoder.write(tagBytes(tag, shiftMs));
    shiftMs += 33 + (videoTags(tags).at(-1)?.timestampMs ?? 0);
    await expect.poll(() => frames.length, until).toBeGreaterThanOrEqual(start + 9);
  }
  expect(eventsOf("frame-size").map(({ widthPx, heightPx }) => `${widthPx}x${heightPx}`)).toEqual(["320x180", "180x320", "320x180"]);
  expect(eventsOf("source-format")).toHaveLength(4);
  expect(frames.every((frame) => frame.rgb.length === frame.widthPx * frame.heightPx * 3)).toBe(true);
  expectRisingSlots(frames);
});

it("keeps frames and a rising clock through jumps of the timestamps back and forth", async () => {
  const { decoder, frames, eventsOf } = watchDecoder();
  const frameTags = videoTags(plain);
  decoder.write(flvHeader());
  // In the middle of a GOP, at its end, and over the edge of 32 bits.
  const jumps = [0, 7_200_000, 0, 0xffffffff - 2500];
  const parts = [frameTags.slice(0, 20), frameTags.slice(20, 40), frameTags.slice(40, 61), frameTags.slice(61)];
  for (const [i, part] of parts.entries()) for (const tag of part) decoder.write(tagBytes({ ...tag, timestampMs: (tag.timestampMs + (jumps[i] ?? 0)) % 2 ** 32 }));
  await expect.poll(() => frames.length, until).toBeGreaterThanOrEqual(29);
  expect(eventsOf("discontinuity").map((event) => event.cause)).toEqual(["forward", "backward", "forward", "backward"]);
  expect(frames.at(-1)?.ptsMs).toBeLessThan(3500);
  expectRisingSlots(frames);
});

it("keeps frames coming from a corrupt bitstream and counts the errors at a bounded rate", async () => {
  const { decoder, frames, eventsOf } = watchDecoder(impatient);
  let seed = 7;
  const corrupt = videoTags(plain).map((tag, i) => {
    if (tag.kind === "sequence-header" || i % 3 !== 0) return tag;
    const payload = Uint8Array.from(tag.payload);
    for (let n = 0; n < 12; n++) {
      seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32;
      payload[seed % payload.length] = seed >>> 24;
    }
    return { ...tag, payload };
  });
  await using _player = playTags(corrupt, (bytes) => decoder.write(bytes), { loop: true });
  await expect.poll(() => (frames.at(-1)?.ptsMs ?? 0) > 5000, until).toBe(true);
  expect(frames.length).toBeGreaterThan(30);
  expectRisingSlots(frames);
  expect(decoder.counters.decodeErrors).toBeGreaterThan(10);
  expect(eventsOf("decode-errors").length).toBeLessThan(8);
});

it("waits out a storm of restarts and tries again", async () => {
  const { decoder, events, eventsOf } = watchDecoder({ restarts: { maxRestarts: 3, firstDelayMs: 10, stormWaitMs: 300 } });
  await using _player = playTags(plain, (bytes) => decoder.write(bytes), { loop: true });
  await expect
    .poll(() => {
      if (eventsOf("storm").length === 0 && decoder.pid !== null) process.kill(decoder.pid, "SIGKILL");
      return decoder.state.kind;
    }, until)
    .toBe("storm");
  expect(await ffmpegChildren()).toEqual([]);
  await expect.poll(() => decoder.state.kind, until).toBe("decoding");
  expect(eventsOf("storm")).toMatchObject([{ waitMs: 300, error: { code: "decoder-storm" } }]);
  expect(events.filter((event) => event.kind === "restart")).toHaveLength(3);
  expect(decoder.counters.restarts).toBe(4);
});

it("refuses 16x16 with its reason, ends no other stream for it, and decodes when a fit picture follows", async () => {
  const tiny = await makeFlvTags({ size: "16x16", seconds: 0.3 });
  const { decoder, frames, eventsOf } = watchDecoder();
  await playTags(tiny, (bytes) => decoder.write(bytes), { speed: 10 }).done;
  expect(decoder.state).toEqual({ kind: "refused", code: "picture-size-refused" });
  expect(eventsOf("refused").map((event) => event.error.message)).toEqual(["The picture is 16x16; at least 32x32 is needed."]);
  expect(await ffmpegChildren()).toEqual([]);
  await using _player = playTags(plain, (bytes) => decoder.write(bytes), { header: false });
  await expect.poll(() => decoder.state.kind, until).toBe("decoding");
  expect(frames.length).toBeGreaterThan(0);
});

it("decodes 4096x4096, scaled down", async () => {
  const { decoder, frames } = watchDecoder();
  const large = await makeFlvTags({ picture: "color=s=4096x4096:r=10", seconds: 0.3 });
  await playTags(large, (bytes) => decoder.write(bytes)).done;
  await expect.poll(() => frames.map((frame) => `${frame.widthPx}x${frame.heightPx}`), until).toContain("720x720");
});

it("goes on with its clock when the publisher comes back, and drains what the last one sent", async () => {
  const { decoder, frames, events, eventsOf } = watchDecoder();
  await playTags(plain, (bytes) => decoder.write(bytes), { speed: 4 }).done;
  decoder.detach();
  expect(decoder.state.kind).toBe("idle");
  await expect.poll(() => frames.length, until).toBe(30);
  await expect.poll(ffmpegChildren, until).toEqual([]);
  await playTags(plain, (bytes) => decoder.write(bytes), { speed: 4 }).done;
  await expect.poll(() => frames.length, until).toBeGreaterThanOrEqual(59);
  expect(eventsOf("discontinuity")).toEqual([{ kind: "discontinuity", cause: "reconnect" }]);
  expect(events.filter((event) => event.kind === "restart" || event.kind === "frames-lost")).toEqual([]);
  expectRisingSlots(frames);
});

it("reads an attached stream, ends with it, and survives bytes that are no FLV", async () => {
  const { decoder, frames, eventsOf } = watchDecoder();
  const garbage = new PassThrough();
  decoder.attach(garbage);
  garbage.write(Buffer.alloc(4096, 0x55));
  await expect.poll(() => decoder.state, until).toEqual({ kind: "refused", code: "protocol-violation" });
  const flv = new PassThrough();
  decoder.attach(flv);
  await playTags(plain, (bytes) => flv.write(bytes), { speed: 4 }).done;
  await expect.poll(() => frames.length, until).toBe(30);
  const closed = new Promise((resolve) => flv.once("close", resolve));
  flv.destroy(new Error("connection reset"));
  await closed;
  expect(decoder.state.kind).toBe("idle");
  expect(eventsOf("refused")).toHaveLength(1);
});

it("leaves no child behind, whenever it is closed", async () => {
  const first = videoTags(plain).slice(0, 3);
  const atOnce = watchDecoder().decoder;
  atOnce.write(Buffer.concat([flvHeader(), ...first.map((tag) => tagBytes(tag))]));
  await atOnce.close();
  expect(await ffmpegChildren()).toEqual([]);

  const { decoder: frozen } = watchDecoder({ ...impatient });
  const player = playTags(plain, (bytes) => frozen.write(bytes), { loop: true });
  await expect.poll(() => frozen.state.kind, until).toBe("decoding");
  process.kill(frozen.pid ?? 0, "SIGSTOP");
  await expect.poll(() => frozen.state.kind, until).toBe("recovering");
  await Promise.all([frozen.close(), frozen.close()]);
  await player.stop();
  expect(frozen.state.kind).toBe("closed");
  expect(await ffmpegChildren()).toEqual([]);

  const abort = new AbortController();
  const aborted = startLiveDecoder({ log: quietLog, onFrame: () => {}, onEvent: () => {} }, abort.signal);
  aborted.write(Buffer.concat([flvHeader(), ...first.map((tag) => tagBytes(tag))]));
  abort.abort();
  await aborted[Symbol.asyncDispose]();
  expect(aborted.state.kind).toBe("closed");
});
