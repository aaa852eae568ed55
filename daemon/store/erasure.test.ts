import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import type { FaceAlert } from "../protocol.ts";
import { openStore, type Store } from "./store.ts";

async function freshStore(): Promise<{ readonly store: Store; readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-erasure-"));
  const store = openStore({ path: join(folder, "truecast.db"), log: pino({ level: "silent" }) });
  onTestFinished(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { store, folder };
}

function alert(id: string, stream: string, changes: Partial<FaceAlert> = {}): FaceAlert {
  return {
    id,
    stream,
    track: 1,
    tracks: [1],
    rule: "manipulated-face",
    state: "resolved",
    resolution: "score-fell",
    pendingAt: 1_000,
    firingAt: 2_000,
    resolvedAt: 3_000,
    score: 0.2,
    peakScore: 0.99,
    threshold: 0.9,
    model: { name: "edge", sha256: "ab", scripted: false },
    ...changes,
  };
}

/** In all files of the folder: the database, its write-ahead log and its index. */
async function isOnDisk(folder: string, text: string): Promise<boolean> {
  for (const name of await readdir(folder)) if ((await readFile(join(folder, name))).includes(text)) return true;
  return false;
}

test("an erased alert is in none of the store's files, neither its id nor its stream, while others stay", async () => {
  const { store, folder } = await freshStore();
  const erased = "3e3f0a1c-0001-4000-8000-aaaaaaaaaaaa";
  const kept = "3e3f0a1c-0002-4000-8000-bbbbbbbbbbbb";
  // Enough rows that cells move between pages, each move leaving a copy where nothing erases it.
  for (let index = 0; index < 400; index++) {
    const id = `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
    store.commit([{ kind: "resolved", alert: alert(id, "busy-stream"), atMs: 3_000 }]);
    if (index === 100) store.commit([{ kind: "firing", alert: alert(erased, "private-person"), atMs: 2_000 }, { kind: "resolved", alert: alert(erased, "private-person"), atMs: 3_000 }]);
    if (index === 200) store.commit([{ kind: "resolved", alert: alert(kept, "another"), atMs: 3_000 }]);
  }
  expect([await isOnDisk(folder, erased), await isOnDisk(folder, "private-person")]).toEqual([true, true]);
  expect(store.eraseAlerts([erased, "nobody"])).toBe(1);
  expect([await isOnDisk(folder, erased), await isOnDisk(folder, "private-person")]).toEqual([false, false]);
  expect([store.alert(erased), store.transitions(erased), store.alert(kept)?.stream]).toEqual([null, [], "another"]);
});

test("a stream's ended alerts are erased, but for those to keep and those still open", async () => {
  const { store, folder } = await freshStore();
  const ids = [1, 2, 3].map((number) => `3e3f0a1c-000${number}-4000-8000-aaaaaaaaaaaa`);
  const [ended = "", held = "", open = ""] = ids;
  store.commit([
    { kind: "resolved", alert: alert(ended, "gate"), atMs: 3_000 },
    { kind: "resolved", alert: alert(held, "gate"), atMs: 3_000 },
    { kind: "firing", alert: alert(open, "gate", { state: "firing", resolution: null, resolvedAt: null }), atMs: 2_000 },
    { kind: "resolved", alert: alert("3e3f0a1c-0009-4000-8000-aaaaaaaaaaaa", "studio"), atMs: 3_000 },
  ]);
  expect(store.eraseStream("gate", [held])).toBe(1);
  expect(await isOnDisk(folder, ended)).toBe(false);
  expect(store.alerts({ limit: 10 }).alerts.map(({ id }) => id).toSorted((a, b) => a.localeCompare(b))).toEqual([held, open, "3e3f0a1c-0009-4000-8000-aaaaaaaaaaaa"]);
});

test("alerts under legal hold outlive the store's own retention", async () => {
  const { store } = await freshStore();
  const [held, old] = ["3e3f0a1c-0001-4000-8000-aaaaaaaaaaaa", "3e3f0a1c-0002-4000-8000-aaaaaaaaaaaa"] as const;
  store.commit([held, old].map((id) => ({ kind: "resolved", alert: alert(id, "gate"), atMs: 3_000 })));
  expect(store.prune({ resolvedBeforeMs: 10_000, unfiredBeforeMs: 10_000, keep: [held], batch: 10 })).toBe(1);
  expect([store.alert(held)?.id, store.alert(old)]).toEqual([held, null]);
});

test("bytes that another process's reading keeps on the disk are not called erased, and go when it is asked again", async () => {
  const { store, folder } = await freshStore();
  const erased = "3e3f0a1c-0001-4000-8000-aaaaaaaaaaaa";
  store.commit([{ kind: "resolved", alert: alert(erased, "private-person"), atMs: 3_000 }]);
  const reader = new DatabaseSync(join(folder, "truecast.db"), { readOnly: true });
  onTestFinished(() => void (reader.isOpen && reader.close()));
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM alerts").get();
  expect(() => store.eraseAlerts([erased])).toThrow(expect.objectContaining({ code: "store-failed" }) as Error);
  expect(await isOnDisk(folder, "private-person")).toBe(true);
  reader.exec("COMMIT");
  reader.close();
  expect(store.eraseAlerts([erased])).toBe(0);
  expect(await isOnDisk(folder, "private-person")).toBe(false);
});
