/** Picture size from an H.264 sequence header, before any decoder sees it (ITU-T H.264 sections 7.3.2.1.1 and 7.4.2.1.1). */
import type { TruecastError } from "../errors.ts";
import { type BitReader, createBitReader, malformedHeader, withoutEmulationPrevention } from "./bit-reader.ts";

export interface PictureFormat {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly profileIdc: number;
}

const WHAT = "H.264 sequence header";

/** Profiles whose sequence parameter set carries chroma format and scaling lists. */
const HIGH_PROFILES: ReadonlySet<number> = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/**
 * Reads the first sequence parameter set of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.2.4.1).
 * @throws TruecastError protocol-violation
 */
export function readAvcConfiguration(record: Uint8Array): PictureFormat {
  const view = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  if (view.length < 8 || view.readUInt8(0) !== 1) throw broken();
  if ((view.readUInt8(5) & 0x1f) === 0) throw broken();
  const byteLength = view.readUInt16BE(6);
  if (byteLength < 4 || view.length < 8 + byteLength) throw broken();
  return readSequenceParameterSet(view.subarray(8, 8 + byteLength));
}

/**
 * `nal` is one NAL unit with its header byte and emulation prevention bytes.
 * @throws TruecastError protocol-violation
 */
export function readSequenceParameterSet(nal: Uint8Array): PictureFormat {
  if (((nal[0] ?? 0) & 0x1f) !== 7) throw broken();
  const bits = createBitReader(withoutEmulationPrevention(nal.subarray(1)), WHAT);
  const profileIdc = bits.fixed(8);
  bits.fixed(16); // constraint flags and level
  bits.exp(); // seq_parameter_set_id
  let chromaFormat = 1;
  if (HIGH_PROFILES.has(profileIdc)) {
    chromaFormat = bits.exp();
    if (chromaFormat > 3) throw broken();
    if (chromaFormat === 3) bits.fixed(1); // separate_colour_plane_flag
    bits.exp(); // bit_depth_luma_minus8
    bits.exp(); // bit_depth_chroma_minus8
    bits.fixed(1); // qpprime_y_zero_transform_bypass_flag
    if (bits.fixed(1) === 1) skipScalingLists(bits, chromaFormat === 3 ? 12 : 8);
  }
  bits.exp(); // log2_max_frame_num_minus4
  const orderCountType = bits.exp();
  if (orderCountType === 0) {
    bits.exp();
  } else if (orderCountType === 1) {
    bits.fixed(1);
    bits.exp();
    bits.exp();
    const cycle = bits.exp();
    if (cycle > 255) throw broken();
    for (let i = 0; i < cycle; i++) bits.exp();
  } else if (orderCountType !== 2) {
    throw broken();
  }
  bits.exp(); // max_num_ref_frames
  bits.fixed(1); // gaps_in_frame_num_value_allowed_flag
  const codedWidthPx = (bits.exp() + 1) * 16;
  const mapUnits = bits.exp() + 1;
  const frameMbsOnly = bits.fixed(1);
  const fieldFactor = 2 - frameMbsOnly;
  const codedHeightPx = mapUnits * 16 * fieldFactor;
  if (frameMbsOnly === 0) bits.fixed(1); // mb_adaptive_frame_field_flag
  bits.fixed(1); // direct_8x8_inference_flag
  const crop = bits.fixed(1) === 1 ? [bits.exp(), bits.exp(), bits.exp(), bits.exp()] : [];
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  const unitX = chromaFormat === 1 || chromaFormat === 2 ? 2 : 1;
  const unitY = (chromaFormat === 1 ? 2 : 1) * fieldFactor;
  const widthPx = codedWidthPx - (left + right) * unitX;
  const heightPx = codedHeightPx - (top + bottom) * unitY;
  if (widthPx < 1 || heightPx < 1) throw broken();
  return { widthPx, heightPx, profileIdc };
}

/** Section 7.3.2.1.1.1: the lists are not needed, but their length depends on their content. */
function skipScalingLists(bits: BitReader, count: number): void {
  for (let list = 0; list < count; list++) {
    if (bits.fixed(1) === 0) continue;
    const size = list < 6 ? 16 : 64;
    let last = 8;
    let next = 8;
    for (let i = 0; i < size; i++) {
      if (next !== 0) next = (last + bits.signedExp() + 256) % 256;
      last = next === 0 ? last : next;
    }
  }
}

function broken(): TruecastError {
  return malformedHeader(WHAT);
}
