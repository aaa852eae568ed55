/** The alert rule, driven score by score on a media clock. */
import { describe, expect, test } from "vitest";
import { HorizonSchedule } from "../../pipelines/horizon/schedule.ts";
import { type HorizonFrames, SLOT_MS } from "../../pipelines/types.ts";
import { createTrackVerdict } from "../../pipelines/verdict/track-verdict.ts";
import { type AlertRuleInput, type AlertRuleSettings, type AlertRuleState, type AlertTransition, INACTIVE, stepAlertRule } from "./alert-rule.ts";
import { alertRuleSettings, blindSpotSettings } from "./alert-settings.ts";

const settings: AlertRuleSettings = { enabled: true, threshold: 0.8, hysteresis: 0.05, dwellMs: 2_000, resolveMs: 5_000, coolDownMs: 60_000, minFrames: 100, minCoverage: 0.5 };
/** Wall time of PTS 0. */
const EPOCH_MS = 1_700_000_000_000;

/** One track under the rule; its alerts are numbered in the order they opened. */
function track(rule: Partial<AlertRuleSettings> = {}) {
  let state: AlertRuleState = INACTIVE;
  let opened = 0;
  const all: AlertTransition[] = [];
  const feed = (input: AlertRuleInput): readonly AlertTransition[] => {
    const step = stepAlertRule(state, input, { ...settings, ...rule }, () => ({
      id: `alert-${++opened}`,
      stream: "studio",
      track: 1,
      tracks: [1],
      model: { name: "edge", sha256: "00", scripted: false },
    }));
    state = step.state;
    all.push(...step.transitions);
    return step.transitions;
  };
  return {
    all,
    score: (atS: number, score: number, { frames = 100 as HorizonFrames, coverage = 1 } = {}) =>
      feed({ kind: "score", ptsMs: atS * 1_000, atMs: EPOCH_MS + atS * 1_000, score: { frames, score, coverage } }),
    end: (atS: number) => feed({ kind: "end", atMs: EPOCH_MS + atS * 1_000, resolution: "track-ended" }),
    get state() {
      return state;
    },
  };
}

const kinds = (transitions: readonly AlertTransition[]) => transitions.map(({ kind }) => kind);

describe("opening", () => {
  test("a score under the threshold opens nothing", () => {
    const it = track();
    expect(it.score(0, 0.79)).toEqual([]);
    expect(it.state).toEqual({ kind: "inactive" });
  });

  test("a score at the threshold is pending, with its times and scores", () => {
    const it = track();
    expect(it.score(0, 0.8)).toEqual([
      {
        kind: "pending",
        atMs: EPOCH_MS,
        alert: {
          id: "alert-1", stream: "studio", track: 1, tracks: [1], rule: "manipulated-face", state: "pending", resolution: null, pendingAt: EPOCH_MS, firingAt: null, resolvedAt: null,
          score: 0.8, peakScore: 0.8, threshold: 0.8, model: { name: "edge", sha256: "00", scripted: false },
        },
      },
    ]);
  });

  test.each([
    ["a provisional score", { frames: 80 as HorizonFrames, coverage: 1 }],
    ["the score of a sparse window", { frames: 100 as HorizonFrames, coverage: 0.49 }],
  ])("%s does not count", (_, how) => {
    expect(track().score(0, 0.99, how)).toEqual([]);
  });

  test("provisional scores count when the rule says so", () => {
    expect(kinds(track({ minFrames: 40 }).score(0, 0.99, { frames: 40 }))).toEqual(["pending"]);
  });

  test("a score that is not a number opens nothing", () => {
    expect(track().score(0, Number.NaN)).toEqual([]);
  });
});

describe("dwell", () => {
  test("fires when the score stayed at the threshold for the dwell time, and not before", () => {
    const it = track();
    it.score(0, 0.9);
    expect(it.score(1, 0.85)).toEqual([]);
    const [fired] = it.score(2, 0.8);
    expect(fired).toMatchObject({ kind: "firing", alert: { id: "alert-1", state: "firing", pendingAt: EPOCH_MS, firingAt: EPOCH_MS + 2_000, score: 0.8, peakScore: 0.9 } });
  });

  test("a hop that is a few milliseconds short still counts as a hop", () => {
    const it = track();
    it.score(0, 0.9);
    it.score(1.001, 0.9);
    expect(kinds(it.score(1.967, 0.9))).toEqual(["firing"]);
  });

  test("starts again after a score inside the hysteresis", () => {
    const it = track();
    it.score(0, 0.9);
    expect(it.score(1, 0.76)).toEqual([]);
    it.score(2, 0.9);
    expect(it.score(3, 0.9)).toEqual([]);
    expect(kinds(it.score(4, 0.9))).toEqual(["firing"]);
  });

  test("a pending alert is dropped under the hysteresis, as resolved without having fired", () => {
    const it = track();
    it.score(0, 0.9);
    expect(it.score(1, 0.74)).toMatchObject([{ kind: "dropped", alert: { state: "resolved", resolution: "score-fell", firingAt: null, resolvedAt: EPOCH_MS + 1_000 } }]);
  });

  test("of zero makes an alert pending and firing at once", () => {
    expect(kinds(track({ dwellMs: 0 }).score(0, 0.9))).toEqual(["pending", "firing"]);
  });
});

