/** What strangers and hostile publishers can send to WHIP, and that nobody else's stream notices. */
import { connect } from "node:net";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../testing/seeded-random.ts";
import { type IngestChild, startIngestChild } from "../testing/ingest-child.ts";
import { connectRtmp } from "../testing/rtmp-client.ts";
import { VIDEO, changed, makeOffer, whipClient } from "./testing/offer.ts";
import { bindingRequest } from "./testing/stun-client.ts";
import { type WhipPeer, startWhipPeer } from "./testing/whip-peer.ts";

const streams = ["rtmp", "good", "hostile", "silent", "forger", "idle"].map((name) => ({ name, key: `secret-key-${name}` }));
const keyOf = (name: string) => `secret-key-${name}`;
const until = { timeout: 20_000, interval: 20 };
const MEBIBYTE = 1024 * 1024;
const RTMP_HEADER = Buffer.from("17000000000142c00affe100046742c00a01000468ce3c80", "hex");

let ingest: IngestChild;
let good: WhipPeer;
let sending: NodeJS.Timeout;
let rtmp: Awaited<ReturnType<typeof connectRtmp>>;
const whipPort = () => ingest.whip?.port ?? 0;

beforeAll(async () => {
  const whip = { host: "127.0.0.1", port: 0, udpPort: 0, advertisedAddresses: [], iceServers: [], maxBitrateKbps: 1_000 };
  ingest = await startIngestChild({ port: 0, streams, whip, limits: { whipConnectTimeoutMs: 2_000, whipSilenceMs: 2_000, whipRequestTimeoutMs: 2_000, whipMaxHttpConnections: 16 } });
  rtmp = await connectRtmp(ingest.port);
  await rtmp.publish(keyOf("rtmp"));
  good = await startWhipPeer({ port: whipPort(), stream: "good", key: keyOf("good") });
  await good.secure();
  let frames = 0;
  sending = setInterval(() => {
    good.sendFrame(frames % 30 === 0);
    rtmp.video(RTMP_HEADER);
    frames += 1;
  }, 33);
  await ingest.until("video-format", ({ stream }) => stream === "good");
});
afterAll(async () => {
  clearInterval(sending);
  await good[Symbol.asyncDispose]();
  rtmp.destroy();
  await ingest[Symbol.asyncDispose]();
});

const latest = () => {
  const stats = ingest.messages.findLast((message) => message.type === "stats");
  if (stats === undefined) throw new Error("no stats yet");
  return stats;
};
const packetsOf = (name: string) => latest().streams.find(({ stream }) => stream === name)?.videoPackets ?? 0;

async function expectUndisturbed(): Promise<void> {
  const before = packetsOf("good");
  await expect.poll(() => packetsOf("good"), until).toBeGreaterThan(before + 20);
  expect(ingest.alive()).toBe(true);
  expect(ingest.messages.filter(({ type }) => type === "crashed")).toEqual([]);
  expect(ingest.messages.filter((message) => message.type === "publisher-lost" && (message.stream === "good" || message.stream === "rtmp"))).toEqual([]);
  expect(latest().connections).toBe(1);
}

describe("a publisher in good order", () => {
  test("is told what arrived and how much it may send, under encryption", async () => {
    await expect.poll(() => good.received.length, until).toBeGreaterThan(2);
    const report = good.received.map((datagram) => good.decryptRtcp(datagram)).findLast((packet) => packet[1] === 201);
    // Of its one source nothing is lost; then REMB.
    expect(report?.subarray(8, 16).toString("hex")).toBe("1122334400000000");
    expect(report?.subarray(32).toString("hex")).toMatch(/^8fce0005[0-9a-f]{8}0000000052454d4201[0-9a-f]{6}11223344$/);
  });

  test("is asked again for what is lost, and for a keyframe when there is none", async () => {
    const sequences = [9_000, 9_001, 9_004];
    await using peer = await startWhipPeer({ port: whipPort(), stream: "idle", key: keyOf("idle") });
    await peer.secure();
    for (const sequence of sequences) peer.sendRtp({ payload: Buffer.from("1031020055", "hex"), sequence });
    const nack = () => peer.received.map((datagram) => peer.decryptRtcp(datagram)).find((packet) => packet[1] === 205);
    await expect.poll(() => nack()?.subarray(8).toString("hex"), until).toBe(`11223344${(9_002).toString(16).padStart(4, "0")}0001`);
    const pli = () => peer.received.map((datagram) => peer.decryptRtcp(datagram)).find((packet) => packet.readUInt16BE(0) === 0x81ce);
    await expect.poll(() => pli()?.subarray(8).toString("hex"), until).toBe("11223344");
  });
});

