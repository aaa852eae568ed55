/** Enhanced RTMP from the client's bytes to decoded frames: real encoders, the real ingest process, the real live decoder. */
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NUMBERED_PICTURE, frameNumberMatches } from "../../pipelines/decode/flv-fixture.ts";
import { startLiveDecoder } from "../../pipelines/decode/live-decoder.ts";
import { type EncodedCodec, type EnhancedBody, encodeVideo, enhancedBodies } from "../../pipelines/decode/testing/enhanced-flv.ts";
import type { Frame } from "../../pipelines/types.ts";
import { readAmf0 } from "./amf0.ts";
import { INGEST_LIMITS } from "./limits.ts";
import { type FlvConnection, startFlvReader } from "./testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "./testing/ingest-child.ts";
import { type AmfInput, connectRtmp } from "./testing/rtmp-client.ts";

const CODECS: readonly EncodedCodec[] = ["h264", "hevc", "av1", "vp9"];
const keyOf = (name: string) => `secret-key-${name}`;
const until = { timeout: 20_000, interval: 20 };

let ingest: IngestChild;
beforeAll(async () => {
  ingest = await startIngestChild({ port: 0, streams: [...CODECS, "caps"].map((name) => ({ name, key: keyOf(name) })) });
});
afterAll(async () => {
  await ingest[Symbol.asyncDispose]();
});

/** Decodes what one reader's connection has got so far and gets meanwhile; resolves at this many frames. */
async function decode(connection: () => FlvConnection | undefined, frameCount: number) {
  const frames: Frame[] = [];
  const formats: string[] = [];
  await using decoder = startLiveDecoder({
    log: pino({ level: "silent" }),
    onFrame: (frame) => frames.push(frame),
    onEvent(event) {
      if (event.kind === "source-format") formats.push(`${event.codec} ${event.widthPx}x${event.heightPx}`);
    },
  });
  let taken = 0;
  await expect
    .poll(() => {
      const flv = connection()?.flv() ?? Buffer.alloc(0);
      decoder.write(flv.subarray(taken));
      taken = flv.length;
      return frames.length;
    }, until)
    .toBeGreaterThanOrEqual(frameCount);
  return { frames, formats, counters: decoder.counters };
}

test.each(CODECS)("%s decodes to the frames and times that were sent, follows a new size, and a new reader begins with the kept pictures", async (codec) => {
  const numbered = enhancedBodies(await encodeVideo({ codec, picture: NUMBERED_PICTURE, seconds: 2 }));
  const larger = enhancedBodies(await encodeVideo({ codec, picture: "testsrc2=s=128x96:r=30", seconds: 2, gopFrames: 300 })).map((tag) => ({ ...tag, timestampMs: tag.timestampMs + 2_000 }));
  await using reader = await startFlvReader();
  const client = await connectRtmp(ingest.port);
  await client.publish(keyOf(codec));
  const { sessionId } = await ingest.until("published", ({ stream }) => stream === codec);
  const route = () => ingest.send({ type: "route", stream: codec, sessionId, socketPath: reader.socketPath });
  route();
  const send = async (tags: readonly EnhancedBody[]) => {
    for (const { timestampMs, body } of tags) {
      await delay(8);
      client.video(body, timestampMs);
    }
  };
  await send([...numbered, ...larger]);
  expect(await ingest.until("video-format", ({ stream }) => stream === codec)).toMatchObject({ codec });

  const { frames, formats, counters } = await decode(() => reader.connections[0], 40);
  expect(formats).toEqual([`${codec} 64x64`, `${codec} 128x96`]);
  expect(frames.map(({ ptsMs }) => ptsMs)).toEqual(Array.from({ length: 40 }, (_, slot) => slot * 100));
  expect(frames.slice(0, 20).filter((frame) => !frameNumberMatches(frame))).toEqual([]);
  expect(counters).toMatchObject({ decodeErrors: 0, restarts: 0, packetsIgnored: 0 });

  // The larger picture had one keyframe, long ago.
  route();
  const again = await decode(() => reader.connections[1], 19);
  expect(again.formats).toEqual([`${codec} 128x96`]);
  expect(again.counters).toMatchObject({ decodeErrors: 0, packetsIgnored: 0 });
  const stats = await ingest.until("stats", ({ streams }) => streams.some(({ stream, videoPackets }) => stream === codec && videoPackets === 120));
  expect(stats.streams.find(({ stream }) => stream === codec)).toMatchObject({ droppedPackets: 0, skippedPackets: 0 });
  client.destroy();
}, 60_000);

describe("the answer to connect", () => {
  /** Properties of the answer's command object. */
  async function answerTo(properties: Readonly<Record<string, AmfInput>>) {
    const client = await connectRtmp(ingest.port);
    await client.handshake();
    client.command("connect", 1, { app: "live", ...properties });
    await client.until("Connection succeeded.");
    const received = client.received();
    // The server's chunks are longer than its answer, so the answer lies in one piece behind its length and type.
    const start = received.indexOf(Buffer.from("0200075f726573756c74", "hex"));
    const length = received.readUIntBE(start - 8, 3);
    client.destroy();
    return readAmf0(received.subarray(start, start + length), INGEST_LIMITS)[2] as ReadonlyMap<string, unknown>;
  }

  test("names the codecs and capabilities to a client of Enhanced RTMP, each in the form that the client used", async () => {
    const v2 = await answerTo({ fourCcList: ["av01", "hvc1"], videoFourCcInfoMap: { "*": 4 }, capsEx: 7 });
    expect(v2.get("fourCcList")).toEqual(["avc1", "hvc1", "av01", "vp09", "vp08"]);
    expect(v2.get("videoFourCcInfoMap")).toEqual(new Map(["avc1", "hvc1", "av01", "vp09", "vp08"].map((fourCc) => [fourCc, 1])));
    expect(v2.get("capsEx")).toBe(4);
    const v1 = await answerTo({ fourCcList: ["hvc1"] });
    expect([...v1.keys()]).toEqual(["fmsVer", "capabilities", "fourCcList"]);
  });

  test("says nothing new to an older client", async () => {
    expect([...(await answerTo({})).keys()]).toEqual(["fmsVer", "capabilities"]);
  });
});
