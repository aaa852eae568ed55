/** The container in which a codec's packets go to ffmpeg's stdin: FLV for H.264, IVF for VP8, which ffmpeg 5.1 cannot take from FLV. */
import { encodeFlvTag, flvHeader } from "./flv-reader.ts";

export type LiveVideoCodec = "h264" | "vp8";

export interface FedPacket {
  readonly kind: "keyframe" | "inter";
  /** Milliseconds since the decoder's start. */
  readonly timestampMs: number;
  readonly compositionMs: number;
  readonly payload: Uint8Array;
}

export interface DecoderFeed {
  /** What ffmpeg is told with `-f`. */
  readonly format: "flv" | "ivf";
  readonly start: Buffer;
  /** Null where the codec has no header beside its keyframes. */
  header(payload: Uint8Array, timestampMs: number): Buffer | null;
  packet(packet: FedPacket): Buffer;
}

export function decoderFeed(codec: LiveVideoCodec): DecoderFeed {
  return codec === "h264" ? FLV : IVF;
}

const FLV: DecoderFeed = {
  format: "flv",
  start: flvHeader(),
  header: (payload, timestampMs) => encodeFlvTag({ kind: "sequence-header", timestampMs, compositionMs: 0, payload }),
  packet: (packet) => encodeFlvTag(packet),
};

const FRAME_HEADER_BYTES = 12;

const IVF: DecoderFeed = {
  format: "ivf",
  start: ivfHeader(),
  header: () => null,
  packet({ timestampMs, payload }) {
    const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
    frame.writeUInt32LE(payload.length, 0);
    frame.writeBigUInt64LE(BigInt(timestampMs), 4);
    frame.set(payload, FRAME_HEADER_BYTES);
    return frame;
  },
};

/** The time base is a millisecond, as in FLV; the size of the picture is in each keyframe, and the one here means nothing. */
function ivfHeader(): Buffer {
  const header = Buffer.alloc(32);
  header.write("DKIF", 0, "latin1");
  header.writeUInt16LE(32, 6);
  header.write("VP80", 8, "latin1");
  header.writeUInt16LE(16, 12);
  header.writeUInt16LE(16, 14);
  header.writeUInt32LE(1_000, 16);
  header.writeUInt32LE(1, 20);
  return header;
}
