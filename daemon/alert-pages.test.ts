/** The lists of alerts over a real engine and store: an open alert is never missing, whatever the store can do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TruecastError } from "../pipelines/errors.ts";
import { createAlertPages } from "./alert-pages.ts";
import { type AlertEngine, startAlertEngine } from "./alerts/alert-engine.ts";
import type { AlertRuleSettings } from "./alerts/alert-rule.ts";
import type { Alert } from "./protocol.ts";

const trackOf = (alert: Alert | undefined): number | null => (alert?.rule === "manipulated-face" ? alert.track : null);
import { openStore, type Store } from "./store/store.ts";

const log = pino({ level: "silent" });
const settings: AlertRuleSettings = { enabled: true, threshold: 0.8, hysteresis: 0.05, dwellMs: 0, resolveMs: 5_000, coolDownMs: 60_000, minFrames: 100, minCoverage: 0.5 };

let folder: string;
let path: string;
let store: Store;
let engine: AlertEngine;
let pages: ReturnType<typeof createAlertPages>;
let nowMs: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "truecast-alert-pages-"));
  path = join(folder, "truecast.db");
  store = openStore({ path, log, busyTimeoutMs: 5 });
  nowMs = 1_700_000_000_000;
  vi.useFakeTimers();
  engine = startAlertEngine({ store, model: { name: "edge", sha256: "ab", kind: "cnn-lstm", trained: true }, rules: () => settings, onTransition: () => {}, now: () => nowMs, log, retryMs: 1_000, maxOpenPerStream: 200 });
  pages = createAlertPages({ engine, store, log });
});
afterEach(async () => {
  vi.useRealTimers();
  await engine.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** One more alert fires, a second after the one before. */
function fire(track: number, stream = "studio"): void {
  nowMs += 1_000;
  engine.score({ stream, track, ptsMs: track * 1_000, score: { frames: 100, score: 0.9, coverage: 1 } });
}

/** Holds the file so that nothing can be committed; what is stored can still be read. */
function outage(): Disposable {
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  return other;
}

const shown = (alerts: readonly Alert[]): string[] => alerts.map((alert) => `${trackOf(alert)} ${alert.state}${alert.unstored ? " unstored" : ""}`);

test("an alert that could not be stored is in every list and found by its id, marked until it is stored", () => {
  fire(1);
  {
    using _ = outage();
    fire(2);
    const expected = ["2 firing unstored", "1 firing"];
    expect(shown(pages.snapshotAlerts())).toEqual(expected);
    expect(shown(pages.alerts({ limit: 100 }).alerts)).toEqual(expected);
    expect(shown(pages.alerts({ limit: 100, state: "firing", stream: "studio" }).alerts)).toEqual(expected);
    expect(shown(engine.openAlerts())).toEqual(expected.toReversed());
    for (const alert of pages.snapshotAlerts()) {
      expect(pages.alert(alert.id)).toEqual(alert);
      expect(engine.latest(alert)).toEqual(alert);
    }
    expect(pages.alerts({ limit: 100, stream: "other" }).alerts).toEqual([]);
    expect(pages.alerts({ limit: 100, since: nowMs + 1 }).alerts).toEqual([]);
  }
  vi.advanceTimersByTime(1_000);
  expect(shown(pages.snapshotAlerts())).toEqual(["2 firing", "1 firing"]);
  expect(shown(pages.alerts({ limit: 100 }).alerts)).toEqual(["2 firing", "1 firing"]);
});

test("an alert that ended while the store could not commit is nowhere shown as firing any more", () => {
  fire(1);
  {
    using _ = outage();
    engine.endTrack("studio", 1);
    expect(shown(store.openAlerts())).toEqual(["1 firing"]);
    expect(shown(pages.snapshotAlerts())).toEqual(["1 resolved unstored"]);
    expect(pages.alerts({ limit: 100, state: "firing" }).alerts).toEqual([]);
    expect(shown(pages.alerts({ limit: 100, state: "resolved" }).alerts)).toEqual(["1 resolved unstored"]);
  }
  vi.advanceTimersByTime(1_000);
  expect(shown(pages.snapshotAlerts())).toEqual(["1 resolved"]);
});

test("a snapshot has an alert that fires since long behind more than a hundred newer ones", () => {
  fire(1);
  for (let track = 2; track <= 131; track++) {
    fire(track);
    engine.endTrack("studio", track);
  }
  const snapshot = pages.snapshotAlerts();
  expect(snapshot).toHaveLength(100);
  expect(shown(snapshot.filter(({ state }) => state === "firing"))).toEqual(["1 firing"]);
  expect(trackOf(snapshot[0])).toBe(131);
  for (let track = 132; track <= 260; track++) fire(track);
  expect(pages.snapshotAlerts().filter(({ state }) => state === "firing")).toHaveLength(130);
});

test("pages that mix stored alerts with unstored ones lose and repeat none", () => {
  for (let track = 1; track <= 10; track++) fire(track);
  using _ = outage();
  for (const track of [3, 4, 9]) engine.endTrack("studio", track);
  for (let track = 11; track <= 16; track++) fire(track);
  const seen: Alert[][] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = pages.alerts({ limit: 4, state: "firing", ...(cursor === undefined ? {} : { cursor }) });
    seen.push([...page.alerts]);
    cursor = page.nextCursor;
  }
  expect(seen.map((page) => page.map(trackOf))).toEqual([[16, 15, 14, 13], [12, 11, 10, 8], [7, 6, 5, 2], [1]]);
});

test("while the store cannot be read a snapshot and the open alerts are still given; half a history is not", () => {
  fire(1);
  let error: Error = new TruecastError("store-failed", "disk gone");
  const fail = (): never => {
    throw error;
  };
  const broken = createAlertPages({ engine, store: { alert: fail, alerts: fail }, log });
  expect(shown(broken.snapshotAlerts())).toEqual(["1 firing"]);
  expect(shown(broken.alerts({ limit: 100, state: "firing" }).alerts)).toEqual(["1 firing"]);
  expect(broken.alert(engine.openAlerts()[0]?.id ?? "")).toMatchObject({ state: "firing" });
  expect(() => broken.alerts({ limit: 100 })).toThrow("disk gone");
  error = new Error("a defect");
  expect(() => broken.snapshotAlerts()).toThrow("a defect");
});
