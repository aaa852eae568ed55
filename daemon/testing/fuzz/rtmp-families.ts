/** Attacks on the RTMP port: handshake, whole sessions, commands, chunks, and media after an accepted publish. */
import { hostileInputs } from "../../ingest/testing/hostile-rtmp.ts";
import { CONNECT, HANDSHAKE, type RtmpMessage, amf0, rtmpMessage } from "../../ingest/testing/rtmp-client.ts";
import type { Random } from "../seeded-random.ts";
import { randomCommand, randomConnect } from "./amf-grammar.ts";
import { type FuzzFamily, NotServed } from "./fuzz-case.ts";
import { mutateBytes, mutateList } from "./mutate.ts";
import { AVC_FRAMES, AVC_HEADER, CONTROL, HANDSHAKE_BYTES, MEDIA, RECORDED_MESSAGES, publishing, recordedSession, serialize } from "./rtmp-corpus.ts";
import { type TcpAttack, attackOnce, openTcpAttack } from "./tcp-attack.ts";

/** Opens no stream, and has the length of those that do. */
const WRONG_KEY = "secret-that-opens-none";
const HOSTILE_INPUTS = hostileInputs(WRONG_KEY);
/** Sessions under a true key start a decoder, which costs more than all the rest of a case. */
const TRUE_KEY_CHANCE = 0.06;
const DECODER_CHANCE = 0.15;
/** Half of the edits fall into the commands at the start. */
const COMMANDS_END = HANDSHAKE_BYTES + 900;
const ANSWER_TIMEOUT_MS = 10_000;

const handshake: FuzzFamily = {
  name: "rtmp-handshake",
  weight: 2,
  inputs: 1,
  async run({ target, random }) {
    const version = random.chance(0.7) ? 3 : random.below(256);
    const body = random.chance(0.5) ? random.bytes(1_536) : Buffer.alloc(1_536, random.below(256));
    const rest = random.chance(0.5) ? HANDSHAKE.subarray(1_537) : random.bytes(random.below(3_000));
    await attackOnce(target.rtmpPort, mutateBytes(random, Buffer.concat([Buffer.from([version]), body, rest, CONNECT]), { maxEdits: 3 }), random);
  },
};

const session: FuzzFamily = {
  name: "rtmp-session",
  weight: 14,
  inputs: 1,
  async run({ target, stream, random }) {
    const key = random.chance(TRUE_KEY_CHANCE) ? stream.key : WRONG_KEY;
    const [, hostile] = random.pick(HOSTILE_INPUTS);
    const original = random.chance(0.7) ? recordedSession(key) : Buffer.concat([random.chance(0.5) ? publishing(key) : HANDSHAKE, hostile]);
    await attackOnce(target.rtmpPort, mutateBytes(random, original, { from: HANDSHAKE_BYTES, structureEnd: COMMANDS_END, donor: hostile, maxEdits: 8 }), random);
  },
};

/** Messages put in another order, chunks of several messages interleaved, headers that lie. */
const chunks: FuzzFamily = {
  name: "rtmp-chunks",
  weight: 6,
  inputs: 1,
  async run({ target, stream, random }) {
    const key = random.chance(TRUE_KEY_CHANCE) ? stream.key : WRONG_KEY;
    const prelude = random.chance(0.5) ? publishing(key) : HANDSHAKE;
    const messages = mutateList(random, RECORDED_MESSAGES, 6).slice(0, 40).map((message) => lie(random, message));
    const pieces = messages.map((message) => rtmpMessage({ ...message, chunkBytes: random.pick([1, 2, 64, 128, 128, 128, 65_535]) }));
    await attackOnce(target.rtmpPort, Buffer.concat([prelude, ...(random.chance(0.4) ? interleave(random, pieces) : pieces)]), random);
  },
};

const commands: FuzzFamily = {
  name: "rtmp-commands",
  weight: 14,
  inputs: 32,
  async run({ target, random }) {
    let attack: TcpAttack | null = null;
    for (let input = 0; input < commands.inputs; input += 1) {
      if (attack?.open !== true) {
        await attack?.finish();
        attack = await openTcpAttack(target.rtmpPort);
        attack.send(random.chance(0.5) ? HANDSHAKE : Buffer.concat([HANDSHAKE, CONNECT]));
      }
      await attack.sendAndLook(commandAttack(random));
    }
    await attack?.finish();
  },
};

