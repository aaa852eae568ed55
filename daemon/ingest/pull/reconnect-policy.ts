/** When a source is tried again: soon after a good connection, else with a delay that doubles and is jittered. Pure. */
import type { ErrorCode } from "../../../pipelines/errors.ts";

export interface ReconnectPolicyOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly healthyAfterMs: number;
  /** From 0 up to 1; tests pass their own. */
  readonly random?: () => number;
}

export interface ReconnectPolicy {
  /** @returns milliseconds to wait after a connection that gave video for `deliveredForMs`. */
  next(end: { readonly deliveredForMs: number; readonly code: ErrorCode }): number;
}

/** What another try a second later will not change. */
const SLOW: ReadonlySet<ErrorCode> = new Set(["address-refused", "source-invalid", "codec-unsupported", "input-not-found", "input-not-media", "capacity-reached", "setup-incomplete"]);

/** Half of the delay is fixed, so that a dead server is left alone; half is random, so that sources do not come back in step. */
export function createReconnectPolicy({ firstMs, maxMs, healthyAfterMs, random = Math.random }: ReconnectPolicyOptions): ReconnectPolicy {
  let failures = 0;
  return {
    next({ deliveredForMs, code }) {
      if (deliveredForMs >= healthyAfterMs) failures = 0;
      const delayMs = SLOW.has(code) ? maxMs : Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30));
      failures++;
      return Math.round(delayMs / 2 + (delayMs / 2) * random());
    },
  };
}
