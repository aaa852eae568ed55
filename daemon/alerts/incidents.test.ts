/** Incidents over cuts, reconnects and restarts: which track joins which, and which never does. */
import { describe, expect, test } from "vitest";
import type { AlertRuleSettings, AlertTransition } from "./alert-rule.ts";
import { SAME_FACE_DISTANCE } from "./face-likeness.ts";
import { MAX_AWAY_MS, StreamIncidents } from "./incidents.ts";

const settings: AlertRuleSettings = { enabled: true, threshold: 0.8, hysteresis: 0.05, dwellMs: 0, resolveMs: 5_000, coolDownMs: 120_000, minFrames: 100, minCoverage: 0.5 };
const EPOCH_MS = 1_700_000_000_000;

/** Looks of a person: `apart` is the distance from the first look. */
function person(axis: number, apart = 0): Float32Array {
  const look = new Float32Array(128);
  look[axis] = 1;
  look[axis + 64] = apart;
  return look;
}
const ANNA = 0;
const BEN = 1;

/** One stream on a clock of seconds; the media clock runs `ptsAheadS` ahead of it. */
function stream() {
  const incidents = new StreamIncidents();
  const all: AlertTransition[] = [];
  let opened = 0;
  const at = (atS: number) => ({ monotonicMs: atS * 1_000, atMs: EPOCH_MS + atS * 1_000 });
  const took = (made: readonly AlertTransition[]): readonly AlertTransition[] => {
    all.push(...made);
    return made;
  };
  const { coolDownMs } = settings;
  return {
    incidents,
    all,
    score: (track: number, atS: number, score = 0.9, ptsAheadS = 0) =>
      took(
        incidents.score(
          track,
          { kind: "score", ptsMs: (atS + ptsAheadS) * 1_000, atMs: EPOCH_MS + atS * 1_000, score: { frames: 100, score, coverage: 1 } },
          { settings, maxOpen: 20, monotonicMs: atS * 1_000, origin: () => ({ id: `alert-${++opened}`, stream: "studio", track, tracks: [track], model: { name: "edge", sha256: "00", scripted: false } }) },
        ).transitions,
      ),
    look: (track: number, atS: number, descriptor: Float32Array, ptsAheadS = 0) => took(incidents.look(track, { descriptor, ptsMs: (atS + ptsAheadS) * 1_000, now: at(atS), coolDownMs })),
    end: (track: number, atS: number) => took(incidents.endTrack(track, { now: at(atS), reason: "track-ended", coolDownMs })),
    lose: (atS: number) => took(incidents.loseTracks(at(atS), coolDownMs)),
    over: (atS: number) => took(incidents.endStream(at(atS))),
    tick: (atS: number) => took(incidents.tick(at(atS), coolDownMs)),
    told: () => all.map(({ kind, alert }) => `${alert.id} ${kind}`),
  };
}

/** Anna's alert fires on track 1 at second 10. */
function firing() {
  const it = stream();
  it.look(1, 1, person(ANNA));
  it.score(1, 10);
  return it;
}

describe("a face that comes back as another track", () => {
  test("goes on with its alert: no end, no new one, both tracks named", () => {
    const it = firing();
    expect(it.end(1, 12)).toEqual([]);
    expect(it.incidents.open()).toMatchObject([{ state: "firing" }]);
    expect(it.look(2, 15, person(ANNA, 0.2))).toMatchObject([{ kind: "joined", alert: { id: "alert-1", state: "firing", track: 1, tracks: [1, 2] } }]);
    it.score(2, 25);
    it.tick(200);
    expect(it.told()).toEqual(["alert-1 pending", "alert-1 firing", "alert-1 joined"]);
  });

  test("also when it was looked at before its old track was given up", () => {
    const it = firing();
    expect(it.look(2, 12, person(ANNA))).toEqual([]);
    expect(it.end(1, 13)).toMatchObject([{ kind: "joined", alert: { tracks: [1, 2] } }]);
  });

  test("also when the process that followed it was lost, with every track at once and a media clock that begins anew", () => {
    const it = firing();
    it.look(3, 10, person(BEN));
    it.score(3, 11);
    expect(it.lose(20)).toEqual([]);
    expect(it.look(4, 25, person(BEN), -25)).toMatchObject([{ alert: { id: "alert-2", tracks: [3, 4] } }]);
    expect(it.look(5, 26, person(ANNA), -25)).toMatchObject([{ alert: { id: "alert-1", tracks: [1, 5] } }]);
    it.score(5, 36, 0.3, -25);
    expect(it.score(5, 41, 0.3, -25)).toMatchObject([{ kind: "resolved", alert: { id: "alert-1", resolution: "score-fell" } }]);
  });

  test("resolves its alert by its score on the new track, on that track's clock", () => {
    const it = firing();
    it.end(1, 12);
    it.look(2, 15, person(ANNA), 5_000);
    it.score(2, 20, 0.2, 5_000);
    expect(it.score(2, 24, 0.2, 5_000)).toEqual([]);
    expect(it.score(2, 25, 0.2, 5_000)).toMatchObject([{ kind: "resolved", alert: { resolution: "score-fell" } }]);
  });

  test("makes its alert fire again within the cool-down, also after the stream was over in between", () => {
    const it = firing();
    expect(it.over(30)).toMatchObject([{ kind: "resolved", alert: { resolution: "stream-ended" } }]);
    expect(it.look(7, 60, person(ANNA))).toEqual([]);
    expect(it.score(7, 70)).toMatchObject([{ kind: "re-firing", alert: { id: "alert-1", tracks: [1, 7], resolution: null, resolvedAt: null } }]);
  });

  test("opens a new alert after the cool-down", () => {
    const it = firing();
    it.over(30);
    it.tick(151);
    expect(it.incidents.isEmpty).toBe(true);
    it.look(7, 152, person(ANNA));
    expect(it.score(7, 160)).toMatchObject([{ kind: "pending", alert: { id: "alert-2" } }, { kind: "firing" }]);
  });
});

