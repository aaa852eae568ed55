/** Ten minutes of scores of one stream, bounded, and the two drawings made from them: sparkline and chart. */
import type { ScorePoint } from "../../daemon/protocol.ts";

export const HISTORY_MS = 10 * 60_000;
/** Ten tracks scored once a second for ten minutes; past it the oldest go. */
export const HISTORY_MAX_POINTS = 6000;
/** Pause after which a track's line is broken instead of drawn through. */
export const GAP_MS = 5000;
export const CHART_MAX_TRACKS = 8;

export interface ScoreHistory {
  /** Rising by `at`. */
  readonly points: readonly ScorePoint[];
  /** True once the points from before this page was opened have been fetched. */
  readonly complete: boolean;
}

export const EMPTY_HISTORY: ScoreHistory = { points: [], complete: false };

export function addScore(history: ScoreHistory, point: ScorePoint): ScoreHistory {
  return { ...history, points: bounded([...history.points, point]) };
}

/** Joins fetched scores with those that came live meanwhile; the same point may be in both. */
export function mergeScores(history: ScoreHistory, fetched: readonly ScorePoint[]): ScoreHistory {
  const known = new Map<string, ScorePoint>();
  for (const point of [...fetched, ...history.points]) known.set(`${point.track} ${point.ptsMs}`, point);
  const points = [...known.values()].toSorted((a, b) => a.at - b.at);
  return { points: bounded(points), complete: true };
}

function bounded(points: readonly ScorePoint[]): readonly ScorePoint[] {
  const oldestAt = (points.at(-1)?.at ?? 0) - HISTORY_MS;
  const firstKept = Math.max(
    points.findIndex((point) => point.at >= oldestAt),
    points.length - HISTORY_MAX_POINTS,
    0,
  );
  return firstKept === 0 ? points : points.slice(firstKept);
}

/** One bucket of the sparkline: the worst score of any track in it. */
export interface SparkPoint {
  /** 0 at the left edge, 1 at the right. */
  readonly x: number;
  readonly score: number;
  /** True where the line must not be drawn from the point before. */
  readonly breakBefore: boolean;
}

/** Buckets sit on a fixed grid of wall time, so that the line moves without shimmering. */
export function sparkline(points: readonly ScorePoint[], nowMs: number, bucketMs = 5000): SparkPoint[] {
  const lastBucket = Math.floor(nowMs / bucketMs);
  const count = Math.floor(HISTORY_MS / bucketMs);
  const worst = new Map<number, number>();
  for (const point of points) {
    const bucket = Math.floor(point.at / bucketMs);
    if (bucket <= lastBucket - count || bucket > lastBucket) continue;
    worst.set(bucket, Math.max(worst.get(bucket) ?? 0, point.score));
  }
  const line: SparkPoint[] = [];
  let previous: number | null = null;
  for (const bucket of [...worst.keys()].toSorted((a, b) => a - b)) {
    const score = worst.get(bucket) ?? 0;
    // One empty bucket is a late score, two are a gap.
    line.push({ x: 1 - (lastBucket - bucket) / (count - 1), score, breakBefore: previous === null || bucket - previous > 2 });
    previous = bucket;
  }
  return line;
}

export interface ChartSeries {
  readonly track: number;
  /** One value for each of `atSeconds`: null breaks the line, undefined lets it pass. */
  readonly scores: readonly (number | null | undefined)[];
  /** Indices of provisional scores. */
  readonly provisional: readonly number[];
  readonly latest: number;
  readonly highest: number;
}

export interface ChartData {
  readonly atSeconds: readonly number[];
  readonly series: readonly ChartSeries[];
  /** Tracks of the last ten minutes that are left out of the drawing. */
  readonly hiddenTracks: number;
}

/** Aligns the tracks on one time axis, as uPlot wants it; the tracks seen last are drawn when there are too many. */
export function chartData(points: readonly ScorePoint[], fullHorizonFrames: number): ChartData {
  const lastSeen = new Map<number, number>();
  for (const point of points) lastSeen.set(point.track, point.at);
  const byRecency = [...lastSeen].toSorted((a, b) => b[1] - a[1]).map(([track]) => track);
  const drawn = byRecency.slice(0, CHART_MAX_TRACKS).toSorted((a, b) => a - b);

  const rows: { atMs: number; track: number; score: number | null; provisional: boolean }[] = [];
  const previousAt = new Map<number, number>();
  for (const point of points) {
    if (!drawn.includes(point.track)) continue;
    const before = previousAt.get(point.track);
    // uPlot needs rising times: the break stands one millisecond after the last point before the gap.
    if (before !== undefined && point.at - before > GAP_MS) rows.push({ atMs: before + 1, track: point.track, score: null, provisional: false });
    rows.push({ atMs: point.at, track: point.track, score: point.score, provisional: point.frames < fullHorizonFrames });
    previousAt.set(point.track, point.at);
  }
  rows.sort((a, b) => a.atMs - b.atMs);

  const times = [...new Set(rows.map((row) => row.atMs))];
  const indexOf = new Map(times.map((atMs, index) => [atMs, index]));
  const series = drawn.map((track) => seriesOf(track, rows.filter((row) => row.track === track), indexOf));
  return { atSeconds: times.map((atMs) => atMs / 1000), series, hiddenTracks: byRecency.length - drawn.length };
}

function seriesOf(track: number, rows: readonly { atMs: number; score: number | null; provisional: boolean }[], indexOf: ReadonlyMap<number, number>): ChartSeries {
  const scores = Array.from<number | null | undefined>({ length: indexOf.size });
  const provisional: number[] = [];
  let latest = 0;
  let highest = 0;
  for (const row of rows) {
    const index = indexOf.get(row.atMs) ?? 0;
    scores[index] = row.score;
    if (row.provisional) provisional.push(index);
    if (row.score === null) continue;
    latest = row.score;
    highest = Math.max(highest, row.score);
  }
  return { track, scores, provisional, latest, highest };
}
