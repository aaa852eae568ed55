/** Blind spots of one stream on a clock of seconds. */
import { describe, expect, test } from "vitest";
import type { AlertTransition } from "./alert-rule.ts";
import { type BlindSpotSettings, StreamBlindSpots } from "./blind-spots.ts";

const settings: BlindSpotSettings = {
  enabled: true, expectFace: true, noFaceMs: 300_000, lowCoverageMs: 300_000, maxLowCoverage: 0.5, minCoverage: 0.5, decoderRestarts: true, maxRestarts: 8, coolDownMs: 60_000,
};
const EPOCH_MS = 1_700_000_000_000;
const at = (atS: number) => ({ monotonicMs: atS * 1_000, atMs: EPOCH_MS + atS * 1_000 });

function stream(changes: Partial<BlindSpotSettings> = {}) {
  const spots = new StreamBlindSpots("studio");
  const own = { ...settings, ...changes };
  const told: AlertTransition[] = [];
  /** Second by second; `usable` and `coverage` say what the seconds showed. */
  const pass = (fromS: number, toS: number, { live = true, usable = false, coverage = null as number | null } = {}): readonly AlertTransition[] => {
    const made: AlertTransition[] = [];
    for (let atS = fromS; atS < toS; atS++) {
      if (live) spots.view(usable, at(atS));
      if (coverage !== null) spots.window(coverage, own, at(atS));
      made.push(...spots.tick(live, own, at(atS)));
    }
    told.push(...made);
    return made;
  };
  return { spots, told, pass, storm: (atS: number) => spots.decoderStorm(8, own, at(atS)), end: (atS: number) => spots.end("stream-ended", at(atS)) };
}
const shown = (transitions: readonly AlertTransition[]): string[] => transitions.map(({ kind, alert }) => `${alert.rule} ${kind} ${alert.resolution ?? ""}`.trim());

describe("no usable face", () => {
  test("fires once after the time, counted from the last usable face, and clears when one is seen again", () => {
    const it = stream();
    it.pass(0, 10, { usable: true });
    expect(it.pass(10, 309)).toEqual([]);
    expect(it.pass(309, 400)).toMatchObject([
      { kind: "firing", alert: { rule: "no-usable-face", state: "firing", pendingAt: EPOCH_MS + 9_000, firingAt: EPOCH_MS + 309_000, measured: 300, limit: 300 } },
    ]);
    expect(it.spots.open()).toMatchObject([{ measured: 390 }]);
    expect(shown(it.pass(400, 411, { usable: true }))).toEqual(["no-usable-face resolved cleared"]);
  });

  test("is one incident when a face flickers in and out", () => {
    const it = stream();
    it.pass(0, 310);
    for (let round = 0; round < 20; round++) {
      it.pass(310 + round * 10, 313 + round * 10, { usable: true });
      it.pass(313 + round * 10, 320 + round * 10);
    }
    expect(shown(it.told)).toEqual(["no-usable-face firing"]);
  });

  test("fires again under its old id within the cool-down", () => {
    const it = stream({ noFaceMs: 10_000 });
    it.pass(0, 15);
    it.pass(15, 26, { usable: true });
    it.pass(26, 60);
    expect(shown(it.told)).toEqual(["no-usable-face firing", "no-usable-face resolved cleared", "no-usable-face re-firing"]);
    expect(new Set(it.told.map(({ alert }) => alert.id)).size).toBe(1);
  });

  test("neither begins nor ends while no frames come, and the time begins anew with them", () => {
    const it = stream();
    it.pass(0, 200);
    it.pass(200, 600, { live: false });
    expect(it.pass(600, 899)).toEqual([]);
    expect(shown(it.pass(899, 910))).toEqual(["no-usable-face firing"]);
    expect(it.pass(910, 2_000, { live: false })).toEqual([]);
    expect(it.spots.open()).toHaveLength(1);
    expect(shown(it.end(2_000))).toEqual(["no-usable-face resolved stream-ended"]);
  });

  test("is no matter on a stream that need not show a face, nor where alerts are off", () => {
    for (const changes of [{ expectFace: false }, { enabled: false }]) expect(stream(changes).pass(0, 1_000, { coverage: 0 })).toEqual([]);
  });
});

describe("low coverage", () => {
  test("fires when too many windows of the whole span hold too little, and clears when the share is good again", () => {
    const it = stream();
    expect(it.pass(0, 265, { usable: true, coverage: 0.3 })).toEqual([]);
    expect(it.pass(265, 290, { usable: true, coverage: 0.3 })).toMatchObject([{ kind: "firing", alert: { rule: "low-coverage", measured: 1, limit: 0.5 } }]);
    const cleared = it.pass(290, 800, { usable: true, coverage: 0.9 });
    expect(shown(cleared)).toEqual(["low-coverage resolved cleared"]);
  });

  test("does not fire below its share, nor on the few windows of a face that was just there", () => {
    const it = stream();
    for (let atS = 0; atS < 1_000; atS += 5) {
      it.pass(atS, atS + 2, { usable: true, coverage: 0.2 });
      it.pass(atS + 2, atS + 5, { usable: true, coverage: 0.9 });
    }
    const rare = stream({ noFaceMs: 86_400_000 });
    for (let atS = 0; atS < 1_000; atS += 50) {
      rare.pass(atS, atS + 1, { coverage: 0.1 });
      rare.pass(atS + 1, atS + 50);
    }
    expect([it.told, rare.told]).toEqual([[], []]);
  });
});

describe("decoder restarts", () => {
  test("fire at the storm, stay one incident over further storms, and clear when the decoder has held for a minute", () => {
    const it = stream({ expectFace: false });
    expect(it.storm(10)).toMatchObject([{ kind: "firing", alert: { rule: "decoder-restarts", measured: 8, limit: 8, pendingAt: EPOCH_MS + 10_000 } }]);
    expect(it.pass(10, 60, { live: false })).toEqual([]);
    expect(it.pass(60, 80)).toEqual([]);
    expect(it.storm(80)).toEqual([]);
    expect(it.pass(81, 140)).toEqual([]);
    expect(shown(it.pass(140, 150))).toEqual(["decoder-restarts resolved cleared"]);
  });

  test("are no alert where that is switched off", () => {
    expect(stream({ decoderRestarts: false }).storm(1)).toEqual([]);
  });
});
