/** Encoded frames as the bodies of FLV video tags (FLV 10.1, E.4.3; Enhanced RTMP), the form in which video leaves the ingest. Pure. */
import type { VideoFrame } from "./video-frames.ts";

/** One tag for a frame, and before it the sequence header when the frame is a keyframe. */
export function flvPayloads(frame: VideoFrame): { readonly header: Buffer | null; readonly frame: Buffer } {
  if (frame.codec === "vp8") {
    return { header: frame.keyframe ? VP8_HEADER : null, frame: Buffer.concat([frame.keyframe ? VP8_KEYFRAME : VP8_INTERFRAME, frame.data]) };
  }
  const body: Buffer[] = [Buffer.from([frame.keyframe ? 0x17 : 0x27, 1, 0, 0, 0])];
  for (const unit of frame.units) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(unit.length);
    body.push(length, unit);
  }
  return { header: frame.parameterSets === null ? null : avcHeader(frame.parameterSets.sps, frame.parameterSets.pps), frame: Buffer.concat(body) };
}

const VP8_FOUR_CC = Buffer.from("vp08");
/** VPCodecConfigurationRecord: profile 0, 8 bits, 4:2:0; the picture's size is in each keyframe. */
const VP8_HEADER = Buffer.concat([Buffer.from([0x90]), VP8_FOUR_CC, Buffer.from([1, 0, 0, 0, 0, 10, 0x82, 1, 1, 1, 0, 0])]);
const VP8_KEYFRAME = Buffer.concat([Buffer.from([0x91]), VP8_FOUR_CC]);
const VP8_INTERFRAME = Buffer.concat([Buffer.from([0xa1]), VP8_FOUR_CC]);

/** AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) with lengths of four bytes. */
function avcHeader(sps: Buffer, pps: Buffer): Buffer {
  const lengthOf = (unit: Buffer): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(unit.length & 0xffff);
    return length;
  };
  return Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0, 1, sps[1] ?? 0, sps[2] ?? 0, sps[3] ?? 0, 0xff, 0xe1]), lengthOf(sps), sps, Buffer.from([1]), lengthOf(pps), pps]);
}
