/** Encoded frames as the bodies of FLV video tags (FLV 10.1, E.4.3; Enhanced RTMP), the form in which video leaves the ingest. Pure. */
import { readAv1SequenceHeader, readAv1Units } from "../../../pipelines/decode/av1-units.ts";
import type { VideoFrame } from "./frame-parts.ts";

/** One tag for a frame, and before it the sequence header when the frame is a keyframe. */
export function flvPayloads(frame: VideoFrame): { readonly header: Buffer | null; readonly frame: Buffer } {
  if (frame.codec !== "h264") {
    const fourCc = FOUR_CCS[frame.codec];
    const configuration = frame.codec === "av1" ? frame.sequenceHeader && av1Configuration(frame.sequenceHeader) : frame.keyframe ? VP_CONFIGURATION : null;
    return {
      header: configuration && Buffer.concat([SEQUENCE_START, fourCc, configuration]),
      frame: Buffer.concat([frame.keyframe ? CODED_KEYFRAME : CODED_INTERFRAME, fourCc, frame.data]),
    };
  }
  const body: Buffer[] = [Buffer.from([frame.keyframe ? 0x17 : 0x27, 1, 0, 0, 0])];
  for (const unit of frame.units) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(unit.length);
    body.push(length, unit);
  }
  return { header: frame.parameterSets === null ? null : avcHeader(frame.parameterSets.sps, frame.parameterSets.pps), frame: Buffer.concat(body) };
}

const FOUR_CCS = { vp8: Buffer.from("vp08"), vp9: Buffer.from("vp09"), av1: Buffer.from("av01") } as const;
/** Enhanced RTMP's first byte: frame type and packet type. */
const SEQUENCE_START = Buffer.from([0x90]);
const CODED_KEYFRAME = Buffer.from([0x91]);
const CODED_INTERFRAME = Buffer.from([0xa1]);
/** VPCodecConfigurationRecord: profile 0, 8 bits, 4:2:0. The decoder asks the keyframes, which say it all. */
const VP_CONFIGURATION = Buffer.from([1, 0, 0, 0, 0, 10, 0x82, 1, 1, 1, 0, 0]);

/** AV1CodecConfigurationRecord. Its flags of depth and chroma stay zero: the sequence header within says them, and is what counts. */
function av1Configuration(sequenceHeader: Buffer): Buffer | null {
  const [unit] = readAv1Units(sequenceHeader) ?? [];
  if (unit === undefined) return null;
  const { profile, level } = readAv1SequenceHeader(unit.payload);
  return Buffer.concat([Buffer.from([0x81, (profile << 5) | level, 0, 0]), sequenceHeader]);
}

/** AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) with lengths of four bytes. */
function avcHeader(sps: Buffer, pps: Buffer): Buffer {
  const lengthOf = (unit: Buffer): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(unit.length & 0xffff);
    return length;
  };
  return Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0, 1, sps[1] ?? 0, sps[2] ?? 0, sps[3] ?? 0, 0xff, 0xe1]), lengthOf(sps), sps, Buffer.from([1]), lengthOf(pps), pps]);
}
