import pino from "pino";
import { expect, test } from "vitest";
import { CleanUp } from "./clean-up.ts";

const log = pino({ level: "silent" });

test("steps run in mirror order, once, and a failing one does not stop the rest", async () => {
  const order: string[] = [];
  const cleanUp = new CleanUp(log);
  for (const name of ["store", "ingest", "http"]) {
    cleanUp.defer(name, async () => {
      order.push(name);
      if (name === "ingest") throw new Error("broken");
    });
  }
  const [first, second] = await Promise.all([cleanUp.run(1_000), cleanUp.run(1_000)]);
  expect(order).toEqual(["http", "ingest", "store"]);
  expect(first).toEqual(["ingest"]);
  expect(second).toBe(first);
});

test("a step that comes in while it runs is run too", async () => {
  const cleanUp = new CleanUp(log);
  const order: string[] = [];
  cleanUp.defer("store", async () => void order.push("store"));
  cleanUp.defer("start", async () => {
    order.push("start");
    cleanUp.defer("late", async () => void order.push("late"));
  });
  expect(await cleanUp.run(1_000)).toEqual([]);
  expect(order).toEqual(["start", "late", "store"]);
});

test("a step that hangs is left behind at the deadline and named", async () => {
  const cleanUp = new CleanUp(log);
  const done: string[] = [];
  cleanUp.defer("store", async () => void done.push("store"));
  cleanUp.defer("hangs", () => Promise.withResolvers<void>().promise);
  expect(await cleanUp.run(20)).toEqual(["hangs"]);
  expect(done).toEqual(["store"]);
});
