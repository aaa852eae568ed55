/** Rows of states: never more than there are, never one for two tracks. */
import { expect, it } from "vitest";
import { TrackTable } from "./track-table.ts";

const tableOf = (capacity: number) => new TrackTable({ capacity, hop: 10, idleMs: 60_000, evictableAfterMs: 5_000 });

it("gives every track a row of its own and keeps it", () => {
  const table = tableOf(3);
  const rows = ["a", "b", "c"].map((track) => table.acquire(track, 0)?.row);
  expect(new Set(rows)).toEqual(new Set([0, 1, 2]));
  expect(table.acquire("b", 1)?.row).toBe(rows[1]);
});

it("refuses a new track while every row is in use, and takes the least recently used row once it has rested", () => {
  const table = tableOf(2);
  const row = table.acquire("a", 0)?.row;
  table.acquire("b", 1000);
  expect(table.acquire("c", 4999)).toBeNull();
  expect(table.size).toBe(2);
  const states = table.acquire("c", 5000);
  expect(states?.row).toBe(row);
  expect(states?.schedule.lastSlot).toBeNull();
  expect(table.acquire("a", 5001)).toBeNull();
});

it("forgets tracks after a minute without crops, and only those", () => {
  const table = tableOf(3);
  for (const track of ["a", "b", "c"]) table.acquire(track, 0);
  table.use("a", 30_000);
  expect(table.expire(59_999)).toBe(0);
  expect(table.expire(60_000)).toBe(2);
  expect(table.size).toBe(1);
});

it("forgets a track whose crops are only asked about and never taken", () => {
  const table = tableOf(1);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 100) table.acquire("a", nowMs);
  expect(table.expire(60_000)).toBe(1);
});

it("does not grow, however many tracks come and go", () => {
  const table = tableOf(4);
  for (let index = 0; index < 10_000; index++) {
    const states = table.acquire(`s#${index}`, index * 10);
    expect(states?.row).toBeLessThan(4);
    table.release(`s#${index}`);
  }
  expect(table.size).toBe(0);
  table.release("never there");
  expect(["a", "b", "c", "d", "e"].map((track) => table.acquire(track, 1e6)?.row ?? null).filter((row) => row === null)).toHaveLength(1);
});
