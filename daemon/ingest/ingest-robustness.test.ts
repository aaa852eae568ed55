/** Hostile bytes against the real ingest process: it survives, stays small, and a publisher beside them notices nothing. */
import { once } from "node:events";
import { createServer, connect } from "node:net";
import pino from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../testing/seeded-random.ts";
import { startSupervisedChild } from "../supervision/supervised-child.ts";
import type { IngestCommand, IngestEvent, IngestOptions } from "./messages.ts";
import { type FfmpegPublisher, publishWithFfmpeg } from "./testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "./testing/ingest-child.ts";
import { hostileInputs } from "./testing/hostile-rtmp.ts";
import { HANDSHAKE, commandMessage, connectRtmp, publishCommands } from "./testing/rtmp-client.ts";

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
const publishing = () => publishCommands(slotKey(SLOTS));

describe("malformed input, with all that ends a bare node-media-server", () => {
  test.each(hostileInputs(slotKey(SLOTS)))("%s", async (_what, bytes) => {
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
