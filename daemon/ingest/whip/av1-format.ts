/** AV1 in RTP (RTP Payload Format For AV1, Alliance for Open Media, section 4). Pure. */
import { AV1_UNIT, readAv1SequenceHeader, readLeb128 } from "../../../pipelines/decode/av1-units.ts";
import { TruecastError } from "../../../pipelines/errors.ts";
import { type FrameParts, MAX_CHUNKS, MAX_FRAME_BYTES, MAX_UNITS, type PayloadFormat } from "./frame-parts.ts";

const BIT = { continues: 0x80, goesOn: 0x40, newSequence: 0x08 } as const;
const HAS_EXTENSION = 0x04;
const HAS_SIZE = 0x02;
/** What has no place in RTP, or says nothing to a decoder. */
const LEFT_OUT: ReadonlySet<number> = new Set([AV1_UNIT.temporalDelimiter, AV1_UNIT.tileList, AV1_UNIT.padding]);

export function createAv1Format(): PayloadFormat {
  // Some encoders send it once, at the start.
  let sequenceHeader: Buffer | null = null;

  const createParts = (): FrameParts => {
    const units: Buffer[] = [];
    let bytes = 0;
    /** Of a unit that goes on in the next packet. */
    let fragments: Buffer[] | null = null;
    let isKey = false;
    let frameSeen = false;

    const takeUnit = (unit: Buffer): boolean => {
      const header = unit[0] ?? 0x80;
      if ((header & 0x80) !== 0) return false;
      const type = (header >> 3) & 0xf;
      if (LEFT_OUT.has(type)) return true;
      const headerBytes = (header & HAS_EXTENSION) !== 0 ? 2 : 1;
      if (unit.length < headerBytes) return false;
      const size = (header & HAS_SIZE) !== 0 ? readLeb128(unit, headerBytes) : { value: unit.length - headerBytes, end: headerBytes };
      if (size === null || size.end + size.value !== unit.length) return false;
      const payload = unit.subarray(size.end);
      const whole = Buffer.concat([Buffer.from([header | HAS_SIZE]), unit.subarray(1, headerBytes), leb128(payload.length), payload]);
      if (type === AV1_UNIT.sequenceHeader) {
        if (!isReadable(payload)) return false;
        sequenceHeader = whole;
      }
      if (!frameSeen && (type === AV1_UNIT.frame || type === AV1_UNIT.frameHeader)) {
        frameSeen = true;
        // Neither show_existing_frame nor any frame_type but KEY_FRAME.
        isKey = ((payload[0] ?? 0xff) & 0xe0) === 0;
      }
      units.push(whole);
      return units.length <= MAX_UNITS;
    };

    return {
      add(payload) {
        const elements = readElements(payload);
        const first = payload[0] ?? 0;
        if (elements === null || ((first & BIT.continues) !== 0) !== (fragments !== null)) return false;
        for (const [index, element] of elements.entries()) {
          bytes += element.length;
          const unit: Buffer[] = fragments ?? [];
          unit.push(element);
          if (bytes > MAX_FRAME_BYTES || unit.length > MAX_CHUNKS) return false;
          fragments = null;
          if (index === elements.length - 1 && (first & BIT.goesOn) !== 0) fragments = unit;
          else if (!takeUnit(unit.length === 1 ? element : Buffer.concat(unit))) return false;
        }
        return true;
      },
      finish(timestamp) {
        if (fragments !== null || !frameSeen || (isKey && sequenceHeader === null)) return null;
        return { codec: "av1", keyframe: isKey, timestamp, data: Buffer.concat(units), sequenceHeader: isKey ? sequenceHeader : null };
      },
    };
  };

  return { startsFrame, createParts };
}

function isReadable(sequenceHeader: Buffer): boolean {
  try {
    readAv1SequenceHeader(sequenceHeader);
    return true;
  } catch (error) {
    if (error instanceof TruecastError) return false;
    throw error;
  }
}

/** Of a coded video sequence at least: its first packet is marked, and a sequence header goes before all but delimiters. */
function startsFrame(payload: Buffer): boolean {
  const first = payload[0] ?? 0;
  if ((first & BIT.continues) !== 0) return false;
  const type = ((readElements(payload)?.[0]?.[0] ?? 0) >> 3) & 0xf;
  return (first & BIT.newSequence) !== 0 || type === AV1_UNIT.sequenceHeader;
}

/** Section 4.3 and 4.4. Null for elements that are not as long as they say. */
function readElements(payload: Buffer): readonly Buffer[] | null {
  const count = ((payload[0] ?? 0) >> 4) & 0x3;
  const elements: Buffer[] = [];
  for (let offset = 1; offset < payload.length; ) {
    const last = elements.length + 1 === count;
    const size = last ? { value: payload.length - offset, end: offset } : readLeb128(payload, offset);
    if (size === null || size.value === 0 || size.end + size.value > payload.length) return null;
    offset = size.end + size.value;
    elements.push(payload.subarray(size.end, offset));
  }
  return elements.length === 0 || (count !== 0 && elements.length !== count) ? null : elements;
}

function leb128(value: number): Buffer {
  const bytes: number[] = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return Buffer.from(bytes);
}
