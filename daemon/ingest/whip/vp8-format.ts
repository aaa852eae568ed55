/** VP8 in RTP (RFC 7741). Pure. */
import { type FrameParts, MAX_CHUNKS, MAX_FRAME_BYTES, type PayloadFormat } from "./frame-parts.ts";

export const VP8_FORMAT: PayloadFormat = { startsFrame: startsVp8Frame, createParts: createVp8Parts };

const VP8_START_CODE = 0x9d012a;

/** Start of the first partition. */
function startsVp8Frame(payload: Buffer): boolean {
  return ((payload[0] ?? 0) & 0x17) === 0x10;
}

function createVp8Parts(): FrameParts {
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
      return bytes <= MAX_FRAME_BYTES && chunks.length <= MAX_CHUNKS;
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
