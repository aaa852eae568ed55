/** Attacks on the UDP port of WHIP: by strangers, on a handshake under way, and inside an established session, signed with its keys. */
import { type Socket, createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { bindingRequest } from "../../ingest/whip/testing/stun-client.ts";
import { type WhipPeer, type WhipPeerOptions, startWhipPeer } from "../../ingest/whip/testing/whip-peer.ts";
import type { Random } from "../seeded-random.ts";
import { type CaseContext, type FuzzFamily, NotServed } from "./fuzz-case.ts";
import { mutateBytes } from "./mutate.ts";
import { AVC_FRAMES } from "./rtmp-corpus.ts";

/** What werift's DTLS client sends in a handshake: two ClientHellos; Certificate, ClientKeyExchange, CertificateVerify, ChangeCipherSpec and Finished. */
const DTLS = readFileSync(new URL("./corpus/dtls-client.hex", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => Buffer.from(line, "hex"));
const ALERT = Buffer.from("15fefd000000000000000500020230", "hex");
const SEALED_ALERT = Buffer.from("15fefd0001000000000009001a0001000000000009aabbccddeeff00112233445566778899aabb", "hex");
const RTP = Buffer.concat([Buffer.from("806000010000000111223344", "hex"), Buffer.from("103002009d012a4001b40055", "hex")]);
/** One-byte and two-byte header extensions (RFC 8285), CSRCs, padding. */
const RTP_HEADERS = [
  "806000010000000111223344",
  "80e000010000000111223344",
  "90e000010000000111223344bede000110ff0000",
  "90600001000000011122334410000002011234020156780000",
  "906000010000000111223344bedeffff",
  "8f600001000000011122334400000001000000020000000300000004",
  "a0e000010000000111223344",
].map((hex) => Buffer.from(hex, "hex"));
const RTCP = [
  "80c8000611223344e8d5e0f01122334400000001000000020000000300000004",
  "81c9000711223344000000010000000000000001000000000000000000000000",
  "81ca0003112233440104616263640000",
  "81cb000111223344",
  "81cd0003112233441122334400010001",
  "81ce00021122334411223344",
  "8fce0005112233440000000052454d42010a0fff11223344",
  "80c8000611223344e8d5e0f0112233440000000100000002000000030000000481ca000311223344010461626364000081cb000111223344",
].map((hex) => Buffer.from(hex, "hex"));
/** Frames in both payload formats, whole, in parts, aggregated; H.264 from a real encoder. */
const VP8_PAYLOADS = ["103002009d012a4001b40055", "1031020055", "90e08123451131020055", "0031020055", "10", "90ff"].map((hex) => Buffer.from(hex, "hex"));
const H264_PAYLOADS = [...["6742c00ad300", "68ce3c80", "7800066742c00ad300000468ce3c80", "7c85888400", "7c05888400", "7c45888400", "1c", "78ffff00", "09f0", "0605ffff"].map((hex) => Buffer.from(hex, "hex")), ...AVC_FRAMES.slice(0, 4).map((frame) => frame.subarray(9))];

/** Strangers know nothing and can do no more than be dropped. */
const strangers: FuzzFamily = {
  name: "udp-strangers",
  weight: 16,
  inputs: 64,
  async run({ target, random }) {
    const socket = createSocket("udp4");
    for (let input = 0; input < strangers.inputs; input += 1) {
      socket.send(mutateBytes(random, strangerDatagram(random), { maxEdits: 4, maxBytes: 9_000 }), target.udpPort, "127.0.0.1");
      if (input % 16 === 15) await delay(2);
    }
    await closeSocket(socket);
  },
};

function strangerDatagram(random: Random): Buffer {
  const kind = random.below(5);
  if (kind === 0) return random.pick(DTLS);
  if (kind === 1) return random.pick([ALERT, SEALED_ALERT, RTP]);
  if (kind === 2) return random.pick(RTCP);
  return signedCheck(random, { username: `${random.chance(0.5) ? "abcd" : "é:"}:EsAw`, password: "a-password-that-is-guessed" });
}

function signedCheck(random: Random, ice: { readonly username: string; readonly password: string }): Buffer {
  return bindingRequest({ ...ice, transactionId: random.bytes(12), controlled: random.chance(0.1), nominates: random.chance(0.8) });
}

/** A proven address, on which everything but the right handshake comes in. */
const handshakes: FuzzFamily = {
  name: "dtls-handshake",
  weight: 8,
  inputs: 48,
  holdsSession: true,
  run: (context) =>
    withPeer(context, { codec: "vp8" }, async (peer) => {
      const { random } = context;
      await mustAnswer(peer);
      for (let input = 0; input < handshakes.inputs; input += 1) {
        const kind = random.below(10);
        const original = kind < 6 ? random.pick(DTLS) : kind === 6 ? random.pick([ALERT, SEALED_ALERT]) : kind === 7 ? RTP : signedCheck(random, peer.ice);
        peer.sendRaw(random.chance(0.9) ? mutateBytes(random, original, { maxEdits: 3, maxBytes: 9_000, donor: random.pick(DTLS) }) : original);
        if (input % 16 === 15) await delay(2);
      }
      await peer.answers(5_000);
    }),
};

/** The session itself waits ten seconds for it. */
const HANDSHAKE_TIMEOUT_MS = 12_000;
const TAMPERED_WAIT_MS = 400;

/** A true handshake, of which one or two datagrams are spoilt on the way. */
const tampered: FuzzFamily = {
  name: "dtls-tampered",
  weight: 0.4,
  inputs: 2,
  holdsSession: true,
  run(context) {
    const { random } = context;
    // Of the last flight, which is sent at one go: Certificate to Finished.
    const spoilt = new Set([2 + random.below(5), 2 + random.below(5)]);
    let sent = 0;
    const tamper = (datagram: Buffer): Buffer[] => {
      sent += 1;
      if (!spoilt.has(sent - 1)) return [datagram];
      const bytes = mutateBytes(random, datagram, { maxEdits: 2 });
      return random.pick([[bytes], [bytes, datagram], [datagram, bytes], [datagram, datagram], []]);
    };
    return withPeer(context, { codec: "vp8", tamper }, async (peer) => {
      // It may come through or not; what must not be is that the server falls over.
      await Promise.race([peer.secure().catch(() => undefined), delay(TAMPERED_WAIT_MS)]);
      await peer.answers(2_000);
    });
  },
};

/** Inside: every packet is signed, whatever it holds. */
const signed: FuzzFamily = {
  name: "srtp-signed",
  weight: 14,
  inputs: 384,
  holdsSession: true,
  run(context) {
    const { random } = context;
    const codec = random.chance(0.5) ? "vp8" : "h264";
    const payloads = codec === "vp8" ? VP8_PAYLOADS : H264_PAYLOADS;
    return withPeer(context, { codec }, async (peer) => {
      await secured(peer);
      let sequence = random.below(0x1_0000);
      let timestamp = random.below(2 ** 32);
      for (let input = 0; input < signed.inputs; input += 1) {
        const kind = random.below(20);
        sequence = (sequence + (random.chance(0.9) ? 1 : random.pick([0, 2, 3, 100, 900, 1_100, 0x8000, 0xfff0]))) & 0xffff;
        if (random.chance(0.4)) timestamp = (timestamp + (random.chance(0.9) ? 3_000 : random.below(2 ** 32))) >>> 0;
        if (kind < 4) peer.sendRtcp(atLeast(8, mutateBytes(random, random.pick(RTCP), { maxEdits: 3 })));
        else if (kind === 4) peer.sendRaw(mutateBytes(random, random.pick([...DTLS, ALERT, SEALED_ALERT, RTP, signedCheck(random, peer.ice)]), { maxEdits: 3 }));
        else peer.sendRtpBytes(headerOf(random, { sequence, timestamp, payloadType: codec === "vp8" ? 96 : 102 }), random.chance(0.7) ? mutateBytes(random, random.pick(payloads), { maxEdits: 3, structureEnd: 6, maxBytes: 1_300 }) : random.pick(payloads));
        // A session may send 6,000 datagrams a second.
        if (input % 32 === 31) await delay(8);
      }
      await peer.answers(5_000);
    });
  },
};

function headerOf(random: Random, { sequence, timestamp, payloadType }: { readonly sequence: number; readonly timestamp: number; readonly payloadType: number }): Buffer {
  const header = Buffer.from(random.chance(0.8) ? (RTP_HEADERS[0] ?? RTP) : random.pick(RTP_HEADERS));
  header.writeUInt8((random.chance(0.3) ? 0x80 : 0) | (random.chance(0.95) ? payloadType : random.below(128)), 1);
  header.writeUInt16BE(sequence, 2);
  header.writeUInt32BE(timestamp, 4);
  if (random.chance(0.02)) header.writeUInt32BE(random.below(20), 8);
  return random.chance(0.05) ? atLeast(12, mutateBytes(random, header, { from: 1, maxEdits: 1, maxBytes: 400 })) : header;
}

function atLeast(bytes: number, packet: Buffer): Buffer {
  return packet.length >= bytes ? packet : Buffer.concat([packet, Buffer.alloc(bytes - packet.length)]);
}

/** With a session of one's own; ended as a client ends it, unless the attack ended it before. */
async function withPeer({ target, stream }: CaseContext, options: Pick<WhipPeerOptions, "codec" | "tamper">, attack: (peer: WhipPeer) => Promise<void>): Promise<void> {
  await using peer = await startWhipPeer({ port: target.whipPort, stream: stream.name, key: stream.key, ...options });
  await attack(peer);
  const { status } = await fetch(`http://127.0.0.1:${target.whipPort}${peer.sessionPath}`, { method: "DELETE", headers: { authorization: `Bearer ${stream.key}` } });
  if (status !== 200 && status !== 404) throw new NotServed(`a session's end was answered ${status}`);
}

async function secured(peer: WhipPeer): Promise<void> {
  const timer = new AbortController();
  const late = delay(HANDSHAKE_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() => {
    throw new NotServed(`a true handshake is not through after ${HANDSHAKE_TIMEOUT_MS / 1_000} s`);
  });
  try {
    await Promise.race([peer.secure(), late]);
  } finally {
    timer.abort();
    late.catch(() => undefined); // Told of by the race, or no longer of interest.
  }
}

async function mustAnswer(peer: WhipPeer): Promise<void> {
  if (!(await peer.answers(10_000))) throw new NotServed("a signed check was not answered");
}

async function closeSocket(socket: Socket): Promise<void> {
  const closed = once(socket, "close");
  socket.close();
  await closed;
}

export const DATAGRAM_FAMILIES: readonly FuzzFamily[] = [strangers, handshakes, tampered, signed];
