/** The alert engine on a real store: commit before telling, outages, restarts, overrides, caps. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Value } from "typebox/value";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TruecastError } from "../../pipelines/errors.ts";
import { Alert, type AlertEvent, type FaceAlert } from "../protocol.ts";
import { openStore, type Store } from "../store/store.ts";
import { type AlertEngine, type AlertEngineOptions, startAlertEngine, type ToldTransition } from "./alert-engine.ts";
import type { AlertRuleSettings } from "./alert-rule.ts";

const log = pino({ level: "silent" });
const model = { name: "edge", sha256: "ab", kind: "cnn-lstm", trained: true } as const;
const settings: AlertRuleSettings = { enabled: true, threshold: 0.8, hysteresis: 0.05, dwellMs: 2_000, resolveMs: 5_000, coolDownMs: 60_000, minFrames: 100, minCoverage: 0.5 };

let folder: string;
let path: string;
let store: Store;
let told: ToldTransition[];
let engine: AlertEngine | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "truecast-alerts-"));
  path = join(folder, "truecast.db");
  store = openStore({ path, log, busyTimeoutMs: 5 });
  told = [];
});
afterEach(async () => {
  vi.useRealTimers();
  await engine?.close();
  engine = undefined;
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(options: Partial<AlertEngineOptions> = {}): AlertEngine {
  engine = startAlertEngine({ store, model, rules: () => settings, onTransition: (transition) => told.push(transition), now: () => 1_700_000_000_000, log, ...options });
  return engine;
}

/** Scores of 0.9, one a second, from `fromS` to `toS`. */
function cross(stream: string, track: number, fromS: number, toS: number): void {
  for (let atS = fromS; atS <= toS; atS++) engine?.score({ stream, track, ptsMs: atS * 1_000, score: { frames: 100, score: 0.9, coverage: 1 } });
}

const face = (alert: Alert | undefined): FaceAlert => {
  if (alert?.rule !== "manipulated-face") throw new Error("not the alert of a face");
  return alert;
};
const kinds = () => told.map(({ kind }) => kind);

test("every transition is in the store before it is told, and is an alert of the protocol", () => {
  start({
    onTransition: (transition) => {
      expect(store.alert(transition.alert.id)).toEqual(transition.alert);
      expect(store.transitions(transition.alert.id).at(-1)?.kind).toBe(transition.kind);
      expect(Value.Errors(Alert, transition.alert)).toEqual([]);
      told.push(transition);
    },
  });
  cross("studio", 1, 0, 3);
  engine?.endTrack("studio", 1);
  expect(kinds()).toEqual(["pending", "firing", "resolved"]);
});

test("open alerts carry the latest scores, though nothing was told since they fired", () => {
  const it = start();
  cross("studio", 1, 0, 2);
  it.score({ stream: "studio", track: 1, ptsMs: 3_000, score: { frames: 100, score: 0.97, coverage: 1 } });
  expect(kinds()).toEqual(["pending", "firing"]);
  expect(it.openAlerts()).toMatchObject([{ state: "firing", score: 0.97, peakScore: 0.97 }]);
  expect(store.openAlerts().map((alert) => face(it.latest(alert)).score)).toEqual([0.97]);
  expect(it.firingAlerts("studio")).toBe(1);
});

test("the end of a stream ends the alerts of all its tracks and of no other stream", () => {
  const it = start();
  for (const track of [1, 2]) cross("studio-a", track, 0, 2);
  cross("studio-b", 1, 0, 2);
  it.endStream("studio-a");
  expect(told.slice(-2)).toMatchObject([1, 2].map((track) => ({ kind: "resolved", alert: { stream: "studio-a", track, resolution: "stream-ended" } })));
  expect(it.openAlerts().map(({ stream }) => stream)).toEqual(["studio-b"]);
});

test("tracks lost with their analysis process end their alerts as that, in the store too", () => {
  const it = start();
  cross("studio", 1, 0, 2);
  it.loseTracks("studio");
  expect(told.at(-1)).toMatchObject({ kind: "resolved", alert: { resolution: "analysis-restarted" } });
  const stored = store.alert(told.at(-1)?.alert.id ?? "");
  expect(stored).toEqual(told.at(-1)?.alert);
  expect(Value.Errors(Alert, stored)).toEqual([]);
});

test("people are told by events: each with its transition, numbered in order, with one id in the store and on the wire", () => {
  const it = start();
  cross("studio", 1, 0, 2);
  it.score({ stream: "studio", track: 1, ptsMs: 40_000, score: { frames: 100, score: 0.99, coverage: 1 } });
  it.endTrack("studio", 1);
  expect(told.map(({ kind, event }) => [kind, event?.kind ?? null, event?.seq ?? null])).toEqual([["pending", null, null], ["firing", "new", 1], ["worsened", "update", 2], ["resolved", "end", 3]]);
  expect(store.eventsAfter(0, 10)).toEqual(told.flatMap(({ event, alert }) => (event === null ? [] : [{ ...event, alert }])));
});

