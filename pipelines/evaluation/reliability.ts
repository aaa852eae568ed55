/** Calibration: whether a score of 0.8 is right four times of five. */
import type { Scored } from "./roc.ts";

export interface ReliabilityBin {
  /** Scores in [low, high); the last bin holds 1 as well. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Null in an empty bin. */
  readonly meanScore: number | null;
  readonly shareFake: number | null;
}

export interface Reliability {
  /** Expected calibration error (Naeini et al., AAAI 2015): mean distance of score and share of fakes, weighted by clips. */
  readonly expectedCalibrationError: number;
  /** Mean squared distance of score and label (Brier 1950). */
  readonly brier: number;
  readonly bins: readonly ReliabilityBin[];
}

export const RELIABILITY_BINS = 10;

/** Null without clips. The share of fakes in the set is part of the result: calibration does not carry over to another one. */
export function reliabilityOf(items: readonly Scored[], binCount = RELIABILITY_BINS): Reliability | null {
  if (items.length === 0) return null;
  const sums = Array.from({ length: binCount }, () => ({ count: 0, score: 0, fakes: 0 }));
  let squares = 0;
  for (const { label, score } of items) {
    const bin = sums[Math.min(binCount - 1, Math.floor(score * binCount))];
    const truth = label === "fake" ? 1 : 0;
    squares += (score - truth) ** 2;
    if (bin === undefined) throw new RangeError(`score ${score} is not in 0..1`);
    bin.count++;
    bin.score += score;
    bin.fakes += truth;
  }
  const gap = sums.reduce((sum, { score, fakes }) => sum + Math.abs(score - fakes), 0);
  return {
    expectedCalibrationError: gap / items.length,
    brier: squares / items.length,
    bins: sums.map(({ count, score, fakes }, index) => ({
      low: index / binCount,
      high: (index + 1) / binCount,
      count,
      meanScore: count === 0 ? null : score / count,
      shareFake: count === 0 ? null : fakes / count,
    })),
  };
}
