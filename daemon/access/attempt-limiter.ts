/** Slows down guessing: failed attempts drain a bucket of the address and one of all addresses. Pure: the clock is handed in, memory is bounded. */
import { isIPv6 } from "node:net";

export interface AttemptLimits {
  /** Failures an address may have in a row. */
  readonly burst: number;
  /** One more every so often. */
  readonly refillMs: number;
  readonly globalBurst: number;
  readonly globalRefillMs: number;
  /** Addresses remembered; the one that failed longest ago is forgotten first. */
  readonly maxAddresses: number;
}

export const DEFAULT_ATTEMPT_LIMITS: AttemptLimits = { burst: 10, refillMs: 6_000, globalBurst: 200, globalRefillMs: 500, maxAddresses: 10_000 };

export interface AttemptLimiter {
  /** Milliseconds until another attempt is looked at, or null when it is looked at now. @param address or any other name under which attempts are counted */
  waitMs(address: string, nowMs: number): number | null;
  /** Counts an attempt. @returns true when it used up what the address had. */
  spend(address: string, nowMs: number): boolean;
  readonly addresses: number;
}

/** Its debt is paid off by time; a failure adds one refill's worth. Whole milliseconds, so nothing is lost to rounding. */
interface Bucket {
  debtMs: number;
  atMs: number;
}

interface Allowance {
  readonly burst: number;
  readonly refillMs: number;
}

export function createAttemptLimiter(limits: AttemptLimits = DEFAULT_ATTEMPT_LIMITS): AttemptLimiter {
  /** In order of the last failure. */
  const buckets = new Map<string, Bucket>();
  const everyone: Bucket = { debtMs: 0, atMs: 0 };
  const forAll: Allowance = { burst: limits.globalBurst, refillMs: limits.globalRefillMs };

  return {
    waitMs(address, nowMs) {
      const own = buckets.get(addressGroup(address));
      const wait = Math.max(own === undefined ? 0 : waitOf(own, limits, nowMs), waitOf(everyone, forAll, nowMs));
      return wait > 0 ? wait : null;
    },
    spend(address, nowMs) {
      const group = addressGroup(address);
      const own = buckets.get(group) ?? { debtMs: 0, atMs: nowMs };
      buckets.delete(group);
      buckets.set(group, own);
      if (buckets.size > limits.maxAddresses) buckets.delete(buckets.keys().next().value ?? group);
      charge(own, limits, nowMs);
      charge(everyone, forAll, nowMs);
      return waitOf(own, limits, nowMs) > 0;
    },
    get addresses() {
      return buckets.size;
    },
  };
}

/** A wall clock that was set back pays off nothing, but goes on from there: nobody waits until it is where it was. */
function debtOf(bucket: Bucket, nowMs: number): number {
  bucket.atMs = Math.min(bucket.atMs, nowMs);
  return Math.max(0, bucket.debtMs - (nowMs - bucket.atMs));
}

function waitOf(bucket: Bucket, { burst, refillMs }: Allowance, nowMs: number): number {
  return debtOf(bucket, nowMs) - (burst - 1) * refillMs;
}

function charge(bucket: Bucket, { burst, refillMs }: Allowance, nowMs: number): void {
  bucket.debtMs = Math.min(burst * refillMs, debtOf(bucket, nowMs) + refillMs);
  bucket.atMs = nowMs;
}

/** One IPv4 address, or the /64 that a provider gives to one IPv6 customer. */
export function addressGroup(address: string): string {
  const plain = address.replace(/%.*$/, "");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  // A dotted quad at the end stands for two groups.
  const missing = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length - (plain.includes(".") ? 1 : 0));
  const groups = [...left, ...Array.from({ length: missing }, () => "0"), ...right].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