describe("resolving", () => {
  function firing() {
    const it = track();
    for (const atS of [0, 1, 2]) it.score(atS, 0.9);
    return it;
  }

  test("takes the whole resolve time under threshold - hysteresis", () => {
    const it = firing();
    for (const atS of [3, 4, 5, 6, 7]) expect(it.score(atS, 0.5)).toEqual([]);
    expect(it.score(8, 0.5)).toMatchObject([{ kind: "resolved", alert: { state: "resolved", resolution: "score-fell", resolvedAt: EPOCH_MS + 8_000, score: 0.5, peakScore: 0.9 } }]);
  });

  test("begins anew after a score inside the hysteresis", () => {
    const it = firing();
    for (const atS of [3, 4, 5, 6, 7]) it.score(atS, 0.5);
    it.score(8, 0.76);
    expect(it.score(9, 0.5)).toEqual([]);
    expect(it.state.kind).toBe("firing");
  });

  test("comes with the end of the track, whatever the score", () => {
    const it = firing();
    expect(it.end(3)).toMatchObject([{ kind: "resolved", alert: { resolution: "track-ended", resolvedAt: EPOCH_MS + 3_000 } }]);
    expect(it.state).toEqual({ kind: "inactive" });
  });

  test("a track that ends while pending drops its alert", () => {
    const it = track();
    it.score(0, 0.9);
    expect(it.end(1)).toMatchObject([{ kind: "dropped", alert: { state: "resolved", firingAt: null, resolution: "track-ended" } }]);
  });

  test("a track that ends without an open alert makes no transition", () => {
    const it = track();
    it.score(0, 0.9);
    it.score(1, 0.1);
    expect(it.end(2)).toEqual([]);
  });
});

describe("cool-down", () => {
  function resolvedAt8s() {
    const it = track();
    for (const atS of [0, 1, 2]) it.score(atS, 0.9);
    for (const atS of [3, 4, 5, 6, 7, 8]) it.score(atS, 0.1);
    expect(kinds(it.all)).toEqual(["pending", "firing", "resolved"]);
    return it;
  }

  test("a crossing within it opens nothing, and held for the dwell time fires the same alert again", () => {
    const it = resolvedAt8s();
    expect(it.score(20, 0.95)).toEqual([]);
    expect(it.score(21, 0.95)).toEqual([]);
    expect(it.score(22, 0.95)).toMatchObject([
      { kind: "re-firing", alert: { id: "alert-1", state: "firing", firingAt: EPOCH_MS + 2_000, resolution: null, resolvedAt: null, peakScore: 0.95 } },
    ]);
  });

  test("a crossing within it that does not last leaves no trace", () => {
    const it = resolvedAt8s();
    it.score(20, 0.95);
    it.score(21, 0.7);
    it.score(22, 0.95);
    expect(it.score(23, 0.95)).toEqual([]);
    expect(it.all).toHaveLength(3);
  });

  test("a crossing after it opens a new alert", () => {
    const it = resolvedAt8s();
    expect(it.score(67, 0.1)).toEqual([]);
    expect(it.score(68, 0.9)).toMatchObject([{ kind: "pending", alert: { id: "alert-2" } }]);
  });

  test("a crossing that began within it fires the old alert even when the cool-down ends meanwhile", () => {
    const it = resolvedAt8s();
    it.score(67, 0.9);
    it.score(68, 0.9);
    expect(it.score(69, 0.9)).toMatchObject([{ kind: "re-firing", alert: { id: "alert-1" } }]);
  });

  test("covers dropped alerts too, so that a score that swings around the threshold opens one alert a cool-down", () => {
    const it = track();
    for (let atS = 0; atS < 120; atS++) it.score(atS, atS % 2 === 0 ? 0.9 : 0.1);
    expect(kinds(it.all)).toEqual(["pending", "dropped", "pending", "dropped"]);
  });
});