describe("strangers", () => {
  test("40,000 datagrams of every kind, 20,000 of them STUN with a guessed signature, are dropped and counted", async () => {
    const socket = createSocket("udp4");
    const random = seededRandom(1);
    const port = ingest.whip?.udpPort ?? 0;
    for (let round = 0; round < 400; round += 1) {
      for (let each = 0; each < 50; each += 1) {
        const noise = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 200) }, () => Math.floor(random() * 256)));
        // Nothing begins like STUN by chance.
        noise.writeUInt8([20, 22, 64, 128, 144, 200, 255][Math.floor(random() * 7)] ?? 0, 0);
        socket.send(noise, port, "127.0.0.1");
        socket.send(bindingRequest({ username: `${Math.floor(random() * 1e6)}:x`, password: "guessed-guessed-guessed" }), port, "127.0.0.1");
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => latest().whip?.droppedDatagrams, until).toMatchObject({ "unknown-peer": expect.any(Number) as number });
    await expectUndisturbed();
    const dropped = latest().whip?.droppedDatagrams;
    expect(dropped?.["unknown-peer"]).toBeGreaterThan(1_000);
    expect(dropped?.["bad-check"]).toBeGreaterThan(1_000);
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }, 60_000);

  test("2,000 mutated offers are answered, and leave nothing behind", async () => {
    const whip = whipClient(whipPort(), keyOf("hostile"));
    const random = seededRandom(2);
    const before = latest().rssBytes;
    const offer = Buffer.from(makeOffer());
    const statuses = new Map<number, number>();
    let remaining = 2_000;
    const worker = async (): Promise<void> => {
      while (remaining > 0) {
        remaining -= 1;
        const response = await whip({ method: "POST", path: "/whip/hostile", headers: { "content-type": "application/sdp" }, body: mutate(offer, random).toString("latin1") });
        await response.text();
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect([...statuses.keys()].filter((status) => ![201, 400, 422].includes(status))).toEqual([]);
    expect(statuses.get(400)).toBeGreaterThan(200);
    expect(statuses.get(201)).toBeGreaterThan(20);
    await expect.poll(() => latest().whip?.sessions, until).toBe(1);
    await expectUndisturbed();
    expect(latest().rssBytes - before).toBeLessThan(120 * MEBIBYTE);
  }, 120_000);

  test.each([
    ["no HTTP", "\u0016\u0003\u0001\u0002\u0000"],
    ["an endless header", `POST /whip/hostile HTTP/1.1\r\nX: ${"y".repeat(40_000)}`],
    ["two lengths", "POST /whip/hostile HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"],
    ["a request that never ends", "POST /whip/hostile HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-key-hostile\r\nContent-Type: application/sdp\r\nContent-Length: 500\r\n\r\nv=0"],
    ["an upgrade", "GET /whip/hostile HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"],
    ["a path that is no URL", "POST //[::/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
  ])("a connection with %s is closed within its time", async (_what, bytes) => {
    const socket = connect(whipPort(), "127.0.0.1");
    socket.on("error", () => {}); // A reset is an end too.
    socket.resume();
    socket.write(bytes, "latin1");
    await once(socket, "close");
    expect(ingest.alive()).toBe(true);
  });

  test("idle connections beyond the cap are turned away, and the cap is free again in time", async () => {
    const sockets = Array.from({ length: 40 }, () => connect(whipPort(), "127.0.0.1"));
    for (const socket of sockets) socket.on("error", () => {}); // Turned away.
    await Promise.all(sockets.map((socket) => once(socket.resume(), "close")));
    const response = await whipClient(whipPort(), keyOf("idle"))({ method: "OPTIONS", path: "/whip/idle" });
    expect(response.status).toBe(200);
    await expectUndisturbed();
  }, 30_000);
});

describe("hostile publishers", () => {
  test("a session that never connects ends in time, and its stream is free", async () => {
    const whip = whipClient(whipPort(), keyOf("silent"));
    const response = await whip({ method: "POST", path: "/whip/silent", headers: { "content-type": "application/sdp" }, body: makeOffer() });
    const path = response.headers.get("location") ?? "";
    const fragment = { headers: { "content-type": "application/trickle-ice-sdpfrag", "if-match": "*" }, body: "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" };
    await expect.poll(async () => (await whip({ method: "PATCH", path, ...fragment })).status, { timeout: 5_000, interval: 100 }).toBe(404);
    expect(ingest.messages.some((message) => message.type === "connection-refused" && message.code === "peer-lost")).toBe(true);
  });

  test("a certificate that is not the offered one is not let in", async () => {
    await using peer = await startWhipPeer({ port: whipPort(), stream: "forger", key: keyOf("forger"), wrongFingerprint: true });
    await peer.secure();
    await ingest.until("connection-refused", ({ message }) => message.includes("wrong-certificate"));
    expect(ingest.messages.some((message) => message.type === "published" && message.stream === "forger")).toBe(false);
  });

  test("packets sent twice, unsigned, of no negotiated payload or of a second source come to nothing", async () => {
    await using peer = await startWhipPeer({ port: whipPort(), stream: "hostile", key: keyOf("hostile") });
    await peer.secure();
    const before = { ...latest().whip?.droppedDatagrams } as Record<string, number>;
    const frame = peer.sendRtp({ payload: Buffer.from("103002009d012a4001b40055", "hex"), marker: true });
    for (let each = 0; each < 5; each += 1) peer.sendRaw(frame);
    const forged = Buffer.from(frame);
    forged.writeUInt16BE(40_000, 2);
    peer.sendRaw(forged);
    // Extension headers that claim 256 KiB keep werift's own parser busy for minutes.
    peer.sendRaw(Buffer.concat([Buffer.from("9060000100000001000000019d9dffff", "hex"), Buffer.alloc(1_000)]));
    peer.sendRaw(Buffer.concat([Buffer.from("906000010000000100000001bedeffff", "hex"), Buffer.alloc(1_000)]));
    peer.sendRtp({ payload: Buffer.from("10", "hex"), payloadType: 120 });
    peer.sendRtp({ payload: Buffer.from("1031020055", "hex"), ssrc: 99 });
    await expect
      .poll(() => {
        const now = latest().whip?.droppedDatagrams as Record<string, number> | undefined;
        return Object.fromEntries(["replayed", "not-authentic", "malformed", "unknown-payload", "second-source"].map((reason) => [reason, (now?.[reason] ?? 0) - (before[reason] ?? 0)]));
      }, until)
      .toEqual({ replayed: 5, "not-authentic": 1, malformed: 2, "unknown-payload": 1, "second-source": 1 });
    await expectUndisturbed();
  });

  test("30,000 signed packets of noise, RTP and RTCP, end nothing but at most their own session", async () => {
    const random = seededRandom(3);
    const noise = (length: number) => Buffer.from(Array.from({ length: Math.floor(random() * length) }, () => Math.floor(random() * 256)));
    await using peer = await startWhipPeer({ port: whipPort(), stream: "hostile", key: keyOf("hostile") }).catch(async () => {
      await ingest.until("publisher-lost", ({ stream }) => stream === "hostile");
      return startWhipPeer({ port: whipPort(), stream: "hostile", key: keyOf("hostile") });
    });
    await peer.secure();
    const before = latest().rssBytes;
    for (let round = 0; round < 300; round += 1) {
      for (let each = 0; each < 100; each += 1) {
        const kind = random();
        if (kind < 0.2) peer.sendRtcp(Buffer.concat([Buffer.from([0x80 | Math.floor(random() * 32), 192 + Math.floor(random() * 32)]), noise(80), Buffer.alloc(8)]));
        else if (kind < 0.4) peer.sendRaw(Buffer.concat([Buffer.from([20 + Math.floor(random() * 6), 0xfe, 0xfd, 0, Math.floor(random() * 3)]), noise(120)]));
        else peer.sendRtp({ payload: noise(40), payloadType: random() < 0.9 ? 96 : 111, sequence: Math.floor(random() * 65_536), timestamp: Math.floor(random() * 2 ** 32), ssrc: random() < 0.95 ? 5 : Math.floor(random() * 20), marker: random() < 0.3 });
      }
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await expectUndisturbed();
    expect(latest().rssBytes - before).toBeLessThan(120 * MEBIBYTE);
  }, 90_000);
});

test("a picture of a codec that was not chosen is none of the offer's to send", async () => {
  const response = await whipClient(whipPort(), keyOf("idle"))({ method: "POST", path: "/whip/idle", headers: { "content-type": "application/sdp" }, body: makeOffer({ video: changed(VIDEO, { "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102": "m=video 9 UDP/TLS/RTP/SAVPF 102 96 97" }) }) });
  expect(await response.text()).toContain("m=video 9 UDP/TLS/RTP/SAVPF 102\r\n");
});

test("no message and no line of output holds a key", () => {
  const said = JSON.stringify(ingest.messages) + ingest.output();
  for (const { key } of streams) expect(said).not.toContain(key);
});

/** One to six edits: a bit flipped, a byte set, a run removed, repeated or cut off. */
function mutate(original: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(original);
  const edits = 1 + Math.floor(random() * 6);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = Math.floor(random() * bytes.length);
    const length = 1 + Math.floor(random() * 60);
    const kind = Math.floor(random() * 5);
    if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 7));
    else if (kind === 1) bytes[at] = [0x0d, 0x0a, 0x20, 0x3a, 0x30 + Math.floor(random() * 10)][Math.floor(random() * 5)] ?? 0;
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    else if (random() < 0.1) bytes = Buffer.from(bytes.subarray(0, at));
  }
  return bytes;
}
