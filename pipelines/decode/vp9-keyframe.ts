/** The size of the picture in a VP9 keyframe (VP9 bitstream specification 0.6, 6.2). Pure. */
import { createBitReader, malformedHeader } from "./bit-reader.ts";

const WHAT = "VP9 keyframe";
const SYNC_CODE = 0x498342;
const COLOR_SPACE_RGB = 7;
/** The longest way to the picture's size takes 76 bits. */
const HEADER_BYTES = 10;

export interface Vp9Picture {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** By its first byte; null for what no frame begins with. */
export function vp9FrameKind(frame: Uint8Array): "keyframe" | "inter" | null {
  const first = frame[0] ?? 0;
  if (first >> 6 !== 2) return null;
  // Profile 3 has a reserved bit before show_existing_frame and frame_type.
  const flags = ((first & 0x30) === 0x30 ? first >> 1 : first >> 2) & 0x3;
  return flags === 0 ? "keyframe" : "inter";
}

/** @throws TruecastError protocol-violation for what is no keyframe */
export function readVp9Keyframe(frame: Uint8Array): Vp9Picture {
  const bits = createBitReader(frame.subarray(0, HEADER_BYTES), WHAT);
  if (bits.fixed(2) !== 2) throw malformedHeader(WHAT);
  const profile = bits.fixed(1) + bits.fixed(1) * 2;
  if (profile === 3) bits.fixed(1);
  // show_existing_frame and frame_type.
  if (bits.fixed(2) !== 0) throw malformedHeader(WHAT);
  bits.fixed(2); // show_frame and error_resilient_mode
  if (bits.fixed(24) !== SYNC_CODE) throw malformedHeader(WHAT);
  if (profile >= 2) bits.fixed(1); // ten_or_twelve_bit
  const oddProfile = profile % 2 === 1;
  if (bits.fixed(3) !== COLOR_SPACE_RGB) bits.fixed(oddProfile ? 4 : 1);
  else if (oddProfile) bits.fixed(1);
  else throw malformedHeader(WHAT);
  return { widthPx: bits.fixed(16) + 1, heightPx: bits.fixed(16) + 1 };
}
