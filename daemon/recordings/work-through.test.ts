/** Several workers on one list. */
import { expect, test } from "vitest";
import { duration, workThrough } from "./work-through.ts";

function workers() {
  const log: string[] = [];
  let opened = 0;
  return {
    log,
    openWorker: async () => {
      const name = `worker ${++opened}`;
      return { name, [Symbol.asyncDispose]: async () => void log.push(`${name} closed`) };
    },
  };
}

const never = new AbortController().signal;

test("each item is done once, by as many workers as there are jobs, and all workers are closed", async () => {
  const { log, openWorker } = workers();
  const done: number[] = [];
  let atOnce = 0;
  let most = 0;
  await workThrough([1, 2, 3, 4, 5, 6, 7], {
    jobs: 3,
    signal: never,
    openWorker,
    nameOf: String,
    async work(item) {
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce--;
      done.push(item);
      return "done";
    },
  });
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(3);
  expect(log.toSorted()).toEqual(["worker 1 closed", "worker 2 closed", "worker 3 closed"]);
});

test("the first error ends the work, after every worker was closed", async () => {
  const { log, openWorker } = workers();
  const started: number[] = [];
  const work = workThrough([1, 2, 3, 4, 5, 6], {
    jobs: 2,
    signal: never,
    openWorker,
    nameOf: String,
    async work(item) {
      started.push(item);
      await new Promise((resolve) => setImmediate(resolve));
      if (item === 2) throw new Error("the second is broken");
      return "cached";
    },
  });
  await expect(work).rejects.toThrow("the second is broken");
  expect(started.length).toBeLessThan(5);
  expect(log).toHaveLength(2);
});

test("an abort ends the work with its reason", async () => {
  const abort = new AbortController();
  const work = workThrough([1, 2, 3], { jobs: 1, signal: abort.signal, openWorker: workers().openWorker, nameOf: String, work: async () => (abort.abort(new Error("enough")), "done") });
  await expect(work).rejects.toThrow("enough");
});

test("time left is said in two units at most", () => {
  expect([400, 59_000, 61_000, 3_600_000, 7_260_000].map(duration)).toEqual(["1 s", "59 s", "1 min 1 s", "1 h 0 min", "2 h 1 min"]);
});
