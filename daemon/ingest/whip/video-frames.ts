/** Ordered RTP packets to whole encoded frames: H.264 (RFC 6184) and VP8 (RFC 7741). Pure and bounded; damaged frames never come out. */
import type { OrderedPacket } from "./packet-order.ts";
import type { WhipCodec } from "./sdp-offer.ts";

export type VideoFrame =
  /** NAL units without start codes; parameter sets of a keyframe apart. */
  | { readonly codec: "h264"; readonly keyframe: boolean; readonly timestamp: number; readonly units: readonly Buffer[]; readonly parameterSets: { readonly sps: Buffer; readonly pps: Buffer } | null }
  | { readonly codec: "vp8"; readonly keyframe: boolean; readonly timestamp: number; readonly data: Buffer };

export interface FrameAssembly {
  /** Frames that this packet completes: none, one, or two when the packet before had lost its marker. */
  push(ordered: OrderedPacket): VideoFrame[];
  /** Frames can be decoded only after the next keyframe: one is wanted. */
  readonly needsKeyframe: boolean;
  /** Frames left out since the start because a part of them, or of what they build on, is lost. */
  readonly damagedFrames: number;
}

/** Collects the parts of one frame. */
interface Parts {
  /** False when the payload does not fit what came before. */
  add(payload: Buffer): boolean;
  finish(timestamp: number): VideoFrame | null;
}

const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const MAX_UNITS = 512;

export function createFrameAssembly(codec: WhipCodec): FrameAssembly {
  const create = codec === "h264" ? createH264Parts() : createVp8Parts;
  const startsFrame = codec === "h264" ? startsH264Frame : startsVp8Frame;
  let parts: Parts | null = null;
  let timestamp = 0;
  let damaged = false;
  let needsKeyframe = true;
  let damagedFrames = 0;

  function finish(): VideoFrame[] {
    if (parts === null) return [];
    const frame = damaged ? null : parts.finish(timestamp);
    parts = null;
    if (frame === null || (needsKeyframe && !frame.keyframe)) {
      damagedFrames += 1;
      needsKeyframe = true;
      damaged = false;
      return [];
    }
    needsKeyframe = false;
    return [frame];
  }

  return {
    push({ packet, afterGap }) {
      const frames: VideoFrame[] = [];
      // What is lost may be the end of the frame under way, the start of this one, or a frame between them.
      if (afterGap) damaged = true;
      if (parts !== null && packet.timestamp !== timestamp) frames.push(...finish());
      if (afterGap) {
        needsKeyframe = true;
        damaged = parts !== null || !startsFrame(packet.payload);
      }
      // Padding sent to probe the bandwidth.
      if (packet.payload.length > 0) {
        parts ??= create();
        timestamp = packet.timestamp;
        if (!parts.add(packet.payload)) damaged = true;
      }
      if (packet.marker) frames.push(...finish());
      return frames;
    },
    get needsKeyframe() {
      return needsKeyframe;
    },
    get damagedFrames() {
      return damagedFrames;
    },
  };
}

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

function createH264Parts(): () => Parts {
  // Some encoders send them once, at the start.
  let sps: Buffer | null = null;
  let pps: Buffer | null = null;

  return () => {
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
}

const VP8_START_CODE = 0x9d012a;

/** Start of the first partition. */
function startsVp8Frame(payload: Buffer): boolean {
  return ((payload[0] ?? 0) & 0x17) === 0x10;
}

function createVp8Parts(): Parts {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return {
    add(payload) {
      const first = payload.readUInt8(0);
      let offset = 1;
      if ((first & 0x80) !== 0) {
        const extension = payload[offset] ?? 0;
        offset += 1;
        // PictureID of one or two bytes, then TL0PICIDX, then TID and KEYIDX together.
        if ((extension & 0x80) !== 0) offset += ((payload[offset] ?? 0) & 0x80) !== 0 ? 2 : 1;
        if ((extension & 0x40) !== 0) offset += 1;
        if ((extension & 0x30) !== 0) offset += 1;
      }
      if (offset >= payload.length || startsVp8Frame(payload) !== (chunks.length === 0)) return false;
      chunks.push(payload.subarray(offset));
      bytes += payload.length - offset;
      return bytes <= MAX_FRAME_BYTES && chunks.length <= MAX_UNITS * 8;
    },
    finish(timestamp) {
      const data = Buffer.concat(chunks);
      if (data.length < 3) return null;
      const keyframe = (data.readUInt8(0) & 1) === 0;
      if (keyframe && (data.length < 10 || data.readUIntBE(3, 3) !== VP8_START_CODE)) return null;
      return { codec: "vp8", keyframe, timestamp, data };
    },
  };
}
