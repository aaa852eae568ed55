/** What receivers still wait for, on a real file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { alert, ended, log, T, tell } from "../delivery/testing/outbox.ts";
import type { ReceiverProgress } from "./delivery-table.ts";
import { openStore } from "./store.ts";

const ALL = { streams: null, rules: null, kinds: null };
const progress = (changes: Partial<ReceiverProgress> = {}): ReceiverProgress => ({ name: "desk", config: "a", cursor: 0, disabled: null, failingSinceMs: null, lastSuccessAtMs: null, lastFailure: null, ...changes });

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), "truecast-delivery-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "truecast.db");
}

test("a receiver's progress and what is parked for it outlive the process, and go with the receiver", async () => {
  const path = file();
  const saved = progress({ cursor: 2, disabled: "gone", failingSinceMs: T, lastSuccessAtMs: T - 5, lastFailure: { atMs: T, message: "desk.example answered 410" } });
  {
    await using store = openStore({ path, log });
    for (let i = 0; i < 3; i++) tell(store, alert(i), "new", T + i);
    const [first] = store.eventsAfter(0, 1);
    if (first === undefined) throw new Error("no event");
    store.saveProgress(saved, { park: [{ event: first, attempts: 2, firstAttemptAtMs: T, nextAttemptAtMs: T + 100 }] });
    store.saveProgress(progress({ name: "other" }));
  }
  await using store = openStore({ path, log });
  expect(store.receivers()).toEqual([saved, progress({ name: "other" })]);
  expect(store.dueDeliveries("desk", { atMs: T + 99, limit: 9 })).toEqual([]);
  expect(store.nextDeliveryAt("desk")).toBe(T + 100);
  expect(store.dueDeliveries("desk", { atMs: T + 100, limit: 9 })).toMatchObject([{ event: { seq: 1, alert: alert(0) }, attempts: 2, firstAttemptAtMs: T }]);
  expect(store.backlog("desk", 2, ALL)).toEqual({ events: 2, oldestAtMs: T });
  store.keepReceivers(["other"]);
  expect(store.receivers().map(({ name }) => name)).toEqual(["other"]);
  expect(store.parkedEvents("desk")).toEqual(new Map());
});

test("only the first parked event of an alert is due, until its row is gone", async () => {
  await using store = openStore({ path: file(), log });
  tell(store, alert(1), "new");
  tell(store, ended(1), "end");
  store.saveProgress(progress(), { park: store.eventsAfter(0, 9).map((event) => ({ event, attempts: 0, firstAttemptAtMs: null, nextAttemptAtMs: T + (event.seq === 1 ? 50 : 0) })) });
  expect(store.parkedEvents("desk")).toEqual(new Map([[1, alert(1).id], [2, alert(1).id]]));
  expect(store.dueDeliveries("desk", { atMs: T + 10, limit: 9 })).toEqual([]);
  expect(store.nextDeliveryAt("desk")).toBe(T + 50);
  store.saveProgress(progress(), { unpark: [1] });
  expect(store.dueDeliveries("desk", { atMs: T + 10, limit: 9 }).map(({ event }) => event.seq)).toEqual([2]);
});

test("the backlog is counted by the receiver's filter, and an alert that is removed takes its deliveries along", async () => {
  await using store = openStore({ path: file(), log });
  store.saveProgress(progress());
  tell(store, ended(1, { stream: "studio-b" }), "end", T);
  tell(store, alert(2, { stream: "studio-b" }), "new", T + 1);
  tell(store, alert(3), "new", T + 2);
  expect(store.backlog("desk", 0, { ...ALL, streams: ["studio-b"] })).toEqual({ events: 2, oldestAtMs: T });
  expect(store.backlog("desk", 0, { streams: ["studio-b"], kinds: ["new"], rules: ["manipulated-face"] })).toEqual({ events: 1, oldestAtMs: T + 1 });
  expect(store.backlog("desk", 0, { ...ALL, rules: ["low-coverage"] })).toEqual({ events: 0, oldestAtMs: null });
  const [first] = store.eventsAfter(0, 1);
  if (first === undefined) throw new Error("no event");
  const row = { event: first, attempts: 1, firstAttemptAtMs: T, nextAttemptAtMs: T };
  store.saveProgress(progress({ cursor: 1 }), { park: [row] });
  expect(store.prune({ resolvedBeforeMs: T * 2, unfiredBeforeMs: 0, batch: 10 })).toBe(1);
  expect(store.dueDeliveries("desk", { atMs: T, limit: 9 })).toEqual([]);
  // Its sender may still be under way and fail after that: there is nothing left to park.
  store.saveProgress(progress({ cursor: 1 }), { park: [row] });
  expect(store.parkedEvents("desk")).toEqual(new Map());
});
