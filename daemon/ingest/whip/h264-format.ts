/** H.264 in RTP (RFC 6184), packetization modes 0 and 1. Pure. */
import { type FrameParts, MAX_FRAME_BYTES, MAX_UNITS, type PayloadFormat } from "./frame-parts.ts";

const SLICE_IDR = 5;
const SEI = 6;
const SPS = 7;
const PPS = 8;
const ACCESS_UNIT_DELIMITER = 9;
const FILLER = 12;
const STAP_A = 24;
const FU_A = 28;

/** Only what encoders put before the slices is proof that no slice is missing. */
function startsH264Frame(payload: Buffer): boolean {
  const type = ((payload[0] ?? 0) & 0x1f) === STAP_A ? (payload[3] ?? 0) & 0x1f : (payload[0] ?? 0) & 0x1f;
  return type === SPS || type === ACCESS_UNIT_DELIMITER;
}

export function createH264Format(): PayloadFormat {
  // Some encoders send them once, at the start.
  let sps: Buffer | null = null;
  let pps: Buffer | null = null;

  const createParts = (): FrameParts => {
    const units: Buffer[] = [];
    let bytes = 0;
    let fragments: Buffer[] | null = null;

    const takeUnit = (unit: Buffer): boolean => {
      const type = (unit[0] ?? 0) & 0x1f;
      if (type === SPS) sps = unit;
      else if (type === PPS) pps = unit;
      // Neither is needed to decode, and SEI carries whatever a sender likes.
      else if (type !== SEI && type !== ACCESS_UNIT_DELIMITER && type !== FILLER) {
        units.push(unit);
        bytes += unit.length;
      }
      return type !== 0 && bytes <= MAX_FRAME_BYTES && units.length <= MAX_UNITS;
    };

    return {
      add(payload) {
        const type = (payload[0] ?? 0) & 0x1f;
        if (type === FU_A) {
          if (payload.length < 3) return false;
          const [indicator = 0, header = 0] = payload;
          const starts = (header & 0x80) !== 0;
          if (starts) fragments = [Buffer.from([(indicator & 0xe0) | (header & 0x1f)])];
          if (fragments === null) return false;
          fragments.push(payload.subarray(2));
          bytes += starts ? 0 : payload.length;
          if (bytes > MAX_FRAME_BYTES) return false;
          if ((header & 0x40) === 0) return true;
          const unit = Buffer.concat(fragments);
          fragments = null;
          return takeUnit(unit);
        }
        if (fragments !== null) return false;
        if (type !== STAP_A) return type < STAP_A && takeUnit(payload);
        for (let offset = 1; offset < payload.length; ) {
          if (offset + 2 > payload.length) return false;
          const length = payload.readUInt16BE(offset);
          const end = offset + 2 + length;
          if (length === 0 || end > payload.length || !takeUnit(payload.subarray(offset + 2, end))) return false;
          offset = end;
        }
        return true;
      },
      finish(timestamp) {
        if (fragments !== null) return null;
        const keyframe = units.some((unit) => ((unit[0] ?? 0) & 0x1f) === SLICE_IDR);
        if (units.length === 0 || (keyframe && (sps === null || pps === null))) return null;
        return { codec: "h264", keyframe, timestamp, units, parameterSets: keyframe && sps !== null && pps !== null ? { sps, pps } : null };
      },
    };
  };

  return { startsFrame: startsH264Frame, createParts };
}
