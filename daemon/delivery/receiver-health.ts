/** Whether a receiver is sent to at full width, tried now and then, or left alone: pure. */
import type { Outcome } from "./receiver.ts";
import { RECEIVER_RETRY, retryDelayMs } from "./retry.ts";

export type Health =
  | { readonly kind: "ready" }
  /** One message at a time, from `untilMs` on, until one is delivered. */
  | { readonly kind: "retrying"; readonly failures: number; readonly untilMs: number; readonly sinceMs: number }
  | { readonly kind: "disabled"; readonly reason: string };

/** A try as it ended, and how many failures in a row there were when it began. */
export interface Tried {
  readonly outcome: Outcome;
  readonly failuresAtStart: number;
  readonly atMs: number;
  readonly random: number;
}

export function failuresOf(health: Health): number {
  return health.kind === "retrying" ? health.failures : 0;
}

export function healthAfter(health: Health, { outcome, failuresAtStart, atMs, random }: Tried): Health {
  if (health.kind === "disabled") return health;
  switch (outcome.kind) {
    case "delivered":
      return { kind: "ready" };
    case "gone":
      return { kind: "disabled", reason: outcome.message };
    case "failed": {
      const before = failuresOf(health);
      // Tries that were under way together fail together: that is one failure of the receiver.
      const failures = Math.max(before, failuresAtStart + 1);
      const delayMs = failures > before ? retryDelayMs(failures, RECEIVER_RETRY, random) : 0;
      const untilMs = Math.max(health.kind === "retrying" ? health.untilMs : 0, atMs + delayMs, atMs + (outcome.retryAfterMs ?? 0));
      return { kind: "retrying", failures, untilMs, sinceMs: health.kind === "retrying" ? health.sinceMs : atMs };
    }
  }
}
