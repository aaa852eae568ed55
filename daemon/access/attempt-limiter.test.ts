import { expect, test } from "vitest";
import { addressGroup, type AttemptLimits, createAttemptLimiter } from "./attempt-limiter.ts";

const LIMITS: AttemptLimits = { burst: 3, refillMs: 1_000, globalBurst: 10, globalRefillMs: 100, maxAddresses: 4 };

test("an address has a few failures, then one more each refill, and others are not touched", () => {
  const limiter = createAttemptLimiter(LIMITS);
  expect([0, 1, 2].map((atMs) => limiter.spend("192.0.2.1", atMs))).toEqual([false, false, true]);
  expect(limiter.waitMs("192.0.2.1", 2)).toBe(998);
  expect(limiter.waitMs("192.0.2.2", 2)).toBeNull();
  expect(limiter.waitMs("192.0.2.1", 1_000)).toBeNull();
  expect(limiter.spend("192.0.2.1", 1_000)).toBe(true);
  expect(limiter.waitMs("192.0.2.1", 1_500)).toBe(500);
  expect(limiter.waitMs("192.0.2.1", 60_000)).toBeNull();
});

test("guessing from many addresses at once meets the bucket of all", () => {
  const limiter = createAttemptLimiter(LIMITS);
  for (let index = 0; index < 10; index++) limiter.spend(`198.51.100.${index}`, 0);
  expect(limiter.waitMs("203.0.113.1", 0)).toBe(100);
  expect(limiter.waitMs("203.0.113.1", 100)).toBeNull();
});

test("it remembers no more addresses than it should, those of the latest failures", () => {
  const limiter = createAttemptLimiter({ ...LIMITS, globalBurst: 1e9 });
  for (let round = 0; round < 3; round++) limiter.spend("192.0.2.1", 0);
  for (let index = 0; index < 3; index++) limiter.spend(`198.51.100.${index}`, 0);
  expect([limiter.addresses, limiter.waitMs("192.0.2.1", 0)]).toEqual([4, 1_000]);
  for (let index = 0; index < 10_000; index++) limiter.spend(`2001:db8:0:${index.toString(16)}::1`, 0);
  expect(limiter.addresses).toBe(4);
});

test("a clock that goes back gives nothing", () => {
  const limiter = createAttemptLimiter(LIMITS);
  for (let round = 0; round < 3; round++) limiter.spend("192.0.2.1", 10_000);
  expect(limiter.waitMs("192.0.2.1", 5_000)).toBe(1_000);
});

test("nobody waits until a clock that was set back is where it was", () => {
  const limiter = createAttemptLimiter(LIMITS);
  for (let index = 0; index < 10; index++) limiter.spend("192.0.2.1", 86_400_000);
  expect([limiter.waitMs("192.0.2.1", 0), limiter.waitMs("203.0.113.1", 0)]).toEqual([1_000, 100]);
  expect([limiter.waitMs("192.0.2.1", 1_000), limiter.waitMs("203.0.113.1", 1_000)]).toEqual([null, null]);
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::6", "2001:db8:1:2::/64"],
  ["2001:db8:0001:2::", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8::192.0.2.1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["unknown", "unknown"],
])("%s counts as %s", (address, group) => {
  expect(addressGroup(address)).toBe(group);
});