describe("at reduced sampling", () => {
  test.each([
    [1, 10],
    [2, 5],
    [4, 2.5],
  ])("where %i divides the scored slots, a face seen throughout has a verdict and its alert fires", (divisor, fps) => {
    const schedule = new HorizonSchedule(10);
    const verdict = createTrackVerdict({ model: { bands: { uncertain: 0.4, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 }, trained: true, kind: "cnn-lstm" } });
    const it = track(alertRuleSettings({ threshold: null, hysteresis: 0.05, dwellMs: 2_000, resolveMs: 5_000, coolDownMs: 60_000, minFrames: 100 }, undefined, 0.8));
    for (let slot = 0; slot < 140; slot += divisor) {
      const due = schedule.advance(slot, divisor)?.due ?? null;
      verdict.observeCrop(slot * SLOT_MS, null);
      if (due === null) continue;
      verdict.observeScore(slot * SLOT_MS, { frames: due.frames, score: 0.9, coverage: due.coverage, ...(due.reducedSamplingFps !== null && { samplingFps: due.reducedSamplingFps }) });
      it.score((slot * SLOT_MS) / 1_000, 0.9, due);
    }
    const judged = verdict.verdictAt(13_900, true);
    expect(judged).toMatchObject({ kind: "manipulated", score: 0.9, frames: 100, coverage: 1 });
    expect(judged.kind === "unscored" ? null : (judged.samplingFps ?? 10)).toBe(fps);
    expect(kinds(it.all)).toEqual(["pending", "firing"]);
  });
});

describe("settings", () => {
  const defaults = { threshold: null, hysteresis: 0.05, dwellMs: 2_000, resolveMs: 5_000, coolDownMs: 60_000, minFrames: 100 as const };

  test("a threshold of null is the model's edge of manipulated", () => {
    expect(alertRuleSettings(defaults, undefined, 0.83)).toMatchObject({ enabled: true, threshold: 0.83, dwellMs: 2_000 });
  });

  test("a stream's overrides win over the defaults", () => {
    expect(alertRuleSettings({ ...defaults, threshold: 0.8 }, { enabled: false, threshold: 0.95, dwellMs: 0 }, 0.83)).toMatchObject({
      enabled: false, threshold: 0.95, dwellMs: 0, coolDownMs: 60_000,
    });
  });
});

describe("a firing alert that gets worse", () => {
  test("says so when its peak rose by a further step, and not again within half a minute", () => {
    const it = track({ dwellMs: 0 });
    it.score(0, 0.85);
    expect(kinds(it.score(10, 0.95))).toEqual([]);
    expect(kinds(it.score(29, 0.96))).toEqual([]);
    expect(it.score(30, 0.9)).toMatchObject([{ kind: "worsened", alert: { state: "firing", peakScore: 0.96, score: 0.9 } }]);
    expect(kinds(it.score(61, 0.97))).toEqual([]);
    expect(kinds(it.score(62, 0.98))).toEqual(["worsened"]);
  });

  test("steps are counted from what was told last, to the decimal", () => {
    const it = track({ dwellMs: 0 });
    it.score(0, 0.8);
    expect(kinds(it.score(40, 0.819))).toEqual([]);
    expect(kinds(it.score(50, 0.82))).toEqual(["worsened"]);
  });
});

test("a score that crosses the line 200 times in ten minutes is one alert, and two words", () => {
  const it = track();
  for (const atS of [0, 1, 2]) it.score(atS, 0.9);
  for (let crossing = 1; crossing <= 200; crossing++) {
    const atS = crossing * 3;
    for (const [after, score] of [[0, 0.9], [1, 0.9], [2, 0.5]] as const) it.score(atS + after, score);
  }
  expect(kinds(it.all)).toEqual(["pending", "firing"]);
});

test("so is one that stays long enough on either side to end and fire again each time, as long as the cool-down holds", () => {
  const it = track();
  for (let atS = 0; atS < 600; atS++) it.score(atS, atS % 20 < 10 ? 0.9 : 0.3);
  expect(new Set(it.all.map(({ alert }) => alert.id)).size).toBe(1);
  expect(kinds(it.all).filter((kind) => kind === "firing")).toHaveLength(1);
  expect(kinds(it.all).filter((kind) => kind === "re-firing").length).toBeGreaterThan(20);
});

test("a stream says for itself whether it should show a face, and whether it raises any alert", () => {
  const defaults = { threshold: null, hysteresis: 0.05, dwellMs: 2_000, resolveMs: 5_000, coolDownMs: 60_000, minFrames: 100 } as const;
  const config = { alerts: defaults, blindSpots: { expectFace: false, noFaceMs: 1, lowCoverageMs: 2, maxLowCoverage: 0.5, decoderRestarts: true } };
  expect(blindSpotSettings(config, undefined)).toMatchObject({ enabled: true, expectFace: false, coolDownMs: 60_000 });
  expect(blindSpotSettings(config, { expectFace: true, coolDownMs: 5 })).toMatchObject({ enabled: true, expectFace: true, coolDownMs: 5 });
  expect(blindSpotSettings(config, { enabled: false }).enabled).toBe(false);
  expect(alertRuleSettings(defaults, { expectFace: true }, 0.8)).not.toHaveProperty("expectFace");
});
