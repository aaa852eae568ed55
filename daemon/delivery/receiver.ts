/** What a receiver of events is to the deliveries: a name, a filter, and something that sends. */
import type { ErrorCode } from "../../pipelines/errors.ts";
import type { AlertEvent, AlertEventKind, AlertRule, ReceiverType } from "../protocol.ts";

/** Null: all of them. */
export interface ReceiverFilter {
  readonly streams: readonly string[] | null;
  readonly rules: readonly AlertRule[] | null;
  readonly kinds: readonly AlertEventKind[] | null;
}

/** What came of one try. Messages name host and status, never a path, a secret or what the other side wrote. */
export type Outcome =
  | { readonly kind: "delivered" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string; /** What the other side asked for. */ readonly retryAfterMs: number | null }
  /** It wants nothing any more: nothing is sent until somebody enables it again. */
  | { readonly kind: "gone"; readonly message: string };

/** How many events the next message may carry, or how long to wait for it. */
export type Pace = { readonly events: number } | { readonly waitMs: number };

export interface Sender {
  /** Scheme, host and port; for people. */
  readonly address: string;
  /** Messages under way at one time. */
  readonly maxInFlight: number;
  /** Absent: one event a message, as fast as it goes. */
  readonly pace?: (nowMs: number) => Pace;
  /** Rejects only with the signal's reason. */
  send(events: readonly AlertEvent[], signal: AbortSignal): Promise<Outcome>;
  /** A message that says it is a test. */
  test(id: string, signal: AbortSignal): Promise<Outcome>;
  /** Sent again at this interval while they fire. */
  readonly resend?: { readonly everyMs: number; send(firing: readonly AlertEvent["alert"][], signal: AbortSignal): Promise<Outcome> };
  close(): void;
}

export interface Receiver {
  readonly name: string;
  readonly type: ReceiverType;
  readonly filter: ReceiverFilter;
  /** Digest of what makes it another receiver: with another one it is enabled again. */
  readonly configDigest: string;
  readonly sender: Sender;
}

export function matches({ streams, rules, kinds }: ReceiverFilter, { kind, alert }: Pick<AlertEvent, "kind" | "alert">): boolean {
  return (streams === null || streams.includes(alert.stream)) && (rules === null || rules.includes(alert.rule)) && (kinds === null || kinds.includes(kind));
}
