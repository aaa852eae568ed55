/** The bounds of a score history, and what sparkline and chart make of it. */
import { describe, expect, it } from "vitest";
import type { ScorePoint } from "../../daemon/protocol.ts";
import { addScore, chartData, CHART_MAX_TRACKS, EMPTY_HISTORY, GAP_MS, HISTORY_MAX_POINTS, HISTORY_MS, mergeScores, sparkline } from "./score-history.ts";

const START_MS = 1_800_000_000_000;

function point(seconds: number, changes: Partial<ScorePoint> = {}): ScorePoint {
  return { at: START_MS + seconds * 1000, ptsMs: seconds * 1000, track: 1, frames: 100, score: 0.5, coverage: 1, ...changes };
}

describe("the bounds", () => {
  it("hold ten minutes and no more over two hours of scores", () => {
    let history = EMPTY_HISTORY;
    for (let second = 0; second < 7200; second += 1) history = addScore(history, point(second));
    expect(history.points).toHaveLength(HISTORY_MS / 1000 + 1);
    expect(history.points[0]?.at).toBe(START_MS + 7199_000 - HISTORY_MS);
  });

  it("hold a number of points too, for a crowd of tracks", () => {
    let history = EMPTY_HISTORY;
    for (let index = 0; index < HISTORY_MAX_POINTS + 500; index += 1) history = addScore(history, point(index / 100, { track: index % 50 }));
    expect(history.points).toHaveLength(HISTORY_MAX_POINTS);
    expect(history.points.at(-1)?.at).toBe(START_MS + (HISTORY_MAX_POINTS + 499) * 10);
  });
});

it("joins fetched scores with live ones without doubling a point", () => {
  const live = addScore(addScore(EMPTY_HISTORY, point(8)), point(9));
  const merged = mergeScores(live, [point(6), point(7), point(8), point(8, { track: 2 })]);
  expect(merged.complete).toBe(true);
  expect(merged.points.map(({ at, track }) => [(at - START_MS) / 1000, track])).toEqual([
    [6, 1],
    [7, 1],
    [8, 1],
    [8, 2],
    [9, 1],
  ]);
});

describe("the sparkline", () => {
  it("shows the worst track of each bucket, the newest at the right edge", () => {
    const line = sparkline([point(0, { score: 0.2 }), point(1, { score: 0.9, track: 2 }), point(2, { score: 0.1 })], START_MS + 2000);
    expect(line).toEqual([{ x: 1, score: 0.9, breakBefore: true }]);
  });

  it("breaks where there were no scores, instead of drawing through", () => {
    const line = sparkline([point(0), point(5), point(60)], START_MS + 60_000);
    expect(line.map((entry) => entry.breakBefore)).toEqual([true, false, true]);
  });

  it("shows nothing older than ten minutes", () => {
    expect(sparkline([point(0)], START_MS + HISTORY_MS + 5000)).toEqual([]);
  });
});

describe("the chart", () => {
  it("puts every track on one rising time axis", () => {
    const data = chartData([point(0), point(0.5, { track: 2 }), point(1), point(1.5, { track: 2, score: 0.8 })], 100);
    expect(data.atSeconds.map((seconds) => seconds - START_MS / 1000)).toEqual([0, 0.5, 1, 1.5]);
    expect(data.series.map((series) => series.scores)).toEqual([
      [0.5, undefined, 0.5, undefined],
      [undefined, 0.5, undefined, 0.8],
    ]);
    expect(data.series[1]).toMatchObject({ latest: 0.8, highest: 0.8 });
  });

  it("breaks a track's line over a gap", () => {
    const data = chartData([point(0), point(1), point(1 + GAP_MS / 1000 + 1)], 100);
    expect(data.series[0]?.scores).toEqual([0.5, 0.5, null, 0.5]);
    expect(data.atSeconds).toEqual(data.atSeconds.toSorted((a, b) => a - b));
  });

  it("marks provisional scores", () => {
    expect(chartData([point(0, { frames: 40 }), point(1, { frames: 80 }), point(2)], 100).series[0]?.provisional).toEqual([0, 1]);
  });

  it("draws the tracks seen last when there are too many, and says how many are left out", () => {
    const points = Array.from({ length: CHART_MAX_TRACKS + 3 }, (_, index) => point(index, { track: index + 1 }));
    const data = chartData(points, 100);
    expect(data.series.map((series) => series.track)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(data.hiddenTracks).toBe(3);
  });
});
