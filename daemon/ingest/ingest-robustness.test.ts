/** Hostile bytes against the real ingest process: it survives, stays small, and a publisher beside them notices nothing. */
import { once } from "node:events";
import { createServer, connect } from "node:net";
import pino from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSupervisedChild } from "../supervision/supervised-child.ts";
import type { IngestCommand, IngestEvent, IngestOptions } from "./messages.ts";
import { type FfmpegPublisher, publishWithFfmpeg } from "./testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "./testing/ingest-child.ts";
import { HANDSHAKE, amf0, commandMessage, connectRtmp, rtmpMessage } from "./testing/rtmp-client.ts";

const LIVE_KEY = "secret-of-the-live-stream";
/** Keys of one length, so that a recorded session can be replayed under any of them. */
const slotKey = (slot: number) => `secret-of-fuzz-slot-${String(slot).padStart(2, "0")}`;
const SLOTS = 8;
const MEBIBYTE = 1024 * 1024;

let ingest: IngestChild;
let live: FfmpegPublisher;

beforeAll(async () => {
  const streams = [{ name: "live", key: LIVE_KEY }, ...Array.from({ length: SLOTS + 1 }, (_, slot) => ({ name: `slot-${slot}`, key: slotKey(slot) }))];
  ingest = await startIngestChild({ port: 0, streams });
  live = publishWithFfmpeg(`rtmp://127.0.0.1:${ingest.port}/live/${LIVE_KEY}`);
  await ingest.until("video-format", (message) => message.stream === "live");
});
afterAll(async () => {
  await live[Symbol.asyncDispose]();
  await ingest[Symbol.asyncDispose]();
});

let liveEvents: number;
beforeEach(() => {
  liveEvents = countLiveEvents();
});
const countLiveEvents = () => ingest.messages.filter((message) => "stream" in message && message.stream === "live").length;
const statsAfterNow = async () => {
  const before = new Set(ingest.messages);
  return await ingest.until("stats", (message) => !before.has(message));
};

/** The process is the same one, and the live publisher's packets still come in. */
const expectUndisturbed = async () => {
  expect(ingest.alive()).toBe(true);
  const first = (await statsAfterNow()).streams.find((stream) => stream.stream === "live");
  const second = (await statsAfterNow()).streams.find((stream) => stream.stream === "live");
  expect(second?.videoPackets).toBeGreaterThan(first?.videoPackets ?? Number.POSITIVE_INFINITY);
  expect(countLiveEvents()).toBe(liveEvents);
  expect(live.process.exitCode).toBeNull();
};

/** Sends bytes, ends, and waits until the server has closed. */
const feed = (bytes: Buffer): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect({ port: ingest.port, host: "127.0.0.1" });
    socket.on("error", () => {}); // A reset is an allowed answer.
    socket.on("close", () => resolve());
    socket.resume();
    socket.end(bytes);
  });

const hex = (text: string) => Buffer.from(text, "hex");
const command = (payload: Buffer) => rtmpMessage({ chunkStream: 3, type: 20, payload });
const CONNECT = commandMessage("connect", 1, { app: "live", tcUrl: "rtmp://127.0.0.1/live" });
const CREATE = commandMessage("createStream", 2, null);
const publishOf = (slot: number) => commandMessage("publish", 3, null, slotKey(slot), "live");
const publishing = (...more: Buffer[]) => Buffer.concat([CONNECT, CREATE, publishOf(SLOTS), ...more]);
const nested = (depth: number) => Buffer.concat([amf0("connect", 1), Buffer.alloc(depth * 4, hex("03000161")), hex("05"), Buffer.alloc(depth * 3, hex("000009"))]);

