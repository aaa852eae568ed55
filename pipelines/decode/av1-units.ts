/** AV1 as open bitstream units (AV1 specification, 5.3 to 5.9): cut apart, and the size of the picture read. Pure. */
import { createBitReader } from "./bit-reader.ts";

export interface Av1Unit {
  readonly type: number;
  /** With its header. */
  readonly bytes: Buffer;
  readonly payload: Buffer;
}

export const AV1_UNIT = { sequenceHeader: 1, temporalDelimiter: 2, frameHeader: 3, frame: 6, tileList: 8, padding: 15 } as const;
/** Begins each temporal unit of a stream; FLV and RTP leave it out. */
export const TEMPORAL_DELIMITER = Buffer.from([AV1_UNIT.temporalDelimiter << 3 | 2, 0]);

const MAX_UNITS = 4_096;
/** av1C: what stands before the units of an AV1CodecConfigurationRecord. */
const CONFIGURATION_BYTES = 4;

/** The units of a temporal unit; only the last may go without its size. Null for units that are not as long as they say. */
export function readAv1Units(bytes: Uint8Array): readonly Av1Unit[] | null {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const units: Av1Unit[] = [];
  for (let offset = 0; offset < view.length; ) {
    const header = view.readUInt8(offset);
    if ((header & 0x80) !== 0 || units.length === MAX_UNITS) return null;
    let start = offset + ((header & 0x04) !== 0 ? 2 : 1);
    let end = view.length;
    if ((header & 0x02) !== 0) {
      const size = readLeb128(view, start);
      if (size === null) return null;
      start = size.end;
      end = start + size.value;
    }
    if (start > end || end > view.length) return null;
    units.push({ type: (header >> 3) & 0xf, bytes: view.subarray(offset, end), payload: view.subarray(start, end) });
    offset = end;
  }
  return units;
}

/** Little-endian base 128 (4.10.5), at most 32 bits. */
export function readLeb128(bytes: Buffer, offset: number): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let index = 0; index < 8; index++) {
    const byte = bytes[offset + index];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if ((byte & 0x80) === 0) return value < 2 ** 32 ? { value, end: offset + index + 1 } : null;
  }
  return null;
}

/** The sequence header in the units of a decoder configuration record, with its header; null when it brings none. */
export function av1ConfigurationHeader(record: Uint8Array): Buffer | null {
  return readAv1Units(record.subarray(CONFIGURATION_BYTES))?.find(({ type }) => type === AV1_UNIT.sequenceHeader)?.bytes ?? null;
}

export interface Av1Sequence {
  /** Largest picture of the sequence. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly profile: number;
  readonly level: number;
}

const WHAT = "AV1 sequence header";

/** Of the payload of a sequence header unit (5.5.1). @throws TruecastError protocol-violation */
export function readAv1SequenceHeader(payload: Uint8Array): Av1Sequence {
  const bits = createBitReader(payload, WHAT);
  const profile = bits.fixed(3);
  bits.fixed(1); // still_picture
  let level = 0;
  if (bits.fixed(1) === 1) {
    level = bits.fixed(5); // reduced_still_picture_header
  } else {
    let delayBits: number | null = null;
    if (bits.fixed(1) === 1) {
      bits.fixed(64); // num_units_in_display_tick, time_scale
      if (bits.fixed(1) === 1) bits.exp(); // num_ticks_per_picture_minus_1
      if (bits.fixed(1) === 1) {
        delayBits = bits.fixed(5) + 1;
        bits.fixed(42); // num_units_in_decoding_tick and two lengths
      }
    }
    const displayDelays = bits.fixed(1) === 1;
    const points = bits.fixed(5) + 1;
    for (let point = 0; point < points; point++) {
      bits.fixed(12); // operating_point_idc
      const pointLevel = bits.fixed(5);
      if (point === 0) level = pointLevel;
      if (pointLevel > 7) bits.fixed(1); // seq_tier
      if (delayBits !== null && bits.fixed(1) === 1) bits.fixed(2 * delayBits + 1);
      if (displayDelays && bits.fixed(1) === 1) bits.fixed(4);
    }
  }
  const widthBits = bits.fixed(4) + 1;
  const heightBits = bits.fixed(4) + 1;
  return { widthPx: bits.fixed(widthBits) + 1, heightPx: bits.fixed(heightBits) + 1, profile, level };
}
