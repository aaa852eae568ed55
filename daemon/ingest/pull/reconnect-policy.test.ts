import { expect, test } from "vitest";
import { createReconnectPolicy } from "./reconnect-policy.ts";

const options = { firstMs: 1_000, maxMs: 30_000, healthyAfterMs: 30_000 };
const broke = { deliveredForMs: 0, code: "unreachable" } as const;

test("the wait doubles up to its longest, and starts over after a good connection", () => {
  const policy = createReconnectPolicy({ ...options, random: () => 1 });
  expect(Array.from({ length: 7 }, () => policy.next(broke))).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  expect(policy.next({ ...broke, deliveredForMs: 29_999 })).toBe(30_000);
  expect(policy.next({ ...broke, deliveredForMs: 30_000 })).toBe(1_000);
});

test("a source that connects and breaks off at once does not storm", () => {
  const policy = createReconnectPolicy({ ...options, random: () => 0 });
  let waitedMs = 0;
  for (let i = 0; i < 10; i++) waitedMs += policy.next({ code: "source-ended", deliveredForMs: 500 });
  expect(waitedMs).toBeGreaterThan(60_000);
});

test("half of the wait is random", () => {
  expect(createReconnectPolicy({ ...options, random: () => 0 }).next(broke)).toBe(500);
  expect(createReconnectPolicy({ ...options, random: () => 0.5 }).next(broke)).toBe(750);
});

test("what another try will not change is tried rarely", () => {
  for (const code of ["address-refused", "codec-unsupported", "source-invalid", "capacity-reached"] as const) {
    expect(createReconnectPolicy({ ...options, random: () => 1 }).next({ code, deliveredForMs: 0 })).toBe(30_000);
  }
});

test("a thousand failures do not overflow", () => {
  const policy = createReconnectPolicy({ ...options, random: () => 1 });
  for (let i = 0; i < 1_000; i++) policy.next(broke);
  expect(policy.next(broke)).toBe(30_000);
});
