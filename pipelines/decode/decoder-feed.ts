/** The container in which a codec's packets go to ffmpeg's stdin: FLV for H.264, IVF for what ffmpeg 5.1 cannot take from FLV. */
import { encodeFlvTag, flvHeader } from "./flv-reader.ts";
import type { LiveVideoCodec } from "./video-tag.ts";

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
  /** What ffmpeg is told with `-c:v`, where the container cannot say it. */
  readonly decoder: string | null;
  readonly start: Buffer;
  /** Null where the codec has no header beside its keyframes. */
  header(payload: Uint8Array, timestampMs: number): Buffer | null;
  packet(packet: FedPacket): Buffer;
}

export function decoderFeed(codec: LiveVideoCodec): DecoderFeed {
  switch (codec) {
    case "h264":
      return FLV;
    case "hevc":
      // ffmpeg has no name for it in IVF, but takes its word for the decoder, and the packets' timestamps with it.
      return ivf("HEVC", "hevc");
    case "av1":
      return ivf("AV01");
    case "vp9":
      return ivf("VP90");
    case "vp8":
      return ivf("VP80");
  }
}

const FLV: DecoderFeed = {
  format: "flv",
  decoder: null,
  start: flvHeader(),
  header: (payload, timestampMs) => encodeFlvTag({ kind: "sequence-header", timestampMs, compositionMs: 0, payload }),
  packet: (packet) => encodeFlvTag(packet),
};

const FRAME_HEADER_BYTES = 12;

function ivf(fourCc: string, decoder: string | null = null): DecoderFeed {
  return {
    format: "ivf",
    decoder,
    start: ivfHeader(fourCc),
    header: () => null,
    packet({ timestampMs, compositionMs, payload }) {
      const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
      frame.writeUInt32LE(payload.length, 0);
      // Of the picture, not of decoding: ffmpeg puts pictures in order by itself.
      frame.writeBigUInt64LE(BigInt(timestampMs + compositionMs), 4);
      frame.set(payload, FRAME_HEADER_BYTES);
      return frame;
    },
  };
}

/** The time base is a millisecond, as in FLV; the size of the picture is in each keyframe, and the one here means nothing. */
function ivfHeader(fourCc: string): Buffer {
  const header = Buffer.alloc(32);
  header.write("DKIF", 0, "latin1");
  header.writeUInt16LE(32, 6);
  header.write(fourCc, 8, "latin1");
  header.writeUInt16LE(16, 12);
  header.writeUInt16LE(16, 14);
  header.writeUInt32LE(1_000, 16);
  header.writeUInt32LE(1, 20);
  return header;
}
