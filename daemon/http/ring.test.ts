import { expect, test } from "vitest";
import { createMessageRing } from "./ring.ts";

const message = (text: string): Buffer => Buffer.from(text);
const texts = (messages: readonly Buffer[] | null): string[] | null => messages?.map((one) => one.toString()) ?? null;

test("gives what came after a number, nothing when nothing did, and null for numbers it never gave out", () => {
  const ring = createMessageRing({ maxMessages: 10, maxBytes: 1000 });
  for (const text of ["one", "two", "three"]) ring.push(message(text));
  expect(ring.lastSeq).toBe(3);
  expect(texts(ring.after(0, 1000))).toEqual(["one", "two", "three"]);
  expect(texts(ring.after(2, 1000))).toEqual(["three"]);
  expect(texts(ring.after(3, 1000))).toEqual([]);
  expect(ring.after(4, 1000)).toBeNull();
  expect(ring.after(-1, 1000)).toBeNull();
  expect(ring.after(1.5, 1000)).toBeNull();
});

test("keeps no more than its count and says when a message is gone", () => {
  const ring = createMessageRing({ maxMessages: 3, maxBytes: 1000 });
  for (let seq = 1; seq <= 20; seq += 1) {
    ring.push(message(String(seq)));
    expect(ring.count).toBe(Math.min(seq, 3));
    expect(texts(ring.after(Math.max(0, seq - 3), 1000))).toEqual([seq - 2, seq - 1, seq].filter((kept) => kept > 0).map(String));
  }
  expect(ring.after(16, 1000)).toBeNull();
});

test("keeps no more than its bytes, even for a message larger than all of them", () => {
  const ring = createMessageRing({ maxMessages: 100, maxBytes: 10 });
  for (const text of ["aaaa", "bbbb", "cccc"]) ring.push(message(text));
  expect(ring.bytes).toBe(8);
  expect(texts(ring.after(1, 1000))).toEqual(["bbbb", "cccc"]);
  ring.push(message("x".repeat(11)));
  expect([ring.count, ring.bytes, ring.lastSeq]).toEqual([0, 0, 4]);
  expect(ring.after(3, 1000)).toBeNull();
  expect(texts(ring.after(4, 1000))).toEqual([]);
});

test("gives nothing when what was missed is more than the reader may be sent", () => {
  const ring = createMessageRing({ maxMessages: 100, maxBytes: 1000 });
  for (const text of ["aaaa", "bbbb", "cccc"]) ring.push(message(text));
  expect(ring.after(0, 11)).toBeNull();
  expect(ring.after(0, 12)).toHaveLength(3);
});