test("a pending alert that never fires is no event", () => {
  start();
  cross("studio", 1, 0, 0);
  engine?.endTrack("studio", 1);
  expect(kinds()).toEqual(["pending", "dropped"]);
  expect(store.newestSeq()).toBe(0);
});

test("a face that comes back as another track is one incident, committed as such, and nothing of what it looks like is kept or said", () => {
  const lines: string[] = [];
  let monotonicMs = 0;
  const it = start({ log: pino({ level: "trace" }, { write: (line: string) => void lines.push(line) }), monotonicMs: () => monotonicMs });
  const descriptor = new Float32Array(128).fill(0.0703125);
  it.look({ stream: "studio", track: 1, ptsMs: 0, descriptor });
  cross("studio", 1, 0, 2);
  it.loseTracks("studio");
  monotonicMs = 20_000;
  it.look({ stream: "studio", track: 2, ptsMs: 0, descriptor });
  expect(told.at(-1)).toMatchObject({ kind: "joined", event: { kind: "update" }, alert: { state: "firing", tracks: [1, 2] } });
  expect(store.openAlerts()).toEqual([told.at(-1)?.alert]);
  it.endTrack("studio", 2);
  it.tick([]);
  expect(it.firingAlerts("studio")).toBe(1);
  monotonicMs = 80_000;
  it.tick([]);
  expect(told.at(-1)).toMatchObject({ kind: "resolved", event: { kind: "end", seq: 3 } });
  expect(JSON.stringify([told, store.eventsAfter(0, 10), lines])).not.toContain("0.0703");
});

test("a stream whose name stands for another picture joins nothing of the one before", () => {
  const it = start();
  const descriptor = new Float32Array(128).fill(0.1);
  it.look({ stream: "studio", track: 1, ptsMs: 0, descriptor });
  cross("studio", 1, 0, 2);
  it.endStream("studio");
  it.forgetStream("studio");
  it.look({ stream: "studio", track: 2, ptsMs: 3_000, descriptor });
  cross("studio", 2, 4, 8);
  expect(new Set(told.map(({ alert }) => alert.id)).size).toBe(2);
});

test("blind spots go the same way: committed, told as events, ended by the next run of the daemon", async () => {
  let monotonicMs = 0;
  const blindSpots = () => ({ enabled: true, expectFace: true, noFaceMs: 5_000, lowCoverageMs: 60_000, maxLowCoverage: 0.5, minCoverage: 0.5, decoderRestarts: true, maxRestarts: 8, coolDownMs: 60_000 });
  const it = start({ blindSpots, monotonicMs: () => monotonicMs });
  it.tick([{ name: "studio", live: true }]);
  monotonicMs = 6_000;
  it.tick([{ name: "studio", live: true }]);
  it.decoderStorm("studio", 8);
  expect(told).toMatchObject([
    { kind: "firing", event: { kind: "new", seq: 1 }, alert: { rule: "no-usable-face" } },
    { kind: "firing", event: { kind: "new", seq: 2 }, alert: { rule: "decoder-restarts" } },
  ]);
  for (const { alert } of told) expect([Value.Errors(Alert, alert), store.alert(alert.id)]).toEqual([[], alert]);
  expect(it.firingAlerts("studio")).toBe(2);
  await it.close();
  told = [];
  start({ blindSpots });
  await vi.waitFor(() => expect(told).toHaveLength(2));
  expect(told.map(({ event, alert }) => [event?.kind, alert.resolution])).toEqual([["end", "daemon-restarted"], ["end", "daemon-restarted"]]);
});

test("an untrained model raises no alert", () => {
  start({ model: { ...model, trained: false } });
  cross("studio", 1, 0, 10);
  expect(told).toEqual([]);
});

test("the scripted stand-in raises alerts that say so", () => {
  start({ model: { ...model, kind: "scripted", trained: false } });
  cross("studio", 1, 0, 0);
  expect(told).toMatchObject([{ alert: { model: { scripted: true } } }]);
});

test("a new model names the alerts from then on", () => {
  const it = start();
  cross("studio", 1, 0, 2);
  it.setModel({ ...model, sha256: "cd" });
  cross("studio", 2, 0, 0);
  expect(told.map(({ alert }) => face(alert).model.sha256)).toEqual(["ab", "ab", "cd"]);
});

test("rules differ by stream", () => {
  start({ rules: (stream) => ({ ...settings, enabled: stream !== "muted", threshold: stream === "strict" ? 0.95 : 0.8, dwellMs: stream === "quick" ? 0 : 2_000 }) });
  for (const stream of ["muted", "strict", "quick"]) cross(stream, 1, 0, 0);
  expect(told.map(({ kind, alert }) => `${alert.stream} ${kind}`)).toEqual(["quick pending", "quick firing"]);
});

