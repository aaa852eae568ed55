/** A publisher's way through the real ingest process: real ffmpeg in, FLV on a Unix socket out. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeFlv, flvTags, publishWithFfmpeg, startFlvReader } from "./testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "./testing/ingest-child.ts";
import { connectRtmp } from "./testing/rtmp-client.ts";

const streams = ["one", "two", "three", "four", "five", "six", "seven", "eight"].map((name) => ({ name, key: `secret-key-${name}` }));

let ingest: IngestChild;
beforeAll(async () => {
  ingest = await startIngestChild({ port: 0, streams, limits: { stallWarnMs: 1_200, stallEndMs: 800, noVideoMs: 1_500, tickMs: 50 } });
});
afterAll(async () => {
  await ingest[Symbol.asyncDispose]();
});

const url = (stream: string) => `rtmp://127.0.0.1:${ingest.port}/live/secret-key-${stream}`;
const of = (stream: string) => (message: { readonly stream: string }) => message.stream === stream;

describe("publishing", () => {
  test("H.264 published by ffmpeg arrives on the route as decodable, video-only FLV", async () => {
    await using reader = await startFlvReader();
    await using publisher = publishWithFfmpeg(url("one"), { input: ["-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=30", "-f", "lavfi", "-i", "sine"], output: ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"] });
    const published = await ingest.until("published", of("one"));
    expect(published).toMatchObject({ protocol: "rtmp", videoCodec: null, remote: "127.0.0.1" });
    ingest.send({ type: "route", stream: "one", sessionId: published.sessionId, socketPath: reader.socketPath });
    expect(await ingest.until("video-format", of("one"))).toMatchObject({ codec: "h264" });
    await reader.until(([first]) => first !== undefined && flvTags(first.flv()).length >= 45);

    const [connection] = reader.connections;
    expect(connection?.first()).toEqual({ stream: "one", sessionId: published.sessionId });
    const flv = connection?.flv() ?? Buffer.alloc(0);
    expect(flv.subarray(0, 13).toString("hex")).toBe("464c5601010000000900000000");
    const tags = flvTags(flv);
    expect(new Set(tags.map((tag) => tag.type))).toEqual(new Set([9]));
    expect(tags[0]?.payload.subarray(0, 2).toString("hex")).toBe("1700");
    expect(tags[1]?.payload.subarray(0, 2).toString("hex")).toBe("1701");
    expect(await decodeFlv(flv)).toEqual({ frames: tags.length - 1, errors: "" });
    expect(publisher.process.exitCode).toBeNull();

    const stats = await ingest.until("stats", (message) => message.streams.some((stream) => stream.stream === "one" && stream.videoPackets >= 45));
    const own = stats.streams.find((stream) => stream.stream === "one");
    expect(own).toMatchObject({ droppedPackets: 0, skippedPackets: 0, sessionId: published.sessionId });
    expect(own?.bitrateKbps).toBeGreaterThan(0);
    expect(own?.bytesIn).toBeGreaterThan(flv.length);
  });

  test("a new route starts with the sequence header and the current keyframe, without waiting for the next one", async () => {
    await using reader = await startFlvReader();
    // One keyframe in ten seconds: a route that waited for the next one would time out.
    await using publisher = publishWithFfmpeg(url("two"), { output: ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "300", "-pix_fmt", "yuv420p"] });
    const { sessionId } = await ingest.until("published", of("two"));
    ingest.send({ type: "route", stream: "two", sessionId, socketPath: reader.socketPath });
    await reader.until(([first]) => first !== undefined && flvTags(first.flv()).length >= 30);
    ingest.send({ type: "route", stream: "two", sessionId, socketPath: reader.socketPath });
    await reader.until(([, second]) => second !== undefined && flvTags(second.flv()).length >= 40);
    const flv = reader.connections[1]?.flv() ?? Buffer.alloc(0);
    const tags = flvTags(flv);
    expect(tags.slice(0, 2).map((tag) => tag.payload.subarray(0, 2).toString("hex"))).toEqual(["1700", "1701"]);
    expect(await decodeFlv(flv)).toEqual({ frames: tags.length - 1, errors: "" });
    expect(reader.connections[0]?.ended).toBe(true);
    expect(publisher.process.exitCode).toBeNull();
  });

  test("a route whose reader goes away is reported, and the publisher goes on into the next route", async () => {
    await using reader = await startFlvReader();
    await using publisher = publishWithFfmpeg(url("three"));
    const { sessionId } = await ingest.until("published", of("three"));
    ingest.send({ type: "route", stream: "three", sessionId, socketPath: `${reader.socketPath}.missing` });
    expect(await ingest.until("route-lost", of("three"))).toMatchObject({ sessionId, message: "The reader's socket failed (ENOENT)." });
    ingest.send({ type: "route", stream: "three", sessionId, socketPath: reader.socketPath });
    await reader.until(([first]) => first !== undefined && first.flv().length > 2_000);
    reader.connections[0]?.destroy();
    await ingest.until("route-lost", (message) => message.stream === "three" && !message.message.includes("ENOENT"));
    ingest.send({ type: "route", stream: "three", sessionId, socketPath: reader.socketPath });
    await reader.until(([, second]) => second !== undefined && second.flv().length > 2_000);
    expect(publisher.process.exitCode).toBeNull();
  });

  test("a route for a session that has ended is answered with route-lost", async () => {
    ingest.send({ type: "route", stream: "one", sessionId: "gone", socketPath: "/nowhere" });
    expect(await ingest.until("route-lost", (message) => message.sessionId === "gone")).toMatchObject({ message: "The session has ended." });
  });

  test("a publisher that ends is lost as closed, its route ends, and the same key publishes again at once", async () => {
    await using reader = await startFlvReader();
    await using first = publishWithFfmpeg(url("four"));
    const before = await ingest.until("published", of("four"));
    ingest.send({ type: "route", stream: "four", sessionId: before.sessionId, socketPath: reader.socketPath });
    await reader.until(([connection]) => connection !== undefined && connection.flv().length > 2_000);
    first.process.kill("SIGKILL");
    expect(await ingest.until("publisher-lost", of("four"))).toMatchObject({ sessionId: before.sessionId, code: "closed" });
    await reader.until(([connection]) => connection?.ended === true);
    await using second = publishWithFfmpeg(url("four"));
    const after = await ingest.until("published", (message) => message.stream === "four" && message.sessionId !== before.sessionId);
    await ingest.until("video-format", (message) => message.sessionId === after.sessionId);
    expect(second.process.exitCode).toBeNull();
  });

  test("kick ends the publisher with the given code, and tells it why", async () => {
    await using publisher = publishWithFfmpeg(url("five"));
    await ingest.until("video-format", of("five"));
    ingest.send({ type: "kick", stream: "five", code: "capacity-reached", message: "The machine is full." });
    expect(await ingest.until("publisher-lost", of("five"))).toMatchObject({ code: "capacity-reached", message: "The machine is full." });
    expect(await publisher.exited).not.toBe(0);
  });
});

describe("the video as it comes", () => {
  const header = Buffer.from("17000000000142c00affe100046742c00a01000468ce3c80", "hex");
  const otherHeader = Buffer.from("17000000000142c01effe100046742c01e01000468ce3c80", "hex");
  const keyframe = Buffer.from("17010000000000000465888400", "hex");
  const interframe = Buffer.from("27010000000000000441000000", "hex");

  test("packets that nothing can decode yet are skipped and counted, and a changed header is passed on before its keyframe", async () => {
    await using reader = await startFlvReader();
    const client = await connectRtmp(ingest.port);
    await client.publish("secret-key-one");
    const { sessionId } = await ingest.until("published", (message) => message.stream === "one" && message.remote === "127.0.0.1" && !ingest.messages.some((other) => other.type === "publisher-lost" && other.sessionId === message.sessionId));
    ingest.send({ type: "route", stream: "one", sessionId, socketPath: reader.socketPath });
    for (const payload of [keyframe, header, interframe, keyframe, interframe, header, keyframe, otherHeader, interframe, keyframe]) client.video(payload);
    await reader.until(([first]) => first !== undefined && flvTags(first.flv()).length >= 6);
    expect(flvTags(reader.connections[0]?.flv() ?? Buffer.alloc(0)).map((tag) => tag.payload)).toEqual([header, keyframe, interframe, keyframe, otherHeader, keyframe]);
    const stats = await ingest.until("stats", (message) => message.streams.some((stream) => stream.sessionId === sessionId && stream.videoPackets === 7));
    expect(stats.streams.find((stream) => stream.sessionId === sessionId)).toMatchObject({ skippedPackets: 3, droppedPackets: 0 });
    expect(ingest.messages.filter((message) => message.type === "video-format" && message.sessionId === sessionId)).toHaveLength(2);
    client.destroy();
    await ingest.until("publisher-lost", (message) => message.sessionId === sessionId);
  });

  test("timestamps go on across 2^32 ms", async () => {
    await using reader = await startFlvReader();
    const client = await connectRtmp(ingest.port);
    await client.publish("secret-key-two");
    const { sessionId } = await ingest.until("published", (message) => message.stream === "two" && !ingest.messages.some((other) => other.type === "publisher-lost" && other.sessionId === message.sessionId));
    ingest.send({ type: "route", stream: "two", sessionId, socketPath: reader.socketPath });
    client.video(header, 0xff_ff_ff_f0);
    client.video(keyframe, 0xff_ff_ff_f8);
    // A chunk of format 1: 40 ms after the one before.
    client.send(Buffer.concat([Buffer.from("4600002800000d09", "hex"), interframe]));
    await reader.until(([first]) => first !== undefined && flvTags(first.flv()).length >= 3);
    expect(flvTags(reader.connections[0]?.flv() ?? Buffer.alloc(0)).map((tag) => tag.timestampMs)).toEqual([0xff_ff_ff_f0, 0xff_ff_ff_f8, 32]);
    client.destroy();
    await ingest.until("publisher-lost", (message) => message.sessionId === sessionId);
  });

  test("a header that changes with every packet ends its publisher", async () => {
    const client = await connectRtmp(ingest.port);
    await client.publish("secret-key-three");
    for (let change = 0; change < 10; change += 1) client.video(change % 2 === 0 ? header : otherHeader);
    await client.closed;
    await ingest.until("publisher-lost", (message) => message.stream === "three" && message.message === "The video sequence header changes too often.");
  });

  test("a publisher that says it is done is lost as closed at once", async () => {
    const client = await connectRtmp(ingest.port);
    await client.publish("secret-key-four");
    const { sessionId } = await ingest.until("published", (message) => message.stream === "four" && !ingest.messages.some((other) => other.type === "publisher-lost" && other.sessionId === message.sessionId));
    client.command("FCUnpublish", 4, null, "secret-key-four");
    client.command("deleteStream", 5, null, 1);
    expect(await ingest.until("publisher-lost", (message) => message.sessionId === sessionId)).toMatchObject({ code: "closed", message: "The publisher ended its stream." });
    await client.closed;
  });
});

describe("silence", () => {
  test("a frozen publisher is reported, resumes, and is ended when it freezes for good", async () => {
    await using publisher = publishWithFfmpeg(url("six"));
    const { sessionId } = await ingest.until("video-format", of("six"));
    publisher.process.kill("SIGSTOP");
    expect(await ingest.until("publisher-stalled", of("six"))).toMatchObject({ code: "publisher-stalled", sessionId });
    publisher.process.kill("SIGCONT");
    await ingest.until("publisher-resumed", of("six"));
    publisher.process.kill("SIGSTOP");
    expect(await ingest.until("publisher-lost", of("six"))).toMatchObject({ code: "publisher-stalled", sessionId });
  });

  test("a newcomer with the same key takes over a stalled publisher's path, but not a live one's", async () => {
    await using frozen = publishWithFfmpeg(url("seven"));
    const before = await ingest.until("video-format", of("seven"));
    const early = await connectRtmp(ingest.port);
    await early.publish("secret-key-seven");
    expect(early.received().toString("latin1")).toContain("publisher-exists");
    await early.closed;

    frozen.process.kill("SIGSTOP");
    await ingest.until("publisher-stalled", of("seven"));
    await using newcomer = publishWithFfmpeg(url("seven"));
    expect(await ingest.until("publisher-lost", of("seven"))).toMatchObject({ sessionId: before.sessionId, code: "publisher-stalled" });
    const after = await ingest.until("published", (message) => message.stream === "seven" && message.sessionId !== before.sessionId);
    await ingest.until("video-format", (message) => message.sessionId === after.sessionId);
    expect(newcomer.process.exitCode).toBeNull();
  });

  test("a publisher of audio alone is reported as no-video and kept", async () => {
    await using publisher = publishWithFfmpeg(url("eight"), { input: ["-re", "-f", "lavfi", "-i", "sine"], output: ["-c:a", "aac"] });
    expect(await ingest.until("publisher-stalled", of("eight"))).toMatchObject({ code: "no-video" });
    const bytes = (await ingest.until("stats", (message) => message.streams.some(of("eight")))).streams.find(of("eight"))?.bytesIn ?? 0;
    await ingest.until("stats", (message) => message.streams.some((stream) => stream.stream === "eight" && stream.bytesIn > bytes + 10_000));
    expect(ingest.messages.filter((message) => message.type === "publisher-lost" && message.stream === "eight")).toEqual([]);
    expect(publisher.process.exitCode).toBeNull();
  });
});

test("no message and no line of output holds a key", () => {
  const said = JSON.stringify(ingest.messages) + ingest.output();
  expect(ingest.messages.length).toBeGreaterThan(20);
  for (const { key } of streams) expect(said).not.toContain(key);
});
