/** HEVC as FLV carries it (ISO/IEC 14496-15, 8.3), made into a byte stream that a decoder takes without a configuration (ITU-T H.265, annex B). Pure. */
import { createBitReader, malformedHeader, withoutEmulationPrevention } from "./bit-reader.ts";

export interface HevcConfiguration {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Bytes of the length before each NAL unit. */
  readonly lengthBytes: number;
  /** Parameter sets with start codes, to go before each keyframe. */
  readonly parameterSets: Buffer;
}

const WHAT = "HEVC sequence header";
const ARRAYS_AT = 23;
const VPS = 32;
const SPS = 33;
const PPS = 34;
/** Of one frame; far above the slices that any level allows. */
const MAX_UNITS = 4_096;
const START_CODE = Buffer.from([0, 0, 0, 1]);

/** Reads a HEVCDecoderConfigurationRecord (8.3.3.1.2). @throws TruecastError protocol-violation */
export function readHevcConfiguration(payload: Uint8Array): HevcConfiguration {
  const record = viewOf(payload);
  if (record.length < ARRAYS_AT || record.readUInt8(0) !== 1) throw malformedHeader(WHAT);
  const sets: Buffer[] = [];
  let picture: { readonly widthPx: number; readonly heightPx: number } | null = null;
  let offset = ARRAYS_AT;
  const take = (bytes: number): number => {
    const start = offset;
    if (start + bytes > record.length) throw malformedHeader(WHAT);
    offset = start + bytes;
    return start;
  };
  for (let arrays = record.readUInt8(22); arrays > 0; arrays--) {
    const type = record.readUInt8(take(1)) & 0x3f;
    for (let units = record.readUInt16BE(take(2)); units > 0; units--) {
      const start = take(2);
      const unit = record.subarray(take(record.readUInt16BE(start)), offset);
      // SEI messages may stand here too; a decoder needs none.
      if (type !== VPS && type !== SPS && type !== PPS) continue;
      if (type === SPS) picture ??= readHevcSequenceParameterSet(unit);
      sets.push(START_CODE, unit);
    }
  }
  if (picture === null) throw malformedHeader(WHAT);
  return { ...picture, lengthBytes: (record.readUInt8(21) & 0x3) + 1, parameterSets: Buffer.concat(sets) };
}

/** Replaces lengths by start codes. Null for NAL units that are not as long as they say, or too many. */
export function toByteStream(payload: Uint8Array, { lengthBytes }: Pick<HevcConfiguration, "lengthBytes">): Buffer | null {
  const frame = viewOf(payload);
  const units: Buffer[] = [];
  for (let offset = 0; offset < frame.length; ) {
    if (offset + lengthBytes > frame.length || units.length >= 2 * MAX_UNITS) return null;
    const start = offset + lengthBytes;
    offset = start + frame.readUIntBE(offset, lengthBytes);
    if (offset > frame.length || offset === start) return null;
    units.push(START_CODE, frame.subarray(start, offset));
  }
  return Buffer.concat(units);
}

/** Size of the picture (7.3.2.2.1). `nal` is one NAL unit with its two header bytes. @throws TruecastError protocol-violation */
export function readHevcSequenceParameterSet(nal: Uint8Array): { readonly widthPx: number; readonly heightPx: number } {
  if ((((nal[0] ?? 0) >> 1) & 0x3f) !== SPS) throw malformedHeader(WHAT);
  const bits = createBitReader(withoutEmulationPrevention(nal.subarray(2)), WHAT);
  bits.fixed(4); // sps_video_parameter_set_id
  const subLayers = bits.fixed(3);
  bits.fixed(1); // sps_temporal_id_nesting_flag
  bits.fixed(88); // general profile, tier and constraints
  bits.fixed(8); // general_level_idc
  const present = Array.from({ length: subLayers }, () => [bits.fixed(1), bits.fixed(1)] as const);
  if (subLayers > 0) bits.fixed(2 * (8 - subLayers));
  for (const [profile, level] of present) bits.fixed(profile * 88 + level * 8);
  bits.exp(); // sps_seq_parameter_set_id
  const chromaFormat = bits.exp();
  if (chromaFormat > 3) throw malformedHeader(WHAT);
  if (chromaFormat === 3) bits.fixed(1); // separate_colour_plane_flag
  const codedWidthPx = bits.exp();
  const codedHeightPx = bits.exp();
  const [left = 0, right = 0, top = 0, bottom = 0] = bits.fixed(1) === 1 ? [bits.exp(), bits.exp(), bits.exp(), bits.exp()] : [];
  const widthPx = codedWidthPx - (left + right) * (chromaFormat === 1 || chromaFormat === 2 ? 2 : 1);
  const heightPx = codedHeightPx - (top + bottom) * (chromaFormat === 1 ? 2 : 1);
  if (widthPx < 1 || heightPx < 1) throw malformedHeader(WHAT);
  return { widthPx, heightPx };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
