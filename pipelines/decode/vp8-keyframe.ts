/** The size of the picture in a VP8 keyframe (RFC 6386, 9.1). Pure. */
import { TruecastError } from "../errors.ts";

const HEADER_BYTES = 10;
const START_CODE = 0x9d012a;

export interface Vp8Picture {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** @throws TruecastError protocol-violation for what is no keyframe */
export function readVp8Keyframe(frame: Uint8Array): Vp8Picture {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, Math.min(frame.byteLength, HEADER_BYTES));
  if (bytes.length < HEADER_BYTES || (bytes.readUInt8(0) & 1) !== 0 || bytes.readUIntBE(3, 3) !== START_CODE) throw new TruecastError("protocol-violation", "A VP8 keyframe does not begin like one.");
  // The upper two bits are a scale for display, which no decoder applies.
  return { widthPx: bytes.readUInt16LE(6) & 0x3fff, heightPx: bytes.readUInt16LE(8) & 0x3fff };
}
