/** What a live decoder tells the outside: its state, its events and its counters. */
import type { ErrorCode, TruecastError } from "../errors.ts";
import type { LossReason } from "../types.ts";
import type { DiscontinuityCause } from "./media-clock.ts";
import type { LiveVideoCodec } from "./video-tag.ts";

export type RestartCause = "stalled" | "exited";

export type DecoderState =
  /** No decodable video arrives. */
  | { readonly kind: "idle" }
  /** ffmpeg was started for a new publisher; no frame yet. */
  | { readonly kind: "starting" }
  | { readonly kind: "decoding" }
  /** Frames stopped at `sinceMs` (`performance.now()`); a restart is under way. */
  | { readonly kind: "recovering"; readonly cause: RestartCause; readonly sinceMs: number }
  /** Restarted too often; the next try is at `retryAtMs` (`performance.now()`). */
  | { readonly kind: "storm"; readonly cause: RestartCause; readonly sinceMs: number; readonly retryAtMs: number }
  /** The video that arrives is not analysed; another sequence header may end it. */
  | { readonly kind: "refused"; readonly code: ErrorCode }
  | { readonly kind: "closed" };

export type DecoderEvent =
  | { readonly kind: "state"; readonly state: DecoderState }
  /** From the sequence header: what the publisher sends. */
  | { readonly kind: "source-format"; readonly codec: LiveVideoCodec; readonly widthPx: number; readonly heightPx: number }
  /** Size of the frames from here on. */
  | { readonly kind: "frame-size"; readonly widthPx: number; readonly heightPx: number }
  | { readonly kind: "restart"; readonly cause: RestartCause; readonly delayMs: number; readonly error: TruecastError }
  | { readonly kind: "storm"; readonly waitMs: number; readonly restarts: number; readonly error: TruecastError }
  /** Frames again; `downMs` since the decoder was found stalled or gone. */
  | { readonly kind: "recovered"; readonly cause: RestartCause; readonly downMs: number }
  | { readonly kind: "discontinuity"; readonly cause: DiscontinuityCause }
  /** At most one a second; messages of ffmpeg are in the log at debug level only. */
  | { readonly kind: "decode-errors"; readonly count: number }
  /** Estimate: empty slots between two frames where a loss is known. */
  | { readonly kind: "frames-lost"; readonly reason: LossReason; readonly count: number }
  | { readonly kind: "frames-discarded"; readonly reason: "same-slot"; readonly count: number }
  /** The video is refused (picture-size-refused, codec-unsupported) or no FLV at all (protocol-violation). */
  | { readonly kind: "refused"; readonly error: TruecastError };

export interface DecoderCounters {
  readonly framesDelivered: number;
  readonly restarts: number;
  readonly decodeErrors: number;
  readonly discontinuities: number;
  /** Packets not fed because the decoder did not take them. */
  readonly packetsDropped: number;
  /** Packets before a sequence header or of a refused format. */
  readonly packetsIgnored: number;
}
