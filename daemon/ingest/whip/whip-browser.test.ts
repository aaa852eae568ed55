/** A real browser publishing through an independent WHIP client, seen through to decoded frames. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLiveDecoder } from "../../../pipelines/decode/live-decoder.ts";
import type { Frame } from "../../../pipelines/types.ts";
import { type FlvReader, flvTags, startFlvReader } from "../testing/ffmpeg.ts";
import { type IngestChild, startIngestChild } from "../testing/ingest-child.ts";
import { bindingRequest } from "./testing/stun-client.ts";
import { type UdpRelay, startUdpRelay } from "./testing/udp-relay.ts";
import { type WhipBrowser, startPublishing, startWhipBrowser } from "./testing/whip-browser.ts";

const names = ["h264", "vp8", "vp9", "av1", "lossy", "lossy-vp9", "lossy-av1", "restart", "killed"];
const keyOf = (name: string) => `secret-key-${name}`;
const until = { timeout: 25_000, interval: 50 };

let browser: WhipBrowser;
let ingest: IngestChild;
let relay: UdpRelay;
let endpoint = "";

beforeAll(async () => {
  relay = await startUdpRelay();
  const whip = { host: "127.0.0.1", port: 0, udpPort: 0, advertisedAddresses: [`127.0.0.1:${relay.port}`], iceServers: [], maxBitrateKbps: 800 };
  ingest = await startIngestChild({ port: 0, streams: names.map((name) => ({ name, key: keyOf(name) })), whip });
  relay.targetPort = ingest.whip?.udpPort ?? 0;
  endpoint = `http://127.0.0.1:${ingest.whip?.port}/whip`;
  browser = await startWhipBrowser();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await ingest[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
});

const statsOf = (name: string) => ingest.messages.findLast((message) => message.type === "stats")?.streams.find(({ stream }) => stream === name);

/** Publishes, and routes the session to a reader like the daemon does. */
async function publish(name: string, codec: "H264" | "VP8" | "VP9" | "AV1") {
  const page = await browser.openPage();
  await startPublishing(page, { endpoint: `${endpoint}/${name}`, key: keyOf(name), codec });
  const lost = new Set(ingest.messages.flatMap((message) => (message.type === "publisher-lost" ? [message.sessionId] : [])));
  const published = await ingest.until("published", ({ stream, sessionId }) => stream === name && !lost.has(sessionId));
  const reader = await startFlvReader();
  ingest.send({ type: "route", stream: name, sessionId: published.sessionId, socketPath: reader.socketPath });
  return { page, published, reader };
}

/** Decodes what arrives at the reader; resolves at this many frames. */
async function decode(reader: FlvReader, frameCount: number) {
  const frames: Frame[] = [];
  const codecs: string[] = [];
  await using decoder = startLiveDecoder({
    log: pino({ level: "silent" }),
    onFrame: (frame) => frames.push(frame),
    onEvent(event) {
      if (event.kind === "source-format") codecs.push(`${event.codec} ${event.widthPx}x${event.heightPx}`);
    },
  });
  let taken = 0;
  await expect
    .poll(() => {
      const flv = reader.connections[0]?.flv() ?? Buffer.alloc(0);
      decoder.write(flv.subarray(taken));
      taken = flv.length;
      return frames.length;
    }, until)
    .toBeGreaterThanOrEqual(frameCount);
  return { frames, codecs, counters: decoder.counters };
}

/** Whether the media socket answers within a time that is long for loopback. */
async function isAnswered(check: Buffer): Promise<boolean> {
  const socket = createSocket("udp4");
  socket.send(check, relay.targetPort, "127.0.0.1");
  const answered = await Promise.race([once(socket, "message").then(() => true), delay(500, false)]);
  socket.close();
  return answered;
}

test("4.2 Chromium publishes H.264, which decodes without an error; DELETE frees its path at once", async () => {
  const { page, published, reader } = await publish("h264", "H264");
  await using _reader = reader;
  expect(published).toMatchObject({ protocol: "whip", remote: "127.0.0.1" });
  expect(await ingest.until("video-format", ({ stream }) => stream === "h264")).toMatchObject({ codec: "h264" });
  const { frames, codecs, counters } = await decode(reader, 30);
  expect(codecs).toEqual(["h264 320x180"]);
  expect(counters).toMatchObject({ decodeErrors: 0, discontinuities: 0, restarts: 0 });
  const slots = frames.map(({ ptsMs }) => Math.floor(ptsMs / 100));
  expect(slots).toEqual(slots.toSorted((a, b) => a - b));
  expect(new Set(slots).size).toBe(slots.length);

  await page.evaluate("whip.destroy()");
  expect(await ingest.until("publisher-lost", ({ stream }) => stream === "h264")).toMatchObject({ code: "closed", message: "The publisher ended its session." });
  const again = await publish("h264", "H264");
  await using _again = again.reader;
  expect(again.published.sessionId).not.toBe(published.sessionId);
  await again.page.close();
}, 60_000);

