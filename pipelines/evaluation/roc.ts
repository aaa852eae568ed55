/** Figures of a two-class detector from scores and labels: ROC, area, equal error rate, accuracy. A higher score means fake. */
import type { Judged } from "./scored-clip.ts";

export type Scored = Pick<Judged, "label" | "score">;

export interface RocPoint {
  /** Scores from here up count as fake; the first point's is infinite. */
  readonly threshold: number;
  /** Share of genuine clips that count as fake, and of fakes that do. */
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

interface ClassCounts {
  readonly real: number;
  readonly fake: number;
}

export function countLabels(items: readonly Pick<Scored, "label">[]): ClassCounts {
  const fake = items.reduce((sum, { label }) => sum + (label === "fake" ? 1 : 0), 0);
  return { real: items.length - fake, fake };
}

/**
 * Area under the ROC curve as the share of (real, fake) pairs in the right order, ties counted half (Mann-Whitney U).
 * Null when a class is missing.
 */
export function areaUnderCurve(items: readonly Scored[]): number | null {
  const { real, fake } = countLabels(items);
  if (real === 0 || fake === 0) return null;
  let rightPairs = 0;
  let realsBelow = 0;
  for (const { reals, fakes } of tiedGroups(items).reverse()) {
    rightPairs += fakes * (realsBelow + reals / 2);
    realsBelow += reals;
  }
  return rightPairs / (real * fake);
}

/** From the strictest threshold to the laxest, one point for each distinct score, and the origin. Empty when a class is missing. */
export function rocCurve(items: readonly Scored[]): RocPoint[] {
  const { real, fake } = countLabels(items);
  if (real === 0 || fake === 0) return [];
  const points: RocPoint[] = [{ threshold: Number.POSITIVE_INFINITY, falsePositiveRate: 0, truePositiveRate: 0 }];
  let reals = 0;
  let fakes = 0;
  for (const group of tiedGroups(items)) {
    reals += group.reals;
    fakes += group.fakes;
    points.push({ threshold: group.score, falsePositiveRate: reals / real, truePositiveRate: fakes / fake });
  }
  return points;
}

/** Error rate where misses and false alarms are equally frequent, linear between the points of the curve. */
export function equalErrorRate(items: readonly Scored[]): number | null {
  let before: RocPoint | null = null;
  for (const point of rocCurve(items)) {
    const gap = point.falsePositiveRate - (1 - point.truePositiveRate);
    if (gap >= 0 && before !== null) {
      const gapBefore = before.falsePositiveRate - (1 - before.truePositiveRate);
      const part = -gapBefore / (gap - gapBefore);
      return before.falsePositiveRate + part * (point.falsePositiveRate - before.falsePositiveRate);
    }
    before = point;
  }
  return null;
}

export type RateAtBound =
  | { readonly kind: "measured"; readonly truePositiveRate: number; readonly threshold: number | null }
  /** The rate cannot be told from zero with so few genuine clips. */
  | { readonly kind: "too-few-genuine"; readonly genuine: number; readonly needed: number };

/** Highest true-positive rate at no more than this false-positive rate. `threshold` is null when none is strict enough. */
export function truePositiveRateAt(items: readonly Scored[], maxFalsePositiveRate: number): RateAtBound {
  const { real: genuine } = countLabels(items);
  const needed = Math.round(1 / maxFalsePositiveRate);
  if (genuine < needed) return { kind: "too-few-genuine", genuine, needed };
  const last = rocCurve(items).findLast((point) => point.falsePositiveRate <= maxFalsePositiveRate);
  return { kind: "measured", truePositiveRate: last?.truePositiveRate ?? 0, threshold: last !== undefined && Number.isFinite(last.threshold) ? last.threshold : null };
}

export interface Accuracy {
  readonly threshold: number;
  /** Share of all clips that were judged right. */
  readonly accuracy: number;
  /** Mean of the shares of both classes: 0.5 for a judge who always says the same, however uneven the classes. */
  readonly balancedAccuracy: number;
  readonly truePositiveRate: number;
  readonly falsePositiveRate: number;
}

/** Null when a class is missing. */
export function accuracyAt(items: readonly Scored[], threshold: number): Accuracy | null {
  const { real, fake } = countLabels(items);
  if (real === 0 || fake === 0) return null;
  let caught = 0;
  let falseAlarms = 0;
  for (const { label, score } of items) {
    if (score < threshold) continue;
    if (label === "fake") caught++;
    else falseAlarms++;
  }
  const truePositiveRate = caught / fake;
  const falsePositiveRate = falseAlarms / real;
  return { threshold, accuracy: (caught + real - falseAlarms) / (real + fake), balancedAccuracy: (truePositiveRate + 1 - falsePositiveRate) / 2, truePositiveRate, falsePositiveRate };
}

/**
 * Accuracy at the threshold that is best for these very clips: an upper bound, not a forecast. Among equals the
 * strictest threshold, halfway to the next score.
 */
export function bestAccuracy(items: readonly Scored[], figure: "accuracy" | "balancedAccuracy" = "accuracy"): Accuracy | null {
  const { real, fake } = countLabels(items);
  if (real === 0 || fake === 0) return null;
  const groups = tiedGroups(items);
  let best: Accuracy | null = null;
  let reals = 0;
  let fakes = 0;
  for (let index = -1; index < groups.length; index++) {
    const group = groups[index];
    reals += group?.reals ?? 0;
    fakes += group?.fakes ?? 0;
    const truePositiveRate = fakes / fake;
    const falsePositiveRate = reals / real;
    const accuracy = (fakes + real - reals) / (real + fake);
    const balancedAccuracy = (truePositiveRate + 1 - falsePositiveRate) / 2;
    const upper = group?.score ?? 1;
    const lower = groups[index + 1]?.score ?? 0;
    // Above the highest score nothing is fake: a threshold that no score can reach.
    const threshold = group === undefined ? Number.POSITIVE_INFINITY : (upper + lower) / 2;
    const candidate: Accuracy = { threshold, accuracy, balancedAccuracy, truePositiveRate, falsePositiveRate };
    if (best === null || candidate[figure] > best[figure] + 1e-12) best = candidate;
  }
  return best;
}

/** Clips with one score, from the highest score to the lowest. */
function tiedGroups(items: readonly Scored[]): { readonly score: number; readonly reals: number; readonly fakes: number }[] {
  const groups: { score: number; reals: number; fakes: number }[] = [];
  for (const { label, score } of items.toSorted((a, b) => b.score - a.score)) {
    let last = groups.at(-1);
    if (last?.score !== score) {
      last = { score, reals: 0, fakes: 0 };
      groups.push(last);
    }
    if (label === "fake") last.fakes++;
    else last.reals++;
  }
  return groups;
}
