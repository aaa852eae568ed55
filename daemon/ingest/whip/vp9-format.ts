/** VP9 in RTP (RFC 9628). Pure. Of spatial layers only the lowest is taken, which needs no other. */
import { vp9FrameKind, readVp9Keyframe } from "../../../pipelines/decode/vp9-keyframe.ts";
import { TruecastError } from "../../../pipelines/errors.ts";
import { type FrameParts, MAX_CHUNKS, MAX_FRAME_BYTES, type PayloadFormat } from "./frame-parts.ts";

export const VP9_FORMAT: PayloadFormat = {
  startsFrame(payload) {
    const descriptor = readDescriptor(payload);
    return descriptor !== null && descriptor.starts && descriptor.spatialLayer === 0;
  },
  createParts: createVp9Parts,
};

interface Descriptor {
  readonly starts: boolean;
  readonly ends: boolean;
  readonly spatialLayer: number;
  readonly bytes: number;
}

const BIT = { pictureId: 0x80, predicted: 0x40, layers: 0x20, flexible: 0x10, starts: 0x08, ends: 0x04, structure: 0x02 } as const;
const MAX_REFERENCES = 3;

/** Section 4.2. Null when the payload ends before it, or with it. */
function readDescriptor(payload: Buffer): Descriptor | null {
  const first = payload[0] ?? 0;
  let offset = 1;
  /** Bytes past the end read as zero, which ends every loop; the length is judged at the end. */
  const take = (): number => payload[offset++] ?? 0;
  if ((first & BIT.pictureId) !== 0 && (take() & 0x80) !== 0) offset += 1;
  let spatialLayer = 0;
  if ((first & BIT.layers) !== 0) {
    spatialLayer = (take() >> 1) & 0x7;
    if ((first & BIT.flexible) === 0) offset += 1; // TL0PICIDX
  }
  if ((first & BIT.flexible) !== 0 && (first & BIT.predicted) !== 0) {
    for (let references = 0; references < MAX_REFERENCES && (take() & 1) === 1; references += 1);
  }
  if ((first & BIT.structure) !== 0) {
    const structure = take();
    if ((structure & 0x10) !== 0) offset += ((structure >> 5) + 1) * 4; // width and height of each layer
    if ((structure & 0x08) !== 0) {
      for (let pictures = take(); pictures > 0 && offset < payload.length; pictures -= 1) {
        const references = (take() >> 2) & 0x3;
        offset += references;
      }
    }
  }
  if (offset >= payload.length) return null;
  return { starts: (first & BIT.starts) !== 0, ends: (first & BIT.ends) !== 0, spatialLayer, bytes: offset };
}

function createVp9Parts(): FrameParts {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let ended = false;
  return {
    add(payload) {
      const descriptor = readDescriptor(payload);
      if (descriptor === null) return false;
      if (descriptor.spatialLayer > 0) return true;
      if (ended || descriptor.starts !== (chunks.length === 0)) return false;
      ended = descriptor.ends;
      chunks.push(payload.subarray(descriptor.bytes));
      bytes += payload.length - descriptor.bytes;
      return bytes <= MAX_FRAME_BYTES && chunks.length <= MAX_CHUNKS;
    },
    finish(timestamp) {
      const data = Buffer.concat(chunks);
      const kind = ended ? kindOf(data) : null;
      return kind && { codec: "vp9", keyframe: kind === "keyframe", timestamp, data };
    },
  };
}

function kindOf(frame: Buffer): "keyframe" | "inter" | null {
  const kind = vp9FrameKind(frame);
  if (kind !== "keyframe") return kind;
  try {
    readVp9Keyframe(frame);
    return kind;
  } catch (error) {
    if (error instanceof TruecastError) return null;
    throw error;
  }
}
