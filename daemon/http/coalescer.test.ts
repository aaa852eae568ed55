import { expect, test } from "vitest";
import { createCoalescer } from "./coalescer.ts";

test("the first value goes out at once, of those within the interval only the newest goes out at its end", () => {
  const coalescer = createCoalescer<number>(250);
  expect(coalescer.offer("a", 1, 1000)).toBe(1);
  expect(coalescer.offer("a", 2, 1100)).toBeNull();
  expect(coalescer.offer("a", 3, 1200)).toBeNull();
  expect(coalescer.nextDueMs).toBe(1250);
  expect(coalescer.due(1249)).toEqual([]);
  expect(coalescer.due(1250)).toEqual([3]);
  expect(coalescer.offer("a", 4, 1300)).toBeNull();
  expect(coalescer.due(1500)).toEqual([4]);
});

test("keys do not hold each other up", () => {
  const coalescer = createCoalescer<string>(250);
  expect(coalescer.offer("a", "a1", 0)).toBe("a1");
  expect(coalescer.offer("b", "b1", 100)).toBe("b1");
  coalescer.offer("b", "b2", 110);
  coalescer.offer("a", "a2", 120);
  expect(coalescer.due(250)).toEqual(["a2"]);
  expect(coalescer.due(350)).toEqual(["b2"]);
});

test("at most four a second get through, however many are offered", () => {
  const coalescer = createCoalescer<number>(250);
  let out = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs += 1) {
    if (coalescer.offer("a", nowMs, nowMs) !== null) out += 1;
    out += coalescer.due(nowMs).length;
  }
  expect(out).toBe(40);
});

test("a key that has gone quiet is forgotten and its next value goes out at once", () => {
  const coalescer = createCoalescer<number>(250);
  coalescer.offer("a", 1, 0);
  expect(coalescer.due(250)).toEqual([]);
  expect(coalescer.nextDueMs).toBeNull();
  expect(coalescer.offer("a", 2, 260)).toBe(2);
});

test("what is held of a dropped key never goes out", () => {
  const coalescer = createCoalescer<number>(250);
  coalescer.offer("a", 1, 0);
  coalescer.offer("a", 2, 10);
  coalescer.drop("a");
  expect(coalescer.due(1_000)).toEqual([]);
  expect(coalescer.offer("a", 3, 1_000)).toBe(3);
});
