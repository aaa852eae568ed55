import { expect, test } from "vitest";
import { isTokenShaped, makeToken, secretDigest, TOKEN_PATTERN } from "./token.ts";

test("a token has its prefix, 256 random bits and a checksum, and no two are alike", () => {
  const tokens = Array.from({ length: 1_000 }, makeToken);
  for (const token of tokens) {
    expect(token).toMatch(TOKEN_PATTERN);
    expect(isTokenShaped(token)).toBe(true);
  }
  expect(new Set(tokens).size).toBe(1_000);
  // Every digit comes up in every place but the first, which holds what is left of 256 bits.
  for (const place of [1, 20, 42]) expect(new Set(tokens.map((token) => token[3 + place])).size).toBe(62);
});

test("the checksum is the one that docs/access.md describes, so that a scanner can be written from it", () => {
  expect(isTokenShaped(`tc_${"0".repeat(43)}${CHECKSUM_OF_ZEROS}`)).toBe(true);
});
/** CRC-32 (IEEE) of `tc_` and 43 zeros, in base 62 with the digits 0-9A-Za-z; from zlib.crc32 of Python. */
const CHECKSUM_OF_ZEROS = "1ZEKX7";

test("any single slip of the pen is seen", () => {
  const token = makeToken();
  for (let index = 0; index < token.length; index++) {
    const other = token[index] === "a" ? "b" : "a";
    expect(isTokenShaped(token.slice(0, index) + other + token.slice(index + 1))).toBe(false);
  }
  for (const wrong of ["", "tc_", token.slice(0, -1), `${token}0`, token.toUpperCase(), ` ${token}`, `${token}\n`]) expect([wrong, isTokenShaped(wrong)]).toEqual([wrong, false]);
});

test("what is kept of a token is its SHA-256", () => {
  expect(secretDigest("tc_x").toString("hex")).toBe("7018763eb8f8af8ef082de9b0f68097a8482f7a2182022218cc4563f220e2a49");
});
