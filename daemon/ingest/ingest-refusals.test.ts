/** Who does not get in: each refusal has its code, tells the client, and disturbs no publisher beside it. */
import { createServer } from "node:net";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type FfmpegPublisher, flvTags, publishWithFfmpeg, startFlvReader } from "./testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "./testing/ingest-child.ts";
import { type RtmpClient, connectRtmp } from "./testing/rtmp-client.ts";

const LIVE_KEY = "secret-of-the-live-stream";
const SPARE_KEY = "secret-of-the-spare-stream";
const WRONG_KEY = "wrong-but-well-formed-key";
const AVC_HEADER = Buffer.from("17000000000142c00affe100046742c00a01000468ce3c80", "hex");
const AVC_KEYFRAME = Buffer.from("17010000000000000465888400", "hex");

let ingest: IngestChild;
let live: FfmpegPublisher;
let liveSession: string;
const clients: RtmpClient[] = [];

beforeAll(async () => {
  ingest = await startIngestChild({
    port: 0,
    streams: [{ name: "live-one", key: LIVE_KEY }, { name: "spare", key: SPARE_KEY }, { name: "third", key: "secret-of-the-third-stream" }],
    limits: { handshakeTimeoutMs: 600, publishTimeoutMs: 1_200, tickMs: 50, maxPublishers: 2, maxConnections: 12, maxRefusalReportsPerSecond: 1_000 },
  });
  live = publishWithFfmpeg(`rtmp://127.0.0.1:${ingest.port}/live/${LIVE_KEY}`);
  liveSession = (await ingest.until("video-format", (message) => message.stream === "live-one")).sessionId;
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  await Promise.all(clients.splice(0).map((client) => client.closed));
});
afterAll(async () => {
  await live[Symbol.asyncDispose]();
  await ingest[Symbol.asyncDispose]();
});

const open = async (): Promise<RtmpClient> => {
  const client = await connectRtmp(ingest.port);
  clients.push(client);
  return client;
};
const text = (client: RtmpClient) => client.received().toString("latin1");

/** Runs `action` and resolves to the refusal it causes. */
const refusalOf = async (action: () => Promise<void>) => {
  const before = new Set(ingest.messages);
  await action();
  return await ingest.until("connection-refused", (message) => !before.has(message));
};

