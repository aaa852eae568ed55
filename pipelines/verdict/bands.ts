/** Puts a calibrated score into its verdict band, with hysteresis on the way down. */
import { type ScoredVerdictKind, VERDICT_KINDS, type VerdictBands } from "../types.ts";

/** Position of a verdict on the scale from authentic (0) to manipulated (3). */
export function severityOf(kind: ScoredVerdictKind): number {
  return VERDICT_KINDS.indexOf(kind);
}

/**
 * Rising is immediate; to fall back under the lower edge of `previous`, the score must be `hysteresis` below that edge.
 * `score` must be finite: NaN compares false with every edge and would read as authentic.
 */
export function bandOf(score: number, bands: VerdictBands, previous: ScoredVerdictKind | null = null): ScoredVerdictKind {
  if (!Number.isFinite(score)) throw new RangeError(`score ${score} is not a finite number`);
  const held = previous === null ? 0 : severityOf(previous);
  let kind: ScoredVerdictKind = "authentic";
  for (const candidate of ["uncertain", "suspicious", "manipulated"] as const) {
    const edge = severityOf(candidate) <= held ? bands[candidate] - bands.hysteresis : bands[candidate];
    if (score >= edge) kind = candidate;
  }
  return kind;
}
