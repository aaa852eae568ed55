import { expect, test } from "vitest";
import { type Health, healthAfter } from "./receiver-health.ts";
import type { Outcome } from "./receiver.ts";
import { EVENT_RETRY, RECEIVER_RETRY, retryAfterMs, retryDelayMs } from "./retry.ts";

const NOW = Date.parse("Sun, 06 Nov 1994 08:49:37 GMT");
const failed = (retryAfter: number | null = null): Outcome => ({ kind: "failed", code: "unreachable", message: "desk.example cannot be reached", retryAfterMs: retryAfter });

test("the wait has full jitter under a limit that doubles up to a longest one", () => {
  const limits = { firstMs: 1_000, maxMs: 60_000 };
  expect([1, 2, 3, 4].map((failures) => retryDelayMs(failures, limits, 0.5))).toEqual([500, 1_000, 2_000, 4_000]);
  expect(retryDelayMs(1, limits, 0)).toBe(0);
  expect([7, 100, 100_000].map((failures) => retryDelayMs(failures, limits, 0.999))).toEqual([59_940, 59_940, 59_940]);
});

test("an event has at least fifty tries in three days, and a receiver that is back is noticed within five minutes", () => {
  expect((3 * 86_400_000) / EVENT_RETRY.maxMs).toBeGreaterThanOrEqual(50);
  expect(RECEIVER_RETRY.maxMs).toBe(300_000);
});

test.each([
  ["120", 120_000],
  ["0", 0],
  ["Sun, 06 Nov 1994 08:50:37 GMT", 60_000],
  ["Sun, 06 Nov 1994 08:00:00 GMT", 0],
  ["9999999999", 86_400_000],
  ["-5", null],
  ["soon", null],
  ["1994", 1_994_000],
  ["", null],
  [undefined, null],
])("Retry-After %s is a wait of %s ms", (header, wait) => {
  expect(retryAfterMs(header, NOW)).toBe(wait);
});

test("tries that fail together count once, a success makes all well, and 410 is for good", () => {
  const after = (health: Health, outcome: Outcome, failuresAtStart: number): Health => healthAfter(health, { outcome, failuresAtStart, atMs: NOW, random: 0.5 });
  let health: Health = { kind: "ready" };
  for (let i = 0; i < 8; i++) health = after(health, failed(), 0);
  expect(health).toEqual({ kind: "retrying", failures: 1, untilMs: NOW + 1_000, sinceMs: NOW });
  expect(after(health, failed(), 1)).toMatchObject({ failures: 2, untilMs: NOW + 2_000 });
  expect(after(health, failed(90_000), 1)).toMatchObject({ untilMs: NOW + 90_000 });
  expect(after(health, { kind: "delivered" }, 0)).toEqual({ kind: "ready" });
  const gone = after(health, { kind: "gone", message: "desk.example answered 410" }, 1);
  expect(gone).toEqual({ kind: "disabled", reason: "desk.example answered 410" });
  expect(after(gone, { kind: "delivered" }, 0)).toBe(gone);
});
