/** Bytes, lines and lists spoilt the ways that break parsers. Pure: the same random numbers give the same result. */
import type { Random } from "../seeded-random.ts";

export interface MutateOptions {
  /** Bytes before it stay as they are. */
  readonly from?: number;
  /** Half of the edits fall before it: where the structure is. */
  readonly structureEnd?: number;
  /** Something valid of another kind, to be grafted on. */
  readonly donor?: Buffer;
  readonly maxEdits?: number;
  readonly maxBytes?: number;
}

const BYTES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x0a, 0x0d, 0x20, 0x3a, 0x2c] as const;
/** Counts and lengths at the edges of their types and of common sizes. */
const NUMBERS = [0, 1, 2, 3, 4, 0x7e, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7f_ffff, 0xff_fffe, 0xff_ffff, 0x100_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff] as const;
const RUN_BYTES = 48;

export function mutateBytes(random: Random, original: Buffer, options: MutateOptions = {}): Buffer {
  const { from = 0, structureEnd = original.length, donor, maxEdits = 6, maxBytes = 64 * 1024 } = options;
  let bytes: Buffer = Buffer.from(original);
  const edits = 1 + random.below(maxEdits);
  for (let edit = 0; edit < edits; edit += 1) {
    const end = random.chance(0.5) ? Math.min(structureEnd, bytes.length) : bytes.length;
    const at = from + random.below(Math.max(1, end - from));
    const run = 1 + random.below(RUN_BYTES);
    bytes = editBytes(random, bytes, { at, run, from, donor });
    if (bytes.length > maxBytes) bytes = bytes.subarray(0, maxBytes);
  }
  return bytes;
}

function editBytes(random: Random, bytes: Buffer, { at, run, from, donor }: { at: number; run: number; from: number; donor: Buffer | undefined }): Buffer {
  switch (random.below(11)) {
    case 0:
    case 1:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 2:
      bytes[at] = random.pick(BYTES);
      return bytes;
    case 3:
    case 4:
      return writeNumber(random, bytes, at);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + run)]);
    case 6:
      return Buffer.concat([bytes.subarray(0, at + run), bytes.subarray(at)]);
    case 7:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(run), bytes.subarray(at)]);
    case 8: {
      // Two stretches change places.
      const other = Math.min(bytes.length, at + run + random.below(RUN_BYTES));
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + run, other), bytes.subarray(at, at + run), bytes.subarray(Math.max(other, at + run))]);
    }
    case 9: {
      if (donor === undefined || donor.length === 0) return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: 1 + random.below(40) }, () => bytes.subarray(at, at + run)), bytes.subarray(at)]);
      const cut = random.below(donor.length);
      return Buffer.concat([bytes.subarray(0, at), donor.subarray(cut, cut + 1 + random.below(400)), random.chance(0.5) ? bytes.subarray(at) : Buffer.alloc(0)]);
    }
    default:
      return random.chance(0.2) ? bytes.subarray(0, Math.max(from, at)) : bytes.fill(random.pick(BYTES), at, Math.min(bytes.length, at + run));
  }
}

/** A length or count that lies: one, two, three or four bytes, either way round. */
function writeNumber(random: Random, bytes: Buffer, at: number): Buffer {
  const width = 1 + random.below(4);
  if (at + width > bytes.length) return bytes;
  const near = bytes.readUIntBE(at, width) + random.pick([-1, 1, 2, 16]);
  const value = (random.chance(0.3) ? near : random.pick(NUMBERS)) % 2 ** (8 * width);
  const positive = value < 0 ? 0 : value;
  if (random.chance(0.8)) bytes.writeUIntBE(positive, at, width);
  else bytes.writeUIntLE(positive, at, width);
  return bytes;
}

/** Elements dropped, repeated, moved, swapped. */
export function mutateList<T>(random: Random, original: readonly T[], maxEdits = 3): T[] {
  const list = [...original];
  const edits = 1 + random.below(maxEdits);
  for (let edit = 0; edit < edits && list.length > 0; edit += 1) {
    const at = random.below(list.length);
    const element = list[at] as T;
    const kind = random.below(4);
    if (kind === 0) list.splice(at, 1);
    else if (kind === 1) list.splice(at, 0, ...Array.from({ length: 1 + random.below(random.chance(0.1) ? 60 : 4) }, () => element));
    else if (kind === 2) list.splice(random.below(list.length), 0, ...list.splice(at, 1));
    else [list[at], list[0]] = [list[0] as T, element];
  }
  return list;
}

const WORDS = ["", " ", ":", "=", "0", "-1", "1", "65536", "4294967296", "1e309", "NaN", "null", "__proto__", "constructor", "..", "%00", "%2e%2e%2f", "%", "é", "\u0000", "\u202e", "�", "\"", "'", "<", "*", "a".repeat(300), "9".repeat(40)] as const;

/** One field of a text replaced, its separators kept: what a grammar would let through and a reader may not expect. */
export function mutateWords(random: Random, text: string, separators = /([\s:;,=/\r\n]+)/): string {
  const parts = text.split(separators);
  const edits = 1 + random.below(3);
  for (let edit = 0; edit < edits; edit += 1) {
    const at = random.below(parts.length);
    const kind = random.below(5);
    if (kind === 0) parts[at] = random.pick(WORDS);
    else if (kind === 1) parts[at] = (parts[at] ?? "") + random.pick(WORDS);
    else if (kind === 2) parts[at] = parts[random.below(parts.length)] ?? "";
    else if (kind === 3) parts[at] = (parts[at] ?? "").repeat(2 + random.below(random.chance(0.05) ? 200 : 4));
    else parts.splice(at, 1 + random.below(2));
  }
  return parts.join("");
}