describe("a face that does not come back", () => {
  test("ends its alert when the wait is over, as of when it was lost", () => {
    const it = firing();
    it.end(1, 12);
    expect(it.tick(12 + MAX_AWAY_MS / 1_000 - 1)).toEqual([]);
    expect(it.tick(12 + MAX_AWAY_MS / 1_000)).toMatchObject([{ kind: "resolved", atMs: EPOCH_MS + 72_000, alert: { resolution: "track-ended", resolvedAt: EPOCH_MS + 12_000 } }]);
  });

  test("ends its alert at once when nobody knows what it looks like", () => {
    const it = stream();
    it.score(1, 10);
    expect(it.end(1, 12)).toMatchObject([{ kind: "resolved", alert: { resolution: "track-ended" } }]);
    expect(it.incidents.isEmpty).toBe(true);
  });

  test("says that the analysis was restarted when that is why it was lost", () => {
    const it = firing();
    it.lose(12);
    expect(it.tick(80)).toMatchObject([{ kind: "resolved", alert: { resolution: "analysis-restarted" } }]);
  });
});

describe("two faces", () => {
  test("of two people never share an incident, however close in time", () => {
    const it = firing();
    it.end(1, 12);
    expect(it.look(2, 13, person(BEN))).toEqual([]);
    it.score(2, 20);
    expect(it.incidents.open().map(({ id, tracks }) => [id, tracks])).toEqual([["alert-1", [1]], ["alert-2", [2]]]);
  });

  test("just too far apart are two people, just near enough are one", () => {
    for (const [apart, joins] of [[SAME_FACE_DISTANCE + 0.01, false], [SAME_FACE_DISTANCE - 0.01, true]] as const) {
      const it = firing();
      it.end(1, 12);
      expect(it.look(2, 13, person(ANNA, apart)).length).toBe(joins ? 1 : 0);
    }
  });

  test("of one person, both in the picture, have an incident each; neither takes the other's over", () => {
    const it = firing();
    it.look(2, 5, person(ANNA));
    it.score(2, 11);
    expect(it.incidents.open().map(({ id }) => id)).toEqual(["alert-1", "alert-2"]);
    it.end(1, 20);
    it.score(2, 30);
    it.tick(30);
    expect(it.incidents.open().map(({ id, tracks }) => [id, tracks])).toEqual([["alert-1", [1]], ["alert-2", [2]]]);
  });

  test("that leave together come back to their own incidents, the nearest first", () => {
    const it = firing();
    it.look(2, 5, person(ANNA, 0.37));
    it.score(2, 11);
    it.end(1, 20);
    it.end(2, 20);
    it.look(3, 22, person(ANNA, 0.33));
    it.look(4, 22, person(ANNA, 0.02));
    expect(it.incidents.open().map(({ tracks }) => tracks)).toEqual([[1, 4], [2, 3]]);
  });
});

test("a pending alert whose track ends is dropped, and joined by nobody", () => {
  const it = stream();
  const slow = { ...settings, dwellMs: 5_000 };
  it.look(1, 1, person(ANNA));
  it.incidents.score(1, { kind: "score", ptsMs: 10_000, atMs: EPOCH_MS, score: { frames: 100, score: 0.9, coverage: 1 } }, { settings: slow, maxOpen: 20, monotonicMs: 10_000, origin: () => ({ id: "alert-1", stream: "studio", track: 1, tracks: [1], model: { name: "edge", sha256: "00", scripted: false } }) });
  expect(it.end(1, 11)).toMatchObject([{ kind: "dropped" }]);
  expect(it.look(2, 12, person(ANNA))).toEqual([]);
});

test("what is remembered is bounded, and gone when the cool-down is over", () => {
  const it = stream();
  for (let track = 1; track <= 200; track++) {
    it.look(track, track / 10, person(track % 60, track / 200));
    it.score(track, track / 10);
    it.score(track, track / 10 + 0.05, 0.1);
    it.score(track, track / 10 + 6, 0.1);
    it.end(track, track / 10 + 6);
  }
  it.tick(30);
  expect(it.incidents.isEmpty).toBe(false);
  it.tick(400);
  expect([it.incidents.isEmpty, it.incidents.open()]).toEqual([true, []]);
});
