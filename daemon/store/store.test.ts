/** The alert store on real files: durability, pages, migrations, retention and what a damaged or full file gets. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { Alert, FaceAlert } from "../protocol.ts";
import { startRetention } from "./retention.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { openStore, type PruneLimits } from "./store.ts";

const log = pino({ level: "silent" });
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "truecast-store-"));
  path = join(folder, "data", "truecast.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

let numbered = 0;
function alertAt(pendingAt: number, fields: Partial<FaceAlert> = {}): FaceAlert {
  const id = `00000000-0000-4000-8000-${String(++numbered).padStart(12, "0")}`;
  return {
    id, stream: "studio-a", track: 1, tracks: [1], rule: "manipulated-face", state: "firing", resolution: null, pendingAt, firingAt: pendingAt + 2_000, resolvedAt: null,
    score: 0.91, peakScore: 0.95, threshold: 0.8, model: { name: "edge", sha256: "ab", scripted: false }, ...fields,
  };
}
const resolvedAt = (at: number, fields: Partial<FaceAlert> = {}) => alertAt(at - 5_000, { state: "resolved", resolution: "score-fell", resolvedAt: at, ...fields });

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return `${errorCodeOf(error)}: ${error instanceof Error ? error.message : ""}`;
  }
  return "no error";
}

describe("what is committed", () => {
  test("comes back the same after the store was closed and opened again", async () => {
    const pending = alertAt(1_000, { state: "pending", firingAt: null, model: { name: "scripted", sha256: "cd", scripted: true } });
    {
      await using store = openStore({ path, log });
      store.commit([{ kind: "pending", alert: pending, atMs: 1_000 }]);
    }
    await using store = openStore({ path, log });
    expect(store.alert(pending.id)).toEqual(pending);
    expect(store.alert("unknown")).toBeNull();
    expect(store.openAlerts()).toEqual([pending]);
  });

  test("keeps one row an alert and every transition in order", async () => {
    await using store = openStore({ path: ":memory:", log });
    const firing = alertAt(1_000);
    const resolved: FaceAlert = { ...firing, state: "resolved", resolution: "track-ended", resolvedAt: 9_000, score: 0.4 };
    store.commit([{ kind: "pending", alert: { ...firing, state: "pending", firingAt: null }, atMs: 1_000 }]);
    store.commit([
      { kind: "firing", alert: firing, atMs: 3_000 },
      { kind: "resolved", alert: resolved, atMs: 9_000 },
    ]);
    expect(store.alerts({ limit: 10 }).alerts).toEqual([resolved]);
    expect(store.transitions(firing.id)).toEqual([
      { kind: "pending", atMs: 1_000, score: 0.91, resolution: null },
      { kind: "firing", atMs: 3_000, score: 0.91, resolution: null },
      { kind: "resolved", atMs: 9_000, score: 0.4, resolution: "track-ended" },
    ]);
  });

  test("is all of a batch or none of it, and a row against the schema is a defect, not an outage", async () => {
    await using store = openStore({ path: ":memory:", log });
    const bad = alertAt(2_000, { resolvedAt: 3_000 });
    expect(codeOf(() => store.commit([{ kind: "firing", alert: alertAt(1_000), atMs: 1_000 }, { kind: "firing", alert: bad, atMs: 2_000 }]))).toMatch(/^internal: cannot write/);
    expect(store.alerts({ limit: 10 }).alerts).toEqual([]);
  });

  test("cannot be rewritten: transitions are append-only", async () => {
    {
      await using store = openStore({ path, log });
      store.commit([{ kind: "firing", alert: alertAt(1_000), atMs: 1_000 }]);
    }
    using database = new DatabaseSync(path);
    expect(() => database.exec("UPDATE alert_transitions SET kind = 'dropped'")).toThrow(/append-only/);
  });

  test("survives kill -9 at any moment: every id that was printed after its commit is there", async () => {
    const rounds = 20;
    let printed: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, "testing", "alert-writer.ts"), path], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
      await once(child.stdout, "data");
      // The moment of the kill is what is drawn at random, so this wait is the test's subject and waits for nothing.
      setTimeout(() => child.kill("SIGKILL"), Math.random() * 40);
      const [, signal] = (await once(child, "close")) as [number | null, string | null];
      expect(signal).toBe("SIGKILL");
      printed = [...printed, ...output.split("\n").slice(0, -1)];
    }
    await using store = openStore({ path, log });
    const events = new Set(store.eventsAfter(0, 1_000_000).map(({ id }) => id));
    const lost = printed.filter((id) => store.alert(id)?.state !== "firing" || store.transitions(id).length !== 2 || !events.has(id));
    expect(lost).toEqual([]);
    // Neither is an event without its alert.
    expect(events.size).toBe(store.eventsAfter(0, 1_000_000).filter(({ alert }) => store.alert(alert.id)?.state === "firing").length);
    expect(printed.length).toBeGreaterThanOrEqual(rounds);
    using database = new DatabaseSync(path, { readOnly: true });
    expect(database.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  });
});

describe("listing", () => {
  test("pages through all alerts, newest first, without loss or repetition, also where times are equal", async () => {
    await using store = openStore({ path: ":memory:", log });
    const alerts = Array.from({ length: 25 }, (_, index) => alertAt(1_000 + Math.floor(index / 4)));
    store.commit(alerts.map((alert) => ({ kind: "firing", alert, atMs: alert.pendingAt })));
    const seen: Alert[] = [];
    const sizes: number[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = store.alerts({ limit: 10, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.alerts);
      sizes.push(page.alerts.length);
      cursor = page.nextCursor;
    }
    expect(sizes).toEqual([10, 10, 5]);
    expect(seen).toEqual(alerts.toSorted((a, b) => b.pendingAt - a.pendingAt || (b.id > a.id ? 1 : -1)));
  });

  test("filters by stream, state and time together", async () => {
    await using store = openStore({ path: ":memory:", log });
    const wanted = alertAt(5_000, { stream: "studio-b" });
    const others = [alertAt(5_000), alertAt(4_999, { stream: "studio-b" }), resolvedAt(20_000, { stream: "studio-b" })];
    store.commit([wanted, ...others].map((alert) => ({ kind: "firing", alert, atMs: 0 })));
    expect(store.alerts({ stream: "studio-b", state: "firing", since: 5_000, limit: 10 })).toEqual({ alerts: [wanted], nextCursor: null });
  });

  test("leaves out ended alerts that never fired", async () => {
    await using store = openStore({ path: ":memory:", log });
    const dropped = resolvedAt(9_000, { firingAt: null });
    const pending = alertAt(9_000, { state: "pending", firingAt: null });
    store.commit([dropped, pending, resolvedAt(9_000)].map((alert) => ({ kind: "x", alert, atMs: 0 })));
    expect(store.alerts({ limit: 10 }).alerts.map(({ id }) => id)).not.toContain(dropped.id);
    expect(store.alert(dropped.id)).toEqual(dropped);
  });

  test.each(["", "x", Buffer.from("1 ' OR 1=1 --").toString("base64url")])("refuses %j as a cursor", async (cursor) => {
    await using store = openStore({ path: ":memory:", log });
    expect(codeOf(() => store.alerts({ limit: 10, cursor }))).toMatch(/^request-invalid/);
  });
});

describe("opening", () => {
  test("refuses a file of a newer schema and leaves it as it is", async () => {
    await openStore({ path, log }).close();
    {
      using database = new DatabaseSync(path);
      database.exec("PRAGMA user_version = 99");
    }
    const before = readFileSync(path);
    expect(codeOf(() => openStore({ path, log }))).toMatch(new RegExp(`^store-failed: .*schema version 99.*knows up to ${SCHEMA_VERSION}`));
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test("says that a file is no database", async () => {
    await openStore({ path, log }).close();
    writeFileSync(path, "garbage ".repeat(1_000));
    expect(codeOf(() => openStore({ path, log }))).toMatch(/^store-failed: cannot open .*truecast\.db: file is not a database/);
  });

  test("finds damaged pages before any alert is trusted to them", async () => {
    {
      await using store = openStore({ path, log });
      store.commit(Array.from({ length: 500 }, (_, index) => ({ kind: "firing", alert: alertAt(index), atMs: index })));
    }
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 4 * 4_096, 8 * 4_096);
    writeFileSync(path, bytes);
    expect(codeOf(() => openStore({ path, log }))).toMatch(/^store-failed/);
  });

  test("says that its folder cannot be made", () => {
    writeFileSync(join(folder, "data"), "");
    expect(codeOf(() => openStore({ path, log }))).toMatch(/^store-failed: cannot open/);
  });

  test("keeps the file from other users' eyes", async () => {
    await openStore({ path, log }).close();
    expect(statSync(join(folder, "data")).mode & 0o777).toBe(0o700);
  });
});

describe("failing", () => {
  test("a full store refuses the commit, keeps what it had, and still reads", async () => {
    await using store = openStore({ path, log, maxSizeBytes: 100 * 1_024 });
    const stored: string[] = [];
    const outcome = codeOf(() => {
      for (let at = 0; at < 10_000; at++) {
        const alert = alertAt(at);
        store.commit([{ kind: "firing", alert, atMs: at }]);
        stored.push(alert.id);
      }
    });
    expect(outcome).toBe(`store-failed: cannot write ${path}: database or disk is full`);
    expect(stored.length).toBeGreaterThan(10);
    expect(stored.filter((id) => store.alert(id) === null)).toEqual([]);
  });

  test("a lock held by another process fails the commit after the busy timeout, and not for ever", async () => {
    await using store = openStore({ path, log, busyTimeoutMs: 20 });
    using other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const alert = alertAt(1_000);
    expect(codeOf(() => store.commit([{ kind: "firing", alert, atMs: 1_000 }]))).toMatch(/^store-failed: .*locked/);
    other.exec("COMMIT");
    store.commit([{ kind: "firing", alert, atMs: 1_000 }]);
    expect(store.alert(alert.id)).toEqual(alert);
  });
});

test("close is idempotent and folds the write-ahead log into the file", async () => {
  const store = openStore({ path, log });
  store.commit([{ kind: "firing", alert: alertAt(1_000), atMs: 1_000 }]);
  await store.close();
  await store.close();
  expect(() => statSync(`${path}-wal`)).toThrow(/ENOENT/);
});

test("retention removes old resolved alerts with their transitions in batches, unfired ones after a day, and never open ones", async () => {
  await using store = openStore({ path: ":memory:", log });
  const day = 86_400_000;
  const nowMs = 200 * day;
  const old = Array.from({ length: 450 }, () => resolvedAt(nowMs - 91 * day));
  const kept = [resolvedAt(nowMs - 89 * day), alertAt(nowMs - 150 * day), resolvedAt(nowMs - day / 2, { firingAt: null })];
  const unfired = resolvedAt(nowMs - 2 * day, { firingAt: null });
  store.commit([...old, ...kept, unfired].map((alert) => ({ kind: "x", alert, atMs: 0 })));

  const prune = vi.fn((limits: PruneLimits) => store.prune(limits));
  await using _ = startRetention({ store: { prune, pruneEvents: (beforeMs, batch) => store.pruneEvents(beforeMs, batch) }, retentionDays: 90, log, now: () => nowMs });
  await vi.waitFor(() => expect(prune.mock.results.map(({ value }) => value)).toEqual([100, 100, 100, 100, 51]));

  for (const alert of kept) expect(store.alert(alert.id)).toEqual(alert);
  expect([...old, unfired].filter(({ id }) => store.alert(id) !== null || store.transitions(id).length > 0)).toEqual([]);
});