test("a stream has at most so many open alerts; the rest is counted, and may open once there is room", () => {
  const suppressed: string[] = [];
  const it = start({ maxOpenPerStream: 2, onSuppressed: (stream) => suppressed.push(stream) });
  for (const track of [1, 2, 3]) cross("studio", track, 0, 0);
  expect(told.map(({ alert }) => face(alert).track)).toEqual([1, 2]);
  expect(suppressed).toEqual(["studio"]);
  it.endTrack("studio", 1);
  cross("studio", 3, 1, 1);
  expect(told.at(-1)).toMatchObject({ kind: "pending", alert: { track: 3 } });
});

test("alerts that an earlier run left open are resolved as daemon-restarted, committed first", async () => {
  start();
  cross("studio", 1, 0, 2);
  cross("studio", 2, 0, 0);
  await engine?.close();
  await store.close();
  store = openStore({ path, log });
  told = [];
  const it = start({
    onTransition: (transition) => {
      // Callbacks use the engine, so they must not run before the caller has it.
      expect(it.firingAlerts("studio")).toBe(0);
      told.push(transition);
    },
  });
  expect(store.openAlerts()).toEqual([]);
  await vi.waitFor(() => expect(told).toHaveLength(2));
  const byTrack = told.toSorted((a, b) => face(a.alert).track - face(b.alert).track);
  expect(byTrack).toMatchObject([{ kind: "resolved", alert: { track: 1, resolution: "daemon-restarted" } }, { kind: "dropped", alert: { track: 2, resolution: "daemon-restarted" } }]);
  for (const { alert } of told) expect(store.alert(alert.id)).toEqual(alert);
});

test("while the store fails alerts go out as unstored, the log says it once, and all is stored when it works again", () => {
  vi.useFakeTimers();
  const lines: string[] = [];
  const stored: Alert[] = [];
  const numbered: (AlertEvent | null)[] = [];
  start({ log: pino({ level: "error" }, { write: (line: string) => void lines.push(line) }), onStored: ({ alert, event }) => numbered.push(event) && stored.push(alert), retryMs: 1_000 });
  {
    using other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    cross("studio", 1, 0, 3);
    vi.advanceTimersByTime(3_000);
    expect(told).toMatchObject([{ kind: "pending", alert: { unstored: true }, event: null }, { kind: "firing", alert: { unstored: true }, event: { kind: "new", seq: null } }]);
    expect(lines).toHaveLength(1);
    expect(engine?.unstored).toBe(2);
    expect(store.openAlerts()).toEqual([]);
  }
  vi.advanceTimersByTime(1_000);
  expect(engine?.unstored).toBe(0);
  const id = told[0]?.alert.id ?? "";
  expect(store.transitions(id).map(({ kind }) => kind)).toEqual(["pending", "firing"]);
  expect(stored).toEqual([store.alert(id)]);
  // The event that went out without a number has one now, and is the same.
  expect(numbered).toEqual([{ ...told[1]?.event, seq: 1, alert: store.alert(id) }]);
  expect(store.eventsAfter(0, 10)).toEqual(numbered);
  engine?.endTrack("studio", 1);
  expect(told.at(-1)?.alert).toEqual(store.alert(id));
});

test("on a full store alerts still go out", async () => {
  await store.close();
  store = openStore({ path, log, maxSizeBytes: 64 * 1_024 });
  start();
  for (let track = 1; track <= 400; track++) {
    cross(`studio-${track}`, track, 0, 2);
  }
  expect(told).toHaveLength(800);
  expect(told[0]?.alert).not.toHaveProperty("unstored");
  expect(told.at(-1)).toMatchObject({ kind: "firing", alert: { unstored: true } });
});

test("a transition that the store refuses for good does not hold up the ones behind it", () => {
  vi.useFakeTimers();
  let failing = true;
  const committed: string[] = [];
  start({
    retryMs: 1_000,
    store: {
      openAlerts: () => [],
      commit(transitions) {
        if (failing) throw new TruecastError("store-failed", "disk gone");
        if (transitions.some(({ alert }) => face(alert).track === 2)) throw new TruecastError("internal", "refused");
        committed.push(...transitions.map(({ alert, kind }) => `${face(alert).track} ${kind}`));
        return [];
      },
    },
  });
  for (const track of [1, 2, 3]) cross("studio", track, 0, 0);
  failing = false;
  vi.advanceTimersByTime(1_000);
  expect(committed).toEqual(["1 pending", "3 pending"]);
  expect(engine?.unstored).toBe(0);
});

test("what waits is stored at close if the store works by then", async () => {
  start({ retryMs: 60_000 });
  {
    using other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    cross("studio", 1, 0, 0);
  }
  await engine?.close();
  expect(store.openAlerts()).toMatchObject([{ track: 1, state: "pending" }]);
});