describe("a publish is refused before any media is accepted", () => {
  test("for a key that no stream has", async () => {
    const client = await open();
    const refusal = await refusalOf(() => client.publish(WRONG_KEY));
    expect(refusal).toEqual({ type: "connection-refused", code: "key-unknown", message: "The stream key matches no configured stream.", remote: "127.0.0.1" });
    await client.closed;
    expect(text(client)).toContain("NetStream.Publish.BadName");
    expect(text(client)).toContain("key-unknown");
    expect(text(client)).not.toContain("NetStream.Publish.Start");
  });

  test("with a message that ffmpeg shows to its user", async () => {
    await using publisher = publishWithFfmpeg(`rtmp://127.0.0.1:${ingest.port}/live/${WRONG_KEY}`);
    expect(await publisher.exited).not.toBe(0);
    expect(publisher.output()).toContain("key-unknown: The stream key matches no configured stream.");
  });

  test.each([
    ["empty", ""],
    ["too short", "short"],
    ["too long", "k".repeat(129)],
    ["longer than AMF's short string", "k".repeat(70_000)],
    ["a path", "../../../../etc/passwd"],
    ["an encoded path", "%2e%2e%2fetc%2fpasswd"],
    ["a NUL byte after a real key", `${LIVE_KEY}\0`],
    ["a line break after a real key", `${SPARE_KEY}\n`],
    ["a property of every object", "__proto__"],
    ["not ASCII", "ключ-трансляции"],
    ["only a query", "?sign=a&sign=b"],
    ["a slash and a real key", `/${SPARE_KEY}`],
  ])("for a name that is %s", async (_what, name) => {
    const client = await open();
    const refusal = await refusalOf(() => client.publish(name).catch((error: unknown) => expect(String(error)).toContain("closed before")));
    expect(["path-refused", "key-unknown", "protocol-violation"]).toContain(refusal.code);
    await client.closed;
    expect(text(client)).not.toContain("NetStream.Publish.Start");
  });

  test.each(["", "Live", "live/", "live/instance", "../live", "vod"])("for the application %j, at connect already", async (app) => {
    const client = await open();
    const refusal = await refusalOf(async () => {
      await client.handshake();
      client.command("connect", 1, { app, tcUrl: `rtmp://127.0.0.1/${app}` });
      await client.until("NetConnection.Connect.Rejected");
    });
    expect(refusal.code).toBe("path-refused");
    await client.closed;
  });

  test("for a busy path; the first publisher's video has no byte of the second's", async () => {
    await using reader = await startFlvReader();
    ingest.send({ type: "route", stream: "live-one", sessionId: liveSession, socketPath: reader.socketPath });
    await reader.until(([first]) => first !== undefined && flvTags(first.flv()).length > 5);
    const client = await open();
    const refusal = await refusalOf(async () => {
      await client.publish(LIVE_KEY);
      for (let packet = 0; packet < 20; packet += 1) client.video(Buffer.concat([AVC_KEYFRAME, Buffer.from("injected by a duplicate")]), packet);
    });
    expect(refusal).toMatchObject({ code: "publisher-exists", message: 'Another publisher holds stream "live-one".' });
    await client.closed;
    const count = flvTags(reader.connections[0]?.flv() ?? Buffer.alloc(0)).length;
    await reader.until(([first]) => first !== undefined && flvTags(first.flv()).length > count + 15);
    expect(reader.connections[0]?.flv().includes("injected")).toBe(false);
  });

  test("for media sent without a publish", async () => {
    const client = await open();
    const refusal = await refusalOf(async () => {
      await client.handshake();
      client.command("connect", 1, { app: "live" });
      client.video(AVC_KEYFRAME);
      await client.closed;
    });
    expect(refusal).toMatchObject({ code: "protocol-violation", message: "Media came before an accepted publish." });
  });

  test("once the configured number of publishers is there", async () => {
    const second = await open();
    await second.publish(SPARE_KEY);
    const client = await open();
    const refusal = await refusalOf(() => client.publish("secret-of-the-third-stream"));
    expect(refusal).toMatchObject({ code: "capacity-reached", message: "2 publishers are connected; no more are admitted." });
  });
});

test("play is refused and the player gets no media", async () => {
  const client = await open();
  const refusal = await refusalOf(async () => {
    await client.handshake();
    client.command("connect", 1, { app: "live" });
    client.command("createStream", 2, null);
    client.command("play", 3, null, LIVE_KEY, -2);
    await client.until("NetStream.Play.Failed");
  });
  expect(refusal.code).toBe("play-refused");
  await client.closed;
  expect(client.received().length).toBeLessThan(5_000);
});

test("a query after the key is ignored, also with repeated parameters", async () => {
  const client = await open();
  await client.publish(`${SPARE_KEY}?sign=a&sign=b&sign[]=c`);
  expect(text(client)).toContain("NetStream.Publish.Start");
  expect(text(client)).not.toContain(SPARE_KEY);
});

test.each([
  ["VVC (vvc1)", Buffer.from("9076766331", "hex")],
  ["multitrack video", Buffer.from("960068766331", "hex")],
  ["an unknown Enhanced RTMP codec", Buffer.from("90c0ffee00", "hex")],
  ["AV1 outside of Enhanced RTMP", Buffer.from("1d0000000001", "hex")],
  ["Sorenson H.263 (flv1)", Buffer.from("1200008400", "hex")],
  ["VP6", Buffer.from("1400008400", "hex")],
])("video in %s is refused by its name", async (codec, head) => {
  const client = await open();
  await client.publish(SPARE_KEY);
  const before = new Set(ingest.messages);
  client.video(Buffer.concat([head, Buffer.alloc(40)]));
  const lost = await ingest.until("publisher-lost", (message) => message.stream === "spare" && !before.has(message));
  expect(lost).toMatchObject({ code: "codec-unsupported", message: `The publisher sends ${codec}; publish H.264, HEVC, AV1, VP9 or VP8.` });
  await client.until("NetStream.Publish.Rejected");
  await client.until(`codec-unsupported: The publisher sends ${codec};`);
  await client.closed;
});