describe("malformed input, with all that ends a bare node-media-server", () => {
  test.each<[string, Buffer]>([
    ["an empty command message", hex("03000000000000140000000003")],
    ["an empty Set Chunk Size", hex("02000000000000010000000003")],
    ["an empty video message", hex("06000000000000090000000003")],
    ["an empty audio message", hex("04000000000000080000000003")],
    ["an empty data message", hex("04000000000000120000000003")],
    ["a connect without tcUrl", hex("030000000000231400000000020007636f6e6e656374003ff00000000000000300036170700200046c697665000009")],
    ["a connect with a null command object", command(amf0("connect", 1, null))],
    ["a connect without a command object", command(amf0("connect", 1))],
    ["a connect whose app is a number", command(amf0("connect", 1, { app: 7, tcUrl: "rtmp://h/live" }))],
    ["a connect whose tcUrl is no URL", command(amf0("connect", 1, { app: "live", tcUrl: "::" }))],
    ["a publish without a name", Buffer.concat([CONNECT, commandMessage("publish", 3, null)])],
    ["a publish with a boolean name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, true)])],
    ["a publish with a numeric name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, 42)])],
    ["a publish with a null name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, null)])],
    ["a publish with an object for a name", Buffer.concat([CONNECT, commandMessage("publish", 3, null, { split: "x" })])],
    ["a publish before a connect", publishOf(SLOTS)],
    ["a play without a name", Buffer.concat([CONNECT, commandMessage("play", 3, null)])],
    ["a play with a repeated query parameter", Buffer.concat([CONNECT, commandMessage("play", 3, null, "k?sign=a&sign=b")])],
    ["a publish with a repeated query parameter", Buffer.concat([CONNECT, commandMessage("publish", 3, null, "k?sign=a&sign=b")])],
    ["AMF type 0x11 as a command's name", command(hex("11"))],
    ["AMF type 0x11 as an argument", command(Buffer.concat([amf0("connect", 1), hex("110a0b01")]))],
    ["a strict array of 0xffffffff values", command(Buffer.concat([amf0("connect", 1), hex("0affffffff05")]))],
    ["a string longer than its message", command(hex("02ffff61"))],
    ["a long string of 4 GiB", command(hex("0cffffffff61"))],
    ["20,000 nested objects", rtmpMessage({ chunkStream: 3, type: 20, payload: nested(20_000) })],
    ["2,000 nested objects, within the length of a command", rtmpMessage({ chunkStream: 3, type: 20, payload: nested(2_000) })],
    ["a command whose name is a number", command(amf0(1, 2, null))],
    ["a command named like a property of every object", command(amf0("constructor", 1, null))],
    ["a transaction id that is no number", command(amf0("createStream", "x", null))],
    ["a Set Chunk Size of zero", hex("02000000000004010000000000000000")],
    ["a Set Chunk Size of 0xffffffff", hex("020000000000040100000000ffffffff")],
    ["metadata with an unknown AMF type", publishing(rtmpMessage({ chunkStream: 4, type: 18, payload: Buffer.concat([amf0("@setDataFrame", "onMetaData"), hex("11")]) }))],
    ["metadata that is null", publishing(rtmpMessage({ chunkStream: 4, type: 18, payload: amf0("@setDataFrame", "onMetaData", null) }))],
    ["a timestamp of 2^32 - 1 and a delta past it", publishing(rtmpMessage({ chunkStream: 6, type: 9, timestampMs: 0xff_ff_ff_ff, payload: hex("170100000000") }), hex("46ffff00000006091701000000004600000a0000060917010000000000"))],
    ["a composition time beyond the packet", publishing(rtmpMessage({ chunkStream: 6, type: 9, payload: hex("1701") }))],
    ["an aggregate message", publishing(rtmpMessage({ chunkStream: 6, type: 22, payload: Buffer.alloc(64, 0xff) }))],
    ["a sequence header full of ones", publishing(rtmpMessage({ chunkStream: 6, type: 9, payload: Buffer.concat([hex("1700000000"), Buffer.alloc(120, 0xff)]) }))],
    ["a parameter set with an endless order-count cycle", publishing(rtmpMessage({ chunkStream: 6, type: 9, payload: hex("17000000000142c00affe1000d6742c00ad300000001fffffffe") }))],
    ["a second header that shortens a message under way", publishing(hex("0600000000040009010000001700000000"), Buffer.alloc(123, 1), hex("06000000000010090100000017010000"))],
    ["a chunk without any header before it", hex("c901020304")],
    ["the three-byte form of the chunk stream id", hex("01ffff0000000000140000000003")],
    ["text of another protocol", Buffer.from("GET /a%20b/c.flv HTTP/1.1\r\nHost: x\r\n\r\n")],
  ])("%s", async (_what, bytes) => {
    await feed(Buffer.concat([HANDSHAKE, bytes]));
    expect(ingest.alive()).toBe(true);
  });

  test("left the live publisher undisturbed", expectUndisturbed);
});

describe("sizes", () => {
  test("15 KB of chunk headers that declare gigabytes allocate next to nothing", async () => {
    const before = (await statsAfterNow()).rssBytes;
    const headers = Array.from({ length: 1_250 }, (_, index) => {
      const header = hex("000000000fffff090100000000");
      header.writeUInt8(index % 256, 1);
      return header.subarray(0, 13);
    });
    await Promise.all(Array.from({ length: 20 }, () => feed(Buffer.concat([HANDSHAKE, ...headers]))));
    const authenticated = [publishing(), ...Array.from({ length: 60 }, (_, index) => Buffer.concat([Buffer.from([2 + index]), hex("0000007fffff0901000000"), Buffer.alloc(128)]))];
    await feed(Buffer.concat([HANDSHAKE, ...authenticated]));
    expect((await statsAfterNow()).rssBytes - before).toBeLessThan(60 * MEBIBYTE);
    await expectUndisturbed();
  });

  test("20,000 publish commands on one connection are cut off at the first one too many", async () => {
    const client = await connectRtmp(ingest.port);
    await client.handshake();
    client.command("connect", 1, { app: "live" });
    client.send(Buffer.concat(Array.from({ length: 20_000 }, (_, index) => commandMessage("publish", 3, null, `unknown-key-number-${index}`))));
    await client.closed;
    expect(client.received().toString("latin1").split("NetStream.Publish").length - 1).toBe(1);
    await expectUndisturbed();
  });

  test("commands without end are cut off", async () => {
    const client = await connectRtmp(ingest.port);
    await client.handshake();
    client.send(Buffer.concat(Array.from({ length: 20_000 }, () => commandMessage("createStream", 2, null))));
    await client.closed;
    expect(client.received().length).toBeLessThan(10_000);
  });
});

describe("mutations of a recorded session", () => {
  test("3,000 of them neither end the process nor disturb the live publisher nor leave anything behind", async () => {
    const recorded = await recordSession();
    const at = recorded.indexOf(slotKey(0));
    expect(at).toBeGreaterThan(3_073);
    const random = seededRandom(20_261_105);
    const before = (await statsAfterNow()).rssBytes;
    let remaining = 3_000;
    const worker = async (slot: number): Promise<void> => {
      while (remaining > 0) {
        remaining -= 1;
        const session = Buffer.from(recorded);
        session.write(slotKey(slot), at);
        await feed(mutate(session, random));
      }
    };
    await Promise.all(Array.from({ length: SLOTS }, (_, slot) => worker(slot)));

    await expectUndisturbed();
    const { connections, rssBytes, refusals } = await statsAfterNow();
    expect(connections).toBe(1);
    expect(rssBytes - before).toBeLessThan(120 * MEBIBYTE);
    expect(refusals["protocol-violation"]).toBeGreaterThan(300);
    expect(ingest.messages.filter((message) => message.type === "published").length).toBeGreaterThan(300);
    expect(ingest.messages.filter((message) => message.type === "crashed")).toEqual([]);
  }, 60_000);
});

describe("the death of the process", () => {
  test("after kill -9 the supervisor has a publisher back on the same port in under a second", async () => {
    let port = 0;
    const causes: string[] = [];
    const readyAgain = Promise.withResolvers<void>();
    await using supervised = await startSupervisedChild<IngestOptions, { port: number }, IngestCommand, IngestEvent>({
      name: "ingest",
      entry: new URL("./ingest-process.ts", import.meta.url),
      init: () => ({ port, streams: [{ name: "back", key: "secret-that-comes-back" }] }),
      onMessage: () => {},
      onState(state) {
        if (state.kind !== "ready") return;
        if (port !== 0) readyAgain.resolve();
        port = state.info.port;
      },
      onRestart: (cause) => causes.push(cause),
      log: pino({ level: "silent" }),
    });
    const client = await connectRtmp(port);
    await client.publish("secret-that-comes-back");
    const killedMs = performance.now();
    if (supervised.state.kind === "ready") process.kill(supervised.state.pid, "SIGKILL");
    await client.closed;
    await readyAgain.promise;
    const again = await connectRtmp(port);
    await again.publish("secret-that-comes-back");
    const backMs = performance.now() - killedMs;
    expect(again.received().toString("latin1")).toContain("NetStream.Publish.Start");
    again.destroy();
    expect(causes).toEqual(["signal"]);
    expect(backMs).toBeLessThan(1_000);
  });

  test("it ends when the daemon's end of the channel is gone", async () => {
    const child = await startIngestChild({ port: 0, streams: [] });
    const exit = once(child.process, "exit");
    child.process.disconnect();
    expect(await exit).toEqual([0, null]);
  });

  test("a defect is reported without the error's own text, and ends the process with code 70", async () => {
    const child = await startIngestChild({ port: 0, streams: [] });
    const exit = once(child.process, "exit");
    // A message that no correct daemon sends.
    child.process.send({ type: "setKeys", streams: "secret-in-a-wrong-place" });
    expect(await child.until("crashed")).toMatchObject({ message: expect.stringContaining("TypeError at ") as string });
    expect(await exit).toEqual([70, null]);
    expect(JSON.stringify(child.messages) + child.output()).not.toContain("secret-in-a-wrong-place");
  });
});

test("no message and no line of output holds a key", () => {
  const said = JSON.stringify(ingest.messages) + ingest.output();
  for (const key of [LIVE_KEY, slotKey(0), slotKey(SLOTS)]) expect(said).not.toContain(key);
});

/** The bytes that a real ffmpeg sends in its first second, handshake included. */
async function recordSession(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const relay = createServer((client) => {
    const upstream = connect({ port: ingest.port, host: "127.0.0.1" });
    client.on("data", (bytes: Buffer) => chunks.push(bytes));
    for (const socket of [client, upstream]) socket.on("error", () => {}); // Ends with the publisher.
    client.pipe(upstream).pipe(client);
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const address = relay.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await using publisher = publishWithFfmpeg(`rtmp://127.0.0.1:${port}/live/${slotKey(0)}`, { input: ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=10", "-f", "lavfi", "-i", "sine"], output: ["-t", "1", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "5", "-pix_fmt", "yuv420p", "-c:a", "aac"] });
  expect(await publisher.exited).toBe(0);
  relay.close();
  return Buffer.concat(chunks);
}

/** One to eight edits after the handshake: a bit flipped, a byte set, bytes removed, repeated or cut off. */
function mutate(session: Buffer, random: () => number): Buffer {
  let bytes = session;
  const edits = 1 + Math.floor(random() * 8);
  for (let edit = 0; edit < edits; edit += 1) {
    // Half of the edits fall on the commands at the start, where the structure is.
    const span = random() < 0.5 ? Math.min(900, bytes.length - 3_073) : bytes.length - 3_073;
    const at = 3_073 + Math.floor(random() * Math.max(1, span));
    const length = 1 + Math.floor(random() * 32);
    const kind = Math.floor(random() * 5);
    if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    else if (kind === 1) bytes[at] = [0x00, 0xff, 0x7f, 0x80, Math.floor(random() * 256)][Math.floor(random() * 5)] ?? 0;
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    else if (random() < 0.1) bytes = Buffer.from(bytes.subarray(0, at));
  }
  return bytes;
}

/** mulberry32: the same run every time. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