function commandAttack(random: Random): Buffer {
  const kind = random.below(10);
  if (kind === 0) return random.pick(HOSTILE_INPUTS)[1];
  if (kind === 1) return rtmpMessage(lie(random, random.pick(CONTROL)));
  const payload = kind < 5 ? randomConnect(random) : kind < 9 ? randomCommand(random) : amf0("publish", 3, null, WRONG_KEY);
  const type = random.chance(0.1) ? 17 : 20;
  return rtmpMessage({ chunkStream: 3, type, payload: random.chance(0.4) ? mutateBytes(random, payload) : payload });
}

/** With the key: what it sends reaches the publication, the route and, now and then, the decoder. */
const media: FuzzFamily = {
  name: "rtmp-media",
  weight: 18,
  inputs: 64,
  async run({ target, stream, random }) {
    let attack: TcpAttack | null = null;
    let timestampMs = 0;
    for (let input = 0; input < media.inputs; input += 1) {
      if (attack?.open !== true) {
        await attack?.finish();
        attack = await publish(target.rtmpPort, stream.key);
        timestampMs = random.chance(0.1) ? 0xffff_ff00 : 0;
        if (random.chance(DECODER_CHANCE)) attack.send(serialize([AVC_HEADER, ...AVC_FRAMES.slice(0, 2)].map((payload) => ({ chunkStream: 6, type: 9, payload, timestampMs }))));
      }
      timestampMs = random.chance(0.05) ? random.pick([0, 0xff_ffff, 0x7fff_ffff, 0xffff_ffff]) : (timestampMs + 40) % 2 ** 32;
      const original = random.pick(random.chance(0.1) ? CONTROL : MEDIA);
      const message = { ...original, timestampMs, payload: random.chance(0.8) ? mutateBytes(random, original.payload, { structureEnd: 16, maxEdits: 4 }) : original.payload };
      const bytes = rtmpMessage(random.chance(0.1) ? lie(random, message) : message);
      await attack.sendAndLook(random.chance(0.1) ? mutateBytes(random, bytes, { structureEnd: 12, maxEdits: 1 }) : bytes);
    }
    await attack?.finish();
  },
};

/** A publisher with a key must get its stream at once: whoever had it before is gone. */
export async function publish(port: number, key: string): Promise<TcpAttack> {
  const attack = await openTcpAttack(port);
  attack.send(publishing(key));
  const deadlineMs = performance.now() + ANSWER_TIMEOUT_MS;
  while (attack.open && !attack.received().includes("NetStream.") && performance.now() < deadlineMs) await attack.sendAndLook(Buffer.alloc(0));
  if (attack.received().includes("NetStream.Publish.Start")) return attack;
  throw new NotServed(`a publisher with a true key was not let in: ${statusIn(attack.received())}`);
}

function statusIn(answer: Buffer): string {
  const at = answer.indexOf("NetStream.");
  return at === -1 ? `${answer.length} bytes and no status` : answer.subarray(at, at + 120).toString("latin1").replaceAll(/[^ -~]+/g, " ");
}

function lie(random: Random, message: RtmpMessage): RtmpMessage {
  switch (random.below(5)) {
    case 0:
      return { ...message, type: random.below(32) };
    case 1:
      return { ...message, chunkStream: 2 + random.below(62) };
    case 2:
      return { ...message, timestampMs: random.pick([0xff_fffe, 0xff_ffff, 0x100_0000, 0xffff_ffff]) };
    case 3:
      return { ...message, payload: mutateBytes(random, message.payload) };
    default:
      return message;
  }
}

/** Cut into stretches that take turns. */
function interleave(random: Random, pieces: readonly Buffer[]): Buffer[] {
  const rest = [...pieces];
  const mixed: Buffer[] = [];
  while (rest.length > 0) {
    const index = random.below(Math.min(3, rest.length));
    const piece = rest[index] ?? Buffer.alloc(0);
    const bytes = 1 + random.below(200);
    mixed.push(piece.subarray(0, bytes));
    if (bytes >= piece.length) rest.splice(index, 1);
    else rest[index] = piece.subarray(bytes);
  }
  return mixed;
}

export const RTMP_FAMILIES: readonly FuzzFamily[] = [handshake, session, chunks, commands, media];
