/** The life of one stream as a pure state machine: what happened, what follows, and for how long a lost publisher is waited for. */
import type { ErrorCode } from "../../pipelines/errors.ts";
import type { PublisherProtocol } from "../protocol.ts";

export interface Reason {
  /** `closed`: the publisher itself ended the connection. */
  readonly code: ErrorCode | "closed";
  readonly message: string;
}

export interface PublisherSession {
  readonly sessionId: string;
  readonly protocol: PublisherProtocol;
  /** Wall clock, for display. Milliseconds since the Unix epoch. */
  readonly connectedAt: number;
}

export type StreamLife =
  | { readonly kind: "waiting"; readonly reason: Reason | null }
  | { readonly kind: "starting"; readonly session: PublisherSession }
  | { readonly kind: "live"; readonly session: PublisherSession }
  | { readonly kind: "stalled"; readonly session: PublisherSession; readonly reason: Reason }
  | { readonly kind: "reconnecting"; readonly reason: Reason; /** Monotonic clock, milliseconds. */ readonly untilMs: number }
  | { readonly kind: "failed"; readonly session: PublisherSession | null; readonly reason: Reason };

export type StreamEvent =
  | { readonly kind: "published"; readonly session: PublisherSession }
  | { readonly kind: "frame" }
  | { readonly kind: "stalled"; readonly sessionId: string; readonly reason: Reason }
  | { readonly kind: "resumed"; readonly sessionId: string }
  | { readonly kind: "decoder-recovering"; readonly reason: Reason }
  | { readonly kind: "decoder-failed"; readonly reason: Reason }
  | { readonly kind: "publisher-lost"; readonly sessionId: string; readonly reason: Reason }
  | { readonly kind: "ingest-lost"; readonly reason: Reason }
  | { readonly kind: "tick" };

/** A publisher that cannot be served now, however often it comes back. */
const HOPELESS: ReadonlySet<Reason["code"]> = new Set(["codec-unsupported", "no-video", "picture-size-refused", "input-not-media"]);

/** A stall that is not the publisher's. */
const DECODER_REASONS: ReadonlySet<Reason["code"]> = new Set(["decoder-exited", "decoder-stalled"]);

/**
 * The state after an event. Events of a session that is no longer the current one change nothing.
 * @param nowMs monotonic clock, milliseconds
 */
export function nextLife(life: StreamLife, event: StreamEvent, { nowMs, graceMs }: { nowMs: number; graceMs: number }): StreamLife {
  switch (event.kind) {
    case "published":
      return { kind: "starting", session: event.session };
    case "frame":
      return life.kind === "starting" || life.kind === "stalled" || (life.kind === "failed" && life.session) ? { kind: "live", session: life.session as PublisherSession } : life;
    case "stalled":
      return isCurrent(life, event.sessionId) && (life.kind === "live" || life.kind === "starting") ? { kind: "stalled", session: life.session, reason: event.reason } : life;
    case "resumed":
      return isCurrent(life, event.sessionId) && life.kind === "stalled" ? { kind: "starting", session: life.session } : life;
    case "decoder-recovering":
      // A decoder may fail before its first frame, and for another reason than the time before.
      return life.kind === "live" || life.kind === "starting" || (life.kind === "stalled" && DECODER_REASONS.has(life.reason.code)) ? { kind: "stalled", session: life.session, reason: event.reason } : life;
    case "decoder-failed":
      return "session" in life && life.session ? { kind: "failed", session: life.session, reason: event.reason } : life;
    case "publisher-lost":
      return isCurrent(life, event.sessionId) ? afterLoss(life, event.reason, nowMs + graceMs) : life;
    case "ingest-lost":
      return "session" in life && life.session ? afterLoss(life, event.reason, nowMs + graceMs) : life;
    case "tick":
      return life.kind === "reconnecting" && nowMs >= life.untilMs ? { kind: "waiting", reason: life.reason } : life;
  }
}

function afterLoss(life: StreamLife, reason: Reason, untilMs: number): StreamLife {
  if (HOPELESS.has(reason.code)) return { kind: "failed", session: null, reason };
  if (life.kind === "failed" && HOPELESS.has(life.reason.code)) return { kind: "failed", session: null, reason: life.reason };
  return { kind: "reconnecting", reason, untilMs };
}

function isCurrent(life: StreamLife, sessionId: string): boolean {
  return "session" in life && life.session?.sessionId === sessionId;
}

/** True when nobody publishes and nobody is waited for: tracks and windows may be forgotten. */
export function isOver(life: StreamLife): boolean {
  return life.kind === "waiting" || (life.kind === "failed" && life.session === null);
}
