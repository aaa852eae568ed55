/** A publisher's FLV bytes to packets on the stream's clock: parsed, judged, timestamped, and kept for a restart. */
import { TruecastError } from "../errors.ts";
import { judgePictureSize } from "./ffmpeg-arguments.ts";
import { type FlvReader, type FlvTag, createFlvReader } from "./flv-reader.ts";
import { type DiscontinuityCause, createMediaClock } from "./media-clock.ts";
import { type ClockedPacket, type PacketHistory, type VideoHeader, createPacketHistory } from "./packet-history.ts";
import { readAvcConfiguration } from "./sequence-parameter-set.ts";
import { readVp8Keyframe } from "./vp8-keyframe.ts";

export type IntakeItem =
  | { readonly kind: "header"; readonly header: VideoHeader; readonly widthPx: number; readonly heightPx: number }
  | { readonly kind: "packet"; readonly packet: ClockedPacket; readonly discontinuity: DiscontinuityCause | null }
  /** Nothing decodable from here on, until another header is accepted. */
  | { readonly kind: "refused"; readonly error: TruecastError };

export interface PacketIntake {
  /** Takes the next bytes of the current publisher; the first ones since `endPublisher()` begin with the FLV header. */
  push(flvBytes: Uint8Array): IntakeItem[];
  /** The next bytes come from another connection; the clock goes on. */
  endPublisher(): void;
  readonly history: PacketHistory;
  /** Clock of the newest packet. */
  readonly newestMs: number;
  /** Packets before a header or of a refused format. */
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
    if (tag.codec === "vp8") return takeVp8(tag);
    if (tag.codec !== "h264") {
      packetsIgnored++;
      history.clear();
      return refuse(new TruecastError("codec-unsupported", `Video in ${tag.codec ?? "an unknown codec"} cannot be decoded from FLV; publish H.264.`));
    }
    if (tag.kind === "sequence-header") return takeHeader({ codec: "h264", payload: tag.payload }, () => readAvcConfiguration(tag.payload));
    return takeFrame(tag);
  }

  /** Its sequence header says nothing of the picture; each keyframe does. */
  function takeVp8(tag: FlvTag): IntakeItem[] {
    if (tag.kind === "sequence-header") return [];
    if (tag.kind !== "keyframe") return takeFrame(tag);
    try {
      const picture = readVp8Keyframe(tag.payload);
      return [...takeHeader({ codec: "vp8", payload: picture.sizeBytes }, () => picture), ...takeFrame(tag)];
    } catch (error) {
      if (!(error instanceof TruecastError)) throw error;
      return refuse(error);
    }
  }

  function takeFrame(tag: FlvTag): IntakeItem[] {
    if (tag.kind !== "keyframe" && tag.kind !== "inter") return [];
    if (refusal !== null || history.header === null) {
      packetsIgnored++;
      return [];
    }
    const { ptsMs: clockMs, discontinuity } = clock.advance(tag.timestampMs);
    newestMs = clockMs;
    const compositionMs = Math.min(MAX_COMPOSITION_MS, Math.max(0, tag.compositionMs));
    const packet = { kind: tag.kind, timestampMs: tag.timestampMs, clockMs, compositionMs, payload: tag.payload };
    history.add(packet);
    return [{ kind: "packet", packet, discontinuity }];
  }

  function takeHeader(header: VideoHeader, read: () => { readonly widthPx: number; readonly heightPx: number }): IntakeItem[] {
    if (!history.sequenceHeader(header)) return [];
    try {
      const { widthPx, heightPx } = read();
      const verdict = judgePictureSize(widthPx, heightPx);
      if (verdict.kind === "refused") return refuse(new TruecastError("picture-size-refused", verdict.message));
      refusal = null;
      return [{ kind: "header", header, widthPx, heightPx }];
    } catch (error) {
      if (!(error instanceof TruecastError)) throw error;
      return refuse(error);
    }
  }

  return {
    push(flvBytes) {
      if (reader === "broken") return [];
      if (reader === "none") reader = createFlvReader(options.maxTagBytes === undefined ? {} : { maxTagBytes: options.maxTagBytes });
      try {
        return reader.push(flvBytes).flatMap(takeTag);
      } catch (error) {
        if (!(error instanceof TruecastError)) throw error;
        reader = "broken";
        history.clear();
        return refuse(error);
      }
    },
    endPublisher() {
      if (reader === "none") return;
      reader = "none";
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
