/** AMF0 of every kind, valid and lying, made up from random numbers. */
import { type AmfInput, amf0 } from "../../ingest/testing/rtmp-client.ts";
import type { Random } from "../seeded-random.ts";

const NAMES = ["connect", "createStream", "publish", "play", "play2", "releaseStream", "FCPublish", "FCUnpublish", "deleteStream", "closeStream", "_checkbw", "_result", "onStatus", "@setDataFrame", "onMetaData", "getStreamLength", "pause", "seek", "receiveAudio", "constructor", "__proto__", "toString", ""] as const;
const TEXTS = ["", "live", "rtmp://127.0.0.1/live", "rtmp://[::1", "::", "\u0000", "live?sign=a&sign=b", "..", "live/../live", "é€😀", "a".repeat(128), "a".repeat(5_000), "constructor"] as const;
const NUMBERS = [0, -0, 1, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MIN_VALUE, Number.MAX_VALUE] as const;
const PROPERTIES = ["app", "tcUrl", "type", "flashVer", "swfUrl", "objectEncoding", "capabilities", "videoCodecs", "fourCcList", "videoFourCcInfoMap", "capsEx", "__proto__", "", "toString"] as const;

/** A whole command, or something like it. */
export function randomCommand(random: Random): Buffer {
  const values = [random.chance(0.9) ? amf0(random.pick(NAMES)) : randomValue(random, 0), random.chance(0.8) ? amf0(random.below(100)) : randomValue(random, 0)];
  const more = random.below(6);
  for (let index = 0; index < more; index += 1) values.push(randomValue(random, 0));
  return Buffer.concat(values);
}

/** `connect` as clients send it, some properties of any kind. */
export function randomConnect(random: Random): Buffer {
  const properties = { app: "live", type: "nonprivate", flashVer: "FMLE/3.0", tcUrl: "rtmp://127.0.0.1/live" };
  const parts = Object.entries(properties).map(([name, value]) => Buffer.concat([propertyName(name), random.chance(0.8) ? amf0(value) : randomValue(random, 1)]));
  const more = Array.from({ length: random.below(5) }, () => Buffer.concat([propertyName(random.pick(PROPERTIES)), randomValue(random, 1)]));
  return Buffer.concat([amf0("connect", random.chance(0.9) ? 1 : random.pick(NUMBERS)), Buffer.from([3]), ...parts, ...more, END]);
}

const END = Buffer.from([0, 0, 9]);

function propertyName(name: string): Buffer {
  const text = Buffer.from(name);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([length, text]);
}

function randomValue(random: Random, depth: number): Buffer {
  const kind = random.below(depth > 5 ? 9 : 15);
  switch (kind) {
    case 0:
    case 1:
      return amf0(random.pick<AmfInput>(TEXTS));
    case 2:
      return amf0(random.pick<AmfInput>(NUMBERS));
    case 3:
      return amf0(random.chance(0.5));
    case 4:
      return amf0(null);
    case 5:
      return Buffer.from([random.pick([0x06, 0x0d])]);
    case 6:
      return Buffer.concat([Buffer.from([random.pick([0x04, 0x0e, 0x11, 0x12, 0x7f, 0xff])]), random.bytes(random.below(8))]);
    case 7:
      return Buffer.concat([Buffer.from([0x0b]), random.bytes(10)]);
    case 8:
      return Buffer.concat([Buffer.from([random.pick([0x02, 0x07]), random.below(256), random.below(256)]), random.bytes(random.below(20))]);
    case 9:
    case 10:
      return Buffer.concat([Buffer.from([3]), ...entries(random, depth), random.chance(0.9) ? END : Buffer.alloc(0)]);
    case 11:
      return Buffer.concat([Buffer.from([8]), count(random, 3), ...entries(random, depth), END]);
    case 12: {
      const values = Array.from({ length: random.below(5) }, () => randomValue(random, depth + 1));
      return Buffer.concat([Buffer.from([0x0a]), count(random, values.length), ...values]);
    }
    case 13:
      return Buffer.concat([Buffer.from([0x10]), propertyName(random.pick(TEXTS)), ...entries(random, depth), END]);
    default:
      return Buffer.concat([Buffer.from([random.pick([0x0c, 0x0f])]), count(random, 3), random.bytes(3)]);
  }
}

function entries(random: Random, depth: number): Buffer[] {
  return Array.from({ length: random.below(4) }, () => Buffer.concat([propertyName(random.pick(PROPERTIES)), randomValue(random, depth + 1)]));
}

/** Mostly true. */
function count(random: Random, honest: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(random.chance(0.7) ? honest : random.pick([0, 1, 0xffff, 0x7fff_ffff, 0xffff_ffff]));
  return bytes;
}
