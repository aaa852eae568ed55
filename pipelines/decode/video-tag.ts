/** The body of an FLV video tag, legacy (FLV 10.1, E.4.3) and Enhanced RTMP v2, understood in one place for ingest and decoder. Pure. */

export type LiveVideoCodec = "h264" | "hevc" | "av1" | "vp9" | "vp8";

export type VideoTag =
  /** `payload`: the codec's configuration record; empty where its keyframes say all. */
  | { readonly kind: "sequence-header"; readonly codec: LiveVideoCodec; readonly compositionMs: 0; readonly payload: Buffer }
  /** `compositionMs`: PTS minus DTS as sent; 0 where the codec has none. */
  | { readonly kind: "keyframe" | "inter"; readonly codec: LiveVideoCodec; readonly compositionMs: number; readonly payload: Buffer }
  | { readonly kind: "end-of-sequence"; readonly codec: LiveVideoCodec; readonly compositionMs: 0; readonly payload: Buffer }
  /** Carries no picture: a command to a player, metadata, or too short to be anything. */
  | { readonly kind: "empty" }
  /** `name` is fit to be shown to people. */
  | { readonly kind: "unsupported"; readonly name: string };

/** Of all that can be decoded, as an instruction to who sends something else. */
export const LIVE_CODEC_NAMES = "H.264, HEVC, AV1, VP9 or VP8";

export const FOUR_CCS: Readonly<Record<string, LiveVideoCodec>> = { avc1: "h264", hvc1: "hevc", av01: "av1", vp09: "vp9", vp08: "vp8" };

/** Both have AVC's packet type and composition time; 12 is the extension of Chinese encoders for HEVC. */
const LEGACY_CODECS: Readonly<Record<number, LiveVideoCodec>> = { 7: "h264", 12: "hevc" };
const LEGACY_NAMES: Readonly<Record<number, string>> = {
  2: "Sorenson H.263 (flv1)",
  3: "Screen video",
  4: "VP6",
  5: "VP6 with alpha",
  6: "Screen video 2",
  8: "H.263",
  9: "MPEG-4 part 2",
  13: "AV1 outside of Enhanced RTMP",
};

const FRAME_COMMAND = 5;
const PACKET = { sequenceStart: 0, codedFrames: 1, sequenceEnd: 2, codedFramesX: 3, metadata: 4, mpeg2TsSequenceStart: 5, multitrack: 6, modEx: 7 } as const;
const EMPTY: VideoTag = { kind: "empty" };
const NOTHING = Buffer.alloc(0);

export function readVideoTag(body: Buffer): VideoTag {
  const first = body[0];
  if (first === undefined || body.length < 2) return EMPTY;
  const frameType = (first >> 4) & 0x7;
  const frameKind = frameType === 1 || frameType === 4 ? "keyframe" : "inter";
  if ((first & 0x80) !== 0) return readEnhanced(body, { frameType, frameKind });
  if (frameType === FRAME_COMMAND) return EMPTY;
  const codec = LEGACY_CODECS[first & 0xf];
  if (codec === undefined) return { kind: "unsupported", name: LEGACY_NAMES[first & 0xf] ?? `FLV codec ${first & 0xf}` };
  if (body.length < 5) return EMPTY;
  return packetOf(body.readUInt8(1), { codec, frameKind, compositionMs: body.readIntBE(2, 3), payload: body.subarray(5) });
}

interface Frame {
  readonly codec: LiveVideoCodec;
  readonly frameKind: "keyframe" | "inter";
  readonly compositionMs: number;
  readonly payload: Buffer;
}

function packetOf(packetType: number, { codec, frameKind, compositionMs, payload }: Frame): VideoTag {
  switch (packetType) {
    case PACKET.sequenceStart:
      return payload.length === 0 ? EMPTY : { kind: "sequence-header", codec, compositionMs: 0, payload };
    case PACKET.codedFrames:
      return payload.length === 0 ? EMPTY : { kind: frameKind, codec, compositionMs, payload };
    case PACKET.sequenceEnd:
      return { kind: "end-of-sequence", codec, compositionMs: 0, payload };
    default:
      return EMPTY;
  }
}

/** ExVideoTagHeader of Enhanced RTMP v2; v1 is the part of it without ModEx and Multitrack. */
function readEnhanced(body: Buffer, { frameType, frameKind }: { readonly frameType: number; readonly frameKind: "keyframe" | "inter" }): VideoTag {
  let packetType = body.readUInt8(0) & 0xf;
  let offset = 1;
  // Each modifier takes three bytes and more. All that is defined so far are nanoseconds, and the media clock counts milliseconds.
  while (packetType === PACKET.modEx) {
    if (offset + 3 > body.length) return EMPTY;
    let size = body.readUInt8(offset) + 1;
    offset += 1;
    if (size === 256) {
      size = body.readUInt16BE(offset) + 1;
      offset += 2;
    }
    offset += size;
    const next = body[offset];
    if (next === undefined) return EMPTY;
    packetType = next & 0xf;
    offset += 1;
  }
  if (packetType === PACKET.metadata || frameType === FRAME_COMMAND) return EMPTY;
  if (packetType === PACKET.multitrack) return { kind: "unsupported", name: "multitrack video" };
  if (offset + 4 > body.length) return EMPTY;
  const fourCc = body.toString("latin1", offset, offset + 4);
  const codec = FOUR_CCS[fourCc];
  if (codec === undefined) return { kind: "unsupported", name: nameOf(fourCc) };
  const rest = body.subarray(offset + 4);
  switch (packetType) {
    case PACKET.codedFrames: {
      if (codec !== "h264" && codec !== "hevc") break;
      if (rest.length < 3) return EMPTY;
      return packetOf(packetType, { codec, frameKind, compositionMs: rest.readIntBE(0, 3), payload: rest.subarray(3) });
    }
    case PACKET.codedFramesX:
      return packetOf(PACKET.codedFrames, { codec, frameKind, compositionMs: 0, payload: rest });
    case PACKET.mpeg2TsSequenceStart:
      // Its descriptor holds no sequence header, so each keyframe must.
      return codec === "av1" ? { kind: "sequence-header", codec, compositionMs: 0, payload: NOTHING } : EMPTY;
  }
  return packetOf(packetType, { codec, frameKind, compositionMs: 0, payload: rest });
}

/** The four bytes are the sender's own. */
function nameOf(fourCc: string): string {
  if (fourCc === "vvc1") return "VVC (vvc1)";
  return /^[A-Za-z0-9]{4}$/.test(fourCc) ? `an unknown Enhanced RTMP codec (${fourCc})` : "an unknown Enhanced RTMP codec";
}