test.each(["VP8", "VP9", "AV1"] as const)("Chromium publishes %s, which reaches the same decoder", async (codec) => {
  const name = codec.toLowerCase();
  const { page, reader } = await publish(name, codec);
  await using _reader = reader;
  expect(await ingest.until("video-format", ({ stream }) => stream === name)).toMatchObject({ codec: name });
  const { frames, codecs, counters } = await decode(reader, 20);
  expect(codecs[0]).toMatch(new RegExp(`^${name} \\d+x\\d+$`));
  expect(counters).toMatchObject({ decodeErrors: 0, restarts: 0, packetsIgnored: 0 });
  expect(frames[0]?.rgb.length).toBe((frames[0]?.widthPx ?? 0) * (frames[0]?.heightPx ?? 0) * 3);
  await page.close();
}, 60_000);

test.each([
  ["H264", "lossy"],
  ["VP9", "lossy-vp9"],
  ["AV1", "lossy-av1"],
] as const)("%s: with one packet in twenty lost, as many late and some twice, pictures go on and none is damaged", async (codec, name) => {
  const { page, reader } = await publish(name, codec);
  await using _reader = reader;
  relay.faults = { loss: 0.05, reorder: 0.05, repeat: 0.02 };
  const before = relay.counts.lost;
  const { counters } = await decode(reader, 50);
  relay.faults = { loss: 0, reorder: 0, repeat: 0 };
  expect(relay.counts.lost - before).toBeGreaterThan(5);
  expect(counters).toMatchObject({ decodeErrors: 0, restarts: 0 });
  await page.close();
}, 60_000);

test("keyframes come when they are asked for, in VP9 and AV1 too", async () => {
  for (const name of ["vp9", "av1"] as const) {
    const { page, published, reader } = await publish(name, name === "vp9" ? "VP9" : "AV1");
    await using _reader = reader;
    await decode(reader, 10);
    const frames = () => flvTags(reader.connections[1]?.flv() ?? Buffer.alloc(0)).filter(({ payload }) => (payload[0] ?? 0) === 0x91).length;
    ingest.send({ type: "route", stream: name, sessionId: published.sessionId, socketPath: reader.socketPath });
    await expect.poll(frames, until).toBeGreaterThan(1);
    await page.close();
    await ingest.until("publisher-lost", ({ sessionId }) => sessionId === published.sessionId);
  }
}, 60_000);

test("4.3.3 an ICE restart goes through, and the media of the same session go on", async () => {
  const { page, published, reader } = await publish("restart", "H264");
  await using _reader = reader;
  await expect.poll(() => statsOf("restart")?.videoPackets ?? 0, until).toBeGreaterThan(5);
  const earlier = await page.evaluate<string>("whip.peer.remoteDescription.sdp");
  const result = await page.evaluate(`(async () => {
    const { peer, resource } = whip;
    peer.restartIce();
    await peer.setLocalDescription(await peer.createOffer());
    const line = (sdp, name) => new RegExp("a=" + name + ":(.*)\\\\r\\\\n").exec(sdp)[1];
    const offer = peer.localDescription.sdp;
    const body = ["a=ice-ufrag:" + line(offer, "ice-ufrag"), "a=ice-pwd:" + line(offer, "ice-pwd"), ""].join("\\r\\n");
    const response = await fetch(resource, { method: "PATCH", headers: { authorization: "Bearer ${keyOf("restart")}", "content-type": "application/trickle-ice-sdpfrag", "if-match": "*" }, body });
    const fragment = await response.text();
    const answer = peer.remoteDescription.sdp
      .replaceAll(/a=ice-ufrag:.*/g, "a=ice-ufrag:" + line(fragment, "ice-ufrag"))
      .replaceAll(/a=ice-pwd:.*/g, "a=ice-pwd:" + line(fragment, "ice-pwd"));
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
    return { status: response.status };
  })()`);
  expect(result).toMatchObject({ status: 200 });
  // The earlier credentials are void only once the browser has used the new ones.
  const value = (name: string) => new RegExp(`a=${name}:(.*)\\r\\n`).exec(earlier)?.[1] ?? "";
  const check = bindingRequest({ username: `${value("ice-ufrag")}:test`, password: value("ice-pwd"), nominates: false });
  await expect.poll(() => isAnswered(check), until).toBe(false);
  await expect.poll(() => page.evaluate("whip.peer.iceConnectionState"), until).toBe("connected");
  const packets = statsOf("restart")?.videoPackets ?? 0;
  await expect.poll(() => statsOf("restart")?.videoPackets ?? 0, until).toBeGreaterThan(packets + 30);
  expect(statsOf("restart")?.sessionId).toBe(published.sessionId);
  expect(ingest.messages.filter((message) => message.type === "publisher-lost" && message.stream === "restart")).toEqual([]);
  await page.close();
}, 60_000);

test("a tab that is killed is noticed within 7 s, and its path is free", async () => {
  const { page, published, reader } = await publish("killed", "H264");
  await using _reader = reader;
  await expect.poll(() => statsOf("killed")?.videoPackets ?? 0, until).toBeGreaterThan(5);
  const devtools = await page.context().newCDPSession(page);
  const killedMs = performance.now();
  // Answers never: the process that would is gone.
  void devtools.send("Page.crash").catch(() => {});
  const lost = await Promise.race([ingest.until("publisher-lost", ({ sessionId }) => sessionId === published.sessionId), delay(20_000, null)]);
  expect(lost).toMatchObject({ code: "peer-lost" });
  expect(performance.now() - killedMs).toBeLessThan(7_000);
}, 60_000);
