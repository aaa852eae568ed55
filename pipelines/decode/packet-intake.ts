/** A publisher's FLV bytes to packets on the stream's clock: parsed, judged, timestamped, and kept for a restart. */
import { TruecastError } from "../errors.ts";
import { type CodecReader, type Picture, createCodecReader } from "./codec-reader.ts";
import { judgePictureSize } from "./ffmpeg-arguments.ts";
import { type FlvReader, type FlvTag, createFlvReader } from "./flv-reader.ts";
import { type DiscontinuityCause, createMediaClock } from "./media-clock.ts";
import { type ClockedPacket, type PacketHistory, type VideoHeader, createPacketHistory } from "./packet-history.ts";
import { LIVE_CODEC_NAMES } from "./video-tag.ts";

export type IntakeItem =
  | { readonly kind: "header"; readonly header: VideoHeader; readonly widthPx: number; readonly heightPx: number }
  | { readonly kind: "packet"; readonly packet: ClockedPacket; readonly discontinuity: DiscontinuityCause | null }
  /** Nothing decodable from here on, until another header is accepted. */
  | { readonly kind: "refused"; readonly error: TruecastError };

export interface PacketIntake {
  /**
   * Takes the next bytes of the current publisher; the first ones since `endPublisher()` begin with the FLV header. Item by
   * item, so that `history` ends with the item in hand: a decoder begun with it must get neither too much nor anything twice.
   */
  push(flvBytes: Uint8Array): Iterable<IntakeItem>;
  /** The next bytes come from another connection; the clock goes on. */
  endPublisher(): void;
  readonly history: PacketHistory;
  /** Clock of the newest packet. */
  readonly newestMs: number;
  /** Packets before a header, of a refused format, or that cannot be read. */
  readonly packetsIgnored: number;
}

export interface PacketIntakeOptions {
  readonly maxHistoryBytes: number;
  readonly maxTagBytes?: number;
}

/** Composition times beyond this are nonsense, and would carry the slots of the clock away with them. */
const MAX_COMPOSITION_MS = 2000;

export function createPacketIntake(options: PacketIntakeOptions): PacketIntake {
  const clock = createMediaClock({ startMs: 0 });
  const history = createPacketHistory({ maxBytes: options.maxHistoryBytes });
  let reader: FlvReader | "none" | "broken" = "none";
  let codec: CodecReader | null = null;
  let refusal: TruecastError | null = null;
  let newestMs = 0;
  let packetsIgnored = 0;

  function refuse(error: TruecastError): IntakeItem[] {
    history.dropPackets();
    if (refusal?.code === error.code) return [];
    refusal = error;
    return [{ kind: "refused", error }];
  }

  function takeTag(tag: FlvTag): IntakeItem[] {
    if (tag.kind === "other" || tag.kind === "end-of-sequence") return [];
    if (tag.kind === "unsupported" || tag.codec === null) {
      packetsIgnored++;
      history.clear();
      return refuse(new TruecastError("codec-unsupported", `The publisher sends ${tag.codecName}; publish ${LIVE_CODEC_NAMES}.`));
    }
    if (codec?.codec !== tag.codec) codec = createCodecReader(tag.codec);
    try {
      if (tag.kind === "sequence-header") return takePicture(codec.header(tag.payload));
      if (tag.kind === "inter") return takeFrame(tag, "inter", codec.inter(tag.payload));
      const { picture, payload } = codec.keyframe(tag.payload);
      return [...takePicture(picture), ...takeFrame(tag, "keyframe", payload)];
    } catch (error) {
      if (!(error instanceof TruecastError)) throw error;
      return refuse(error);
    }
  }

  function takePicture(picture: Picture | null): IntakeItem[] {
    if (picture === null) return [];
    // What was refused in between may be good again with the header that was in force before.
    if (!history.sequenceHeader(picture.header) && refusal === null) return [];
    const { header, widthPx, heightPx } = picture;
    const verdict = judgePictureSize(widthPx, heightPx);
    if (verdict.kind === "refused") return refuse(new TruecastError("picture-size-refused", verdict.message));
    refusal = null;
    return [{ kind: "header", header, widthPx, heightPx }];
  }

  function takeFrame(tag: FlvTag, kind: "keyframe" | "inter", payload: Uint8Array | null): IntakeItem[] {
    if (refusal !== null || payload === null || history.header?.codec !== tag.codec) {
      packetsIgnored++;
      return [];
    }
    const { ptsMs: clockMs, discontinuity } = clock.advance(tag.timestampMs);
    newestMs = clockMs;
    const compositionMs = Math.min(MAX_COMPOSITION_MS, Math.max(0, tag.compositionMs));
    const packet = { kind, timestampMs: tag.timestampMs, clockMs, compositionMs, payload };
    history.add(packet);
    return [{ kind: "packet", packet, discontinuity }];
  }

  return {
    *push(flvBytes) {
      if (reader === "broken") return;
      if (reader === "none") reader = createFlvReader(options.maxTagBytes === undefined ? {} : { maxTagBytes: options.maxTagBytes });
      let tags: readonly FlvTag[];
      try {
        tags = reader.push(flvBytes);
      } catch (error) {
        if (!(error instanceof TruecastError)) throw error;
        reader = "broken";
        history.clear();
        yield* refuse(error);
        return;
      }
      for (const tag of tags) yield* takeTag(tag);
    },
    endPublisher() {
      if (reader === "none") return;
      reader = "none";
      codec = null;
      refusal = null;
      clock.interrupt();
      history.clear();
    },
    history,
    get newestMs() {
      return newestMs;
    },
    get packetsIgnored() {
      return packetsIgnored;
    },
  };
}
