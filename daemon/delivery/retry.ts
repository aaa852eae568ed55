/** When a delivery that failed is tried again: pure. */

export interface RetryLimits {
  /** Longest wait before the second try; it doubles with each. */
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Between the tries of one event. */
export const EVENT_RETRY: RetryLimits = { firstMs: 2_000, maxMs: 3_600_000 };
/** Between the tries at a receiver that answers none: short, for an alert is wanted soon after it is back. */
export const RECEIVER_RETRY: RetryLimits = { firstMs: 2_000, maxMs: 300_000 };
/** No receiver can put itself off for longer. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * Exponential back-off with full jitter: anywhere between nothing and a limit that doubles each time, so that what
 * failed together does not come back together.
 * @param failures in a row, at least 1
 * @param random in [0, 1)
 */
export function retryDelayMs(failures: number, { firstMs, maxMs }: RetryLimits, random: number): number {
  return Math.ceil(Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 40)) * random);
}

/** The wait that a Retry-After header asks for (RFC 9110 section 10.2.3: seconds or a date); null for none or nonsense. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  const wanted = /^\d{1,10}$/.test(text) ? Number(text) * 1_000 : /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) - nowMs : Number.NaN;
  return Number.isNaN(wanted) ? null : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, wanted));
}
