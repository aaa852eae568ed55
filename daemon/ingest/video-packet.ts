/** Tells what a video packet is from its first bytes (FLV specification 10.1, E.4.3; Enhanced RTMP v1). */

export type VideoPacketKind =
  | { readonly kind: "sequence-header"; readonly codec: "h264" | "vp8" }
  | { readonly kind: "keyframe" }
  | { readonly kind: "interframe" }
  /** Carries no picture: end of sequence, command frame, or too short to be anything. */
  | { readonly kind: "empty" }
  | { readonly kind: "unsupported"; readonly codec: string };

const LEGACY_CODECS: Readonly<Record<number, string>> = {
  2: "Sorenson H.263 (flv1)",
  3: "Screen video",
  4: "VP6",
  5: "VP6 with alpha",
  6: "Screen video 2",
  8: "H.263",
  9: "MPEG-4 part 2",
  12: "HEVC",
  13: "AV1",
};

const FOURCC_CODECS: Readonly<Record<string, string>> = { hvc1: "HEVC", av01: "AV1", vp09: "VP9", avc1: "H.264 as Enhanced RTMP", vvc1: "VVC" };

export function classifyVideoPacket(payload: Buffer): VideoPacketKind {
  const [first, second] = payload;
  if (first === undefined || second === undefined) return { kind: "empty" };
  if ((first & 0x80) !== 0) {
    // Enhanced RTMP. ffmpeg 5.1 cannot demux it from FLV; VP8 is taken out of it before ffmpeg.
    if (payload.length < 5) return { kind: "empty" };
    const fourCc = payload.toString("latin1", 1, 5);
    if (fourCc === "vp08") return classifyEnhanced(first, "vp8");
    return { kind: "unsupported", codec: FOURCC_CODECS[fourCc] ?? "an unknown Enhanced RTMP codec" };
  }
  const frameType = first >> 4;
  const codecId = first & 0x0f;
  if (frameType === 5) return { kind: "empty" };
  if (codecId !== 7) return { kind: "unsupported", codec: LEGACY_CODECS[codecId] ?? `FLV codec ${codecId}` };
  if (payload.length < 6) return { kind: "empty" };
  if (second === 0) return { kind: "sequence-header", codec: "h264" };
  if (second !== 1) return { kind: "empty" };
  return { kind: frameType === 1 || frameType === 4 ? "keyframe" : "interframe" };
}

/** Packet types of Enhanced RTMP v1: 0 sequence start, 1 and 3 coded frames, 2 sequence end. */
function classifyEnhanced(first: number, codec: "vp8"): VideoPacketKind {
  const packetType = first & 0x0f;
  const frameType = (first >> 4) & 0x07;
  if (packetType === 0) return { kind: "sequence-header", codec };
  if ((packetType !== 1 && packetType !== 3) || frameType === 5) return { kind: "empty" };
  return { kind: frameType === 1 || frameType === 4 ? "keyframe" : "interframe" };
}
