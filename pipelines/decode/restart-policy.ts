/** When a decoder that ended is started again: at once, then with growing delay, and after a storm only after a pause. */

export type RestartDecision = { readonly kind: "restart"; readonly delayMs: number } | { readonly kind: "storm"; readonly waitMs: number; readonly restarts: number };

/** Restarts within a minute; one more is a storm. */
export const MAX_RESTARTS = 8;

export interface RestartPolicy {
  /** The decoder ended at `nowMs` without being asked to. */
  ended(nowMs: number): RestartDecision;
  /** The decoder delivered a frame. */
  delivered(nowMs: number): void;
}

export interface RestartPolicyOptions {
  readonly firstDelayMs?: number;
  readonly maxDelayMs?: number;
  /** More restarts than this within `stormWindowMs` are a storm. */
  readonly maxRestarts?: number;
  readonly stormWindowMs?: number;
  readonly stormWaitMs?: number;
  /** Frames for this long after a restart, and the next failure counts as a first one. */
  readonly stableAfterMs?: number;
}

export function createRestartPolicy(options: RestartPolicyOptions = {}): RestartPolicy {
  const { firstDelayMs = 250, maxDelayMs = 10_000, maxRestarts = MAX_RESTARTS, stormWindowMs = 60_000, stormWaitMs = 30_000, stableAfterMs = 10_000 } = options;
  let restartsAtMs: number[] = [];
  let failures = 0;
  let deliveringSinceMs: number | null = null;

  return {
    ended(nowMs) {
      deliveringSinceMs = null;
      restartsAtMs = restartsAtMs.filter((atMs) => nowMs - atMs < stormWindowMs);
      if (restartsAtMs.length >= maxRestarts) {
        const restarts = restartsAtMs.length;
        restartsAtMs = [];
        failures = 0;
        return { kind: "storm", waitMs: stormWaitMs, restarts };
      }
      restartsAtMs.push(nowMs);
      const delayMs = failures === 0 ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1));
      failures++;
      return { kind: "restart", delayMs };
    },
    delivered(nowMs) {
      deliveringSinceMs ??= nowMs;
      if (nowMs - deliveringSinceMs >= stableAfterMs) failures = 0;
    },
  };
}