test("ffmpeg without a codec option learns that its default codec is not taken", async () => {
  await using publisher = publishWithFfmpeg(`rtmp://127.0.0.1:${ingest.port}/live/${SPARE_KEY}`, { output: [] });
  expect(await publisher.exited).not.toBe(0);
  expect(ingest.messages).toContainEqual(expect.objectContaining({ type: "publisher-lost", stream: "spare", code: "codec-unsupported", message: "The publisher sends Sorenson H.263 (flv1); publish H.264, HEVC, AV1, VP9 or VP8." }));
});

describe("slow and silent clients", () => {
  test("one that sends nothing is cut off at the handshake deadline", async () => {
    const refusal = await refusalOf(async () => (await open()).closed);
    expect(refusal).toMatchObject({ code: "protocol-violation", message: "The client did not finish the RTMP handshake in time." });
  });

  test("one that never publishes is cut off at the publish deadline, whatever else it sends", async () => {
    const client = await open();
    const refusal = await refusalOf(async () => {
      await client.handshake();
      client.command("connect", 1, { app: "live" });
      const trickle = setInterval(() => client.command("_checkbw", 0, null), 100);
      await client.closed;
      clearInterval(trickle);
    });
    expect(refusal).toMatchObject({ code: "protocol-violation", message: "The client did not publish in time." });
  });

  test("a client that reconnects without end is counted, and told of at most twenty times a second", async () => {
    await using flooded = await startIngestChild({ port: 0, streams: [] });
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const client = await connectRtmp(flooded.port);
      client.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
      await client.closed;
    }
    await flooded.until("stats", (message) => message.refusals["protocol-violation"] === 200);
    const seconds = flooded.messages.filter((message) => message.type === "stats").length;
    const told = flooded.messages.filter((message) => message.type === "connection-refused");
    expect(told[0]).toMatchObject({ code: "protocol-violation", message: "The client does not speak RTMP." });
    expect(told.length).toBeLessThanOrEqual(20 * seconds);
  });

  test("connections past the cap are closed at once, and the places come back", async () => {
    const many = await Promise.all(Array.from({ length: 30 }, open));
    await ingest.until("stats", (message) => (message.refusals["capacity-reached"] ?? 0) >= 19);
    await Promise.all(many.map((client) => client.closed));
    const client = await open();
    await client.publish(SPARE_KEY);
    expect(text(client)).toContain("NetStream.Publish.Start");
  });
});

describe("keys replaced while running", () => {
  test("a bad table is refused and the old one stays; a removed key ends its publisher", async () => {
    const client = await open();
    await client.publish(SPARE_KEY);
    ingest.send({ type: "setKeys", streams: [{ name: "live-one", key: "short" }] });
    expect(await ingest.until("keys-refused")).toMatchObject({ code: "config-invalid", message: expect.stringContaining('"live-one"') as string });
    client.video(AVC_HEADER);
    await ingest.until("video-format", (message) => message.stream === "spare");
    ingest.send({ type: "setKeys", streams: [{ name: "live-one", key: LIVE_KEY }, { name: "spare", key: "another-key-for-spare" }] });
    expect(await ingest.until("publisher-lost", (message) => message.stream === "spare" && message.code === "key-unknown")).toMatchObject({ code: "key-unknown" });
    await client.closed;
  });
});

test("a busy port fails the start with the address in the message", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await expect(startIngestChild({ port, streams: [] })).rejects.toThrow(`"code":"port-in-use","message":"RTMP cannot listen on 127.0.0.1:${port}: another process holds the port."`);
  other.close();
});

test("after all of this the live publisher was never disturbed, and no key was ever said", () => {
  expect(live.process.exitCode).toBeNull();
  expect(ingest.messages.filter((message) => "stream" in message && message.stream === "live-one" && message.type !== "route-lost").map((message) => message.type)).toEqual(["published", "video-format"]);
  const said = JSON.stringify(ingest.messages) + ingest.output();
  for (const key of [LIVE_KEY, SPARE_KEY, WRONG_KEY]) expect(said).not.toContain(key);
});
