/** The outbox on real files: numbers, order, pages, retention, and the way there from a file of the schema before it. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { Value } from "typebox/value";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Alert, AlertEventPage, type AlertEventKind, type FaceAlert } from "../protocol.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { openStore, type Store } from "./store.ts";

const log = pino({ level: "silent" });
const T = 1_700_000_000_000;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "truecast-events-"));
  path = join(folder, "truecast.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

let numbered = 0;
const uuid = (): string => `00000000-0000-4000-8000-${String(++numbered).padStart(12, "0")}`;

function alert(changes: Partial<FaceAlert> = {}): FaceAlert {
  return {
    id: uuid(), stream: "studio-a", track: 1, tracks: [1], rule: "manipulated-face", state: "firing", resolution: null, pendingAt: T, firingAt: T, resolvedAt: null,
    score: 0.91, peakScore: 0.95, threshold: 0.8, model: { name: "edge", sha256: "ab", scripted: false }, ...changes,
  };
}
const ended = (changes: Partial<FaceAlert> = {}): FaceAlert => alert({ state: "resolved", resolution: "score-fell", resolvedAt: T, ...changes });

function tell(store: Store, told: Alert, kind: AlertEventKind, atMs = T): void {
  store.commit([{ kind: "x", alert: told, atMs, event: { id: uuid(), kind } }]);
}
const seqs = (events: readonly { readonly seq: number }[]): number[] => events.map(({ seq }) => seq);

describe("events", () => {
  test("are committed with their alert, keep what it was then, and are numbered in the order of the commits", async () => {
    await using store = openStore({ path, log });
    const fired = alert();
    const over = { ...fired, state: "resolved", resolution: "score-fell", resolvedAt: T + 9_000 } as const;
    expect(store.commit([{ kind: "pending", alert: { ...fired, state: "pending", firingAt: null }, atMs: T, event: null }])).toEqual([]);
    const [first] = store.commit([{ kind: "firing", alert: fired, atMs: T, event: { id: "e-1", kind: "new" } }]);
    const [second] = store.commit([{ kind: "resolved", alert: over, atMs: T + 9_000, event: { id: "e-2", kind: "end" } }]);
    expect(store.eventsAfter(0, 10)).toEqual([first, second]);
    expect([first, second]).toEqual([
      { seq: 1, id: "e-1", kind: "new", at: T, alert: fired },
      { seq: 2, id: "e-2", kind: "end", at: T + 9_000, alert: over },
    ]);
    expect(store.newestSeq()).toBe(2);
  });

  test("are not there when the alert's row is refused, and the next commit leaves no hole", async () => {
    await using store = openStore({ path, log });
    expect(() => tell(store, alert({ resolvedAt: T }), "new")).toThrow(/cannot write/);
    expect([store.eventsAfter(0, 10), store.newestSeq()]).toEqual([[], 0]);
    tell(store, alert(), "new");
    expect(seqs(store.eventsAfter(0, 10))).toEqual([1]);
  });

  test("cannot be rewritten", async () => {
    {
      await using store = openStore({ path, log });
      tell(store, alert(), "new");
    }
    using database = new DatabaseSync(path);
    expect(() => database.exec("UPDATE event SET payload = '{}'")).toThrow(/append-only/);
  });

  test("come in pages that lose and repeat none, and numbers go on after a restart", async () => {
    {
      await using store = openStore({ path, log });
      for (let count = 0; count < 25; count++) tell(store, alert(), "new");
    }
    await using store = openStore({ path, log });
    expect(store.newestSeq()).toBe(25);
    tell(store, alert(), "new");
    const seen: number[] = [];
    for (;;) {
      const page = store.eventPage({ after: seen.at(-1) ?? 0, limit: 10 });
      expect(Value.Errors(AlertEventPage, page)).toEqual([]);
      expect(page).toMatchObject({ gap: false, oldest: 1, newest: 26 });
      if (page.events.length === 0) break;
      seen.push(...seqs(page.events));
    }
    expect(seen).toEqual(Array.from({ length: 26 }, (_, index) => index + 1));
  });

  test("of a blind spot are kept like those of a face", async () => {
    await using store = openStore({ path, log });
    const blind: Alert = { id: uuid(), stream: "studio-a", rule: "no-usable-face", state: "firing", resolution: null, pendingAt: T, firingAt: T, resolvedAt: null, measured: 312, limit: 300 };
    tell(store, blind, "new");
    expect(store.alert(blind.id)).toEqual(blind);
    expect(Value.Errors(Alert, store.alert(blind.id))).toEqual([]);
    expect(store.eventsAfter(0, 1)[0]?.alert).toEqual(blind);
    expect(store.alerts({ rule: "manipulated-face", limit: 10 }).alerts).toEqual([]);
    expect(store.alerts({ rule: "no-usable-face", limit: 10 }).alerts).toEqual([blind]);
  });
});

describe("retention of events", () => {
  test("removes by age, never those of an open alert, and says from where on all are kept", async () => {
    await using store = openStore({ path, log });
    const open = alert();
    tell(store, open, "new", T);
    for (let count = 0; count < 4; count++) tell(store, ended(), "end", T + count);
    tell(store, ended(), "end", T + 50_000);
    expect(store.pruneEvents(T + 10_000, 3)).toBe(3);
    expect(store.pruneEvents(T + 10_000, 3)).toBe(1);
    expect(store.pruneEvents(T + 10_000, 3)).toBe(0);
    expect(seqs(store.eventsAfter(0, 10))).toEqual([1, 6]);
    expect(store.eventPage({ after: 2, limit: 10 })).toMatchObject({ gap: true, oldest: 6, newest: 6 });
    expect(store.eventPage({ after: 5, limit: 10 })).toMatchObject({ gap: false });
    tell(store, { ...open, state: "resolved", resolution: "score-fell", resolvedAt: T + 60_000 }, "end", T + 60_000);
    expect(store.pruneEvents(T + 10_000, 3)).toBe(1);
  });

  test("numbers are never given twice, though the newest event was removed", async () => {
    {
      await using store = openStore({ path, log });
      tell(store, ended(), "end");
      expect(store.pruneEvents(T + 1, 10)).toBe(1);
    }
    await using store = openStore({ path, log });
    expect(store.newestSeq()).toBe(1);
    tell(store, alert(), "new");
    expect(seqs(store.eventsAfter(0, 10))).toEqual([2]);
  });

  test("an alert that goes by age takes its events along, and that is a gap too", async () => {
    await using store = openStore({ path, log });
    tell(store, ended(), "end");
    tell(store, alert(), "new");
    expect(store.prune({ resolvedBeforeMs: T + 1, unfiredBeforeMs: 0, batch: 10 })).toBe(1);
    expect(store.eventPage({ after: 0, limit: 10 })).toMatchObject({ events: [{ seq: 2 }], gap: true, oldest: 2 });
  });

  test("a number that this store never gave out gets all that there is, and is told of the gap", async () => {
    await using store = openStore({ path, log });
    tell(store, alert(), "new");
    expect(store.eventPage({ after: 900, limit: 10 })).toMatchObject({ events: [{ seq: 1 }], gap: true, oldest: 1, newest: 1 });
  });
});

describe("a file of schema version 2", () => {
  // Written by the code of that version: three alerts with five transitions, and a source.
  const before = join(import.meta.dirname, "testing", "version-2.db");

  test("is brought up to date with every alert, transition and source in place, and takes events from then on", async () => {
    copyFileSync(before, path);
    await using store = openStore({ path, log });
    const [open] = store.openAlerts();
    const { alerts } = store.alerts({ limit: 10 });
    const model = { name: "edge", sha256: "ab".repeat(32), scripted: false };
    expect(open).toEqual({
      id: "00000000-0000-4000-8000-000000000001", stream: "studio-a", rule: "manipulated-face", track: 1, tracks: [1], state: "firing", resolution: null,
      pendingAt: T, firingAt: T + 2_000, resolvedAt: null, score: 0.91, peakScore: 0.95, threshold: 0.8, model,
    });
    expect(alerts.map(({ id }) => id.at(-1))).toEqual(["1", "2"]);
    expect(alerts[1]).toMatchObject({ state: "resolved", resolution: "score-fell", tracks: [2], model: { ...model, scripted: true } });
    expect(store.alert("00000000-0000-4000-8000-000000000003")).toMatchObject({ stream: "studio-b", firingAt: null, resolution: "track-ended" });
    for (const each of [...alerts, open]) expect(Value.Errors(Alert, each)).toEqual([]);
    expect([1, 2, 3].map((id) => store.transitions(`00000000-0000-4000-8000-00000000000${id}`).map(({ kind }) => kind))).toEqual([["pending", "firing"], ["firing", "resolved"], ["dropped"]]);
    expect(store.sources()).toMatchObject([{ name: "gate" }]);
    expect(store.eventPage({ after: 0, limit: 10 })).toEqual({ events: [], gap: false, oldest: 1, newest: 0 });
    if (open !== undefined) tell(store, { ...open, state: "resolved", resolution: "daemon-restarted", resolvedAt: T + 5_000 }, "end");
    expect(store.newestSeq()).toBe(1);
  });

  test("is left as it was when the way up fails half-way", async () => {
    copyFileSync(before, path);
    {
      using database = new DatabaseSync(path);
      database.exec("PRAGMA foreign_keys = OFF; INSERT INTO alert_transitions (alert_id, kind, at, score) VALUES ('nobody', 'firing', 1, 0.5)");
    }
    expect(() => openStore({ path, log })).toThrow(/cannot be brought to schema version/);
    using database = new DatabaseSync(path, { readOnly: true });
    expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 2 });
    expect(database.prepare("SELECT count(*) AS count FROM alerts").get()).toEqual({ count: 3 });
  });

  test("has the tables of a new file afterwards, and rows that refer to an alert go with it", async () => {
    copyFileSync(before, path);
    await openStore({ path, log }).close();
    const fresh = join(folder, "fresh.db");
    await openStore({ path: fresh, log }).close();
    const tablesOf = (file: string): unknown => {
      using database = new DatabaseSync(file, { readOnly: true });
      return [database.prepare("PRAGMA user_version").get(), database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name").all()];
    };
    expect(tablesOf(path)).toEqual(tablesOf(fresh));
    expect(tablesOf(path)).toMatchObject([{ user_version: SCHEMA_VERSION }, expect.anything()]);
    await using store = openStore({ path, log });
    expect(store.prune({ resolvedBeforeMs: T * 2, unfiredBeforeMs: T * 2, batch: 10 })).toBe(2);
    expect(store.transitions("00000000-0000-4000-8000-000000000002")).toEqual([]);
  });
});
