/** The secret of an access token: how it is drawn, told apart from anything else, and what of it is kept. */
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

const PREFIX = "tc_";
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 62 to the 43rd is more than 2 to the 256th. */
const RANDOM_LENGTH = 43;
/** 62 to the 6th is more than 2 to the 32nd. */
const CHECKSUM_LENGTH = 6;

/** For secret scanners; docs/access.md gives it too. */
export const TOKEN_PATTERN = /^tc_[0-9A-Za-z]{49}$/;

/**
 * `tc_`, 256 random bits and the CRC-32 of what precedes it, both in base 62: a scanner that finds one in a repository or a
 * log knows it from chance without asking anybody, and a slip of the pen is seen before the store is asked.
 */
export function makeToken(): string {
  const body = PREFIX + base62(BigInt(`0x${randomBytes(32).toString("hex")}`), RANDOM_LENGTH);
  return body + checksum(body);
}

export function isTokenShaped(candidate: string): boolean {
  return TOKEN_PATTERN.test(candidate) && candidate.slice(-CHECKSUM_LENGTH) === checksum(candidate.slice(0, -CHECKSUM_LENGTH));
}

/**
 * What is kept in place of a random secret. One round of SHA-256, no salt and no slow KDF: those make guessing of what people
 * choose expensive, and of 256 random bits there is no guessing. A slow hash on every request would be a way to wear the daemon out.
 */
export function secretDigest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

function checksum(body: string): string {
  return base62(BigInt(crc32(body)), CHECKSUM_LENGTH);
}

function base62(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest /= 62n) text = (DIGITS[Number(rest % 62n)] ?? "") + text;
  return text;
}
