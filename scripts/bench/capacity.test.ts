import { expect, it } from "vitest";
import { nextTry } from "./capacity.ts";

function tried(capacity: number, limit: number): { tries: number[]; held: number } {
  const tries: number[] = [];
  let held = 0;
  let failed: number | null = null;
  for (let count = nextTry(held, failed, limit); count !== null; count = nextTry(held, failed, limit)) {
    tries.push(count);
    if (count <= capacity) held = count;
    else failed = count;
  }
  return { tries, held };
}

it("doubles until it fails, then closes in on the last load that held", () => {
  expect(tried(5, 64)).toEqual({ tries: [1, 2, 4, 8, 6, 5], held: 5 });
  expect(tried(0, 64)).toEqual({ tries: [1], held: 0 });
});

it("finds every capacity exactly, and stops at the limit", () => {
  for (let capacity = 0; capacity <= 64; capacity++) expect(tried(capacity, 64).held).toBe(capacity);
  expect(tried(1000, 64).held).toBe(64);
});
