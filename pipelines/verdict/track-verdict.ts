/** The live verdict of one track: the newest horizon score in its band, or why there is none. */
import type { CropRefusal, HorizonScore, ModelInfo, ScoredVerdictKind, UnscoredReason, Verdict } from "../types.ts";
import { bandOf } from "./bands.ts";

export interface TrackVerdictOptions {
  readonly model: Pick<ModelInfo, "bands" | "trained" | "kind">;
  /** A score whose window held a smaller share of crops gives no verdict. */
  readonly minCoverage?: number;
  /** Span of media time over which refused crops are weighed against usable ones. */
  readonly refusalSpanMs?: number;
  /**
   * Age past which a score no longer speaks for the present. The default is half a horizon: with nothing scored for
   * that long, less than half of the window that ends now can have been seen, which is what minCoverage refuses too.
   */
  readonly maxScoreAgeMs?: number;
}

/** All times are milliseconds on the stream's media clock and must not fall. */
export interface TrackVerdict {
  /** Notes the track in one analysed frame: null when it gave a crop, else why it did not. */
  observeCrop(ptsMs: number, refusal: CropRefusal | null): void;
  observeScore(ptsMs: number, score: HorizonScore): void;
  /** `inferenceReady` is false while the inference process is down. */
  verdictAt(ptsMs: number, inferenceReady: boolean): Verdict;
}

/** Bounds the memory of a track whatever the frame rate; 3 s at 10 frames a second are 30. */
const MAX_CROPS_REMEMBERED = 64;

export const DEFAULT_MIN_COVERAGE = 0.5;

/**
 * Scores are not smoothed. Consecutive full-horizon scores share 90 of their 100 frames, so the horizon is the smoother;
 * a median of three would hide a change for another two hops (2 s) to remove flicker that the hysteresis already removes.
 */
export function createTrackVerdict(options: TrackVerdictOptions): TrackVerdict {
  const { model, minCoverage = DEFAULT_MIN_COVERAGE, refusalSpanMs = 3_000, maxScoreAgeMs = 5_000 } = options;
  const crops: { readonly ptsMs: number; readonly refusal: CropRefusal | null }[] = [];
  let newest: { readonly ptsMs: number; readonly score: HorizonScore } | null = null;
  let band: ScoredVerdictKind | null = null;
  let bandPtsMs = Number.NEGATIVE_INFINITY;

  return {
    observeCrop(ptsMs, refusal) {
      crops.push({ ptsMs, refusal });
      if (crops.length > MAX_CROPS_REMEMBERED) crops.shift();
    },

    observeScore(ptsMs, score) {
      if (!Number.isFinite(score.score)) return;
      newest = { ptsMs, score };
      if (score.coverage < minCoverage) return;
      // A band nobody was shown for that long must not pull on the next one.
      const previous = ptsMs - bandPtsMs <= maxScoreAgeMs ? band : null;
      band = bandOf(score.score, model.bands, previous);
      bandPtsMs = ptsMs;
    },

    verdictAt(ptsMs, inferenceReady) {
      const unscored = (reason: UnscoredReason): Verdict => ({ kind: "unscored", reason, score: newest?.score.score ?? null });
      if (!inferenceReady) return unscored("inference-unavailable");
      if (!model.trained && model.kind !== "scripted") return unscored("untrained-model");
      const refusal = prevailingRefusal(crops, ptsMs - refusalSpanMs);
      if (refusal !== null) return unscored(refusal);
      if (newest === null) return unscored("too-few-frames");
      const { score, frames, coverage, samplingFps } = newest.score;
      if (coverage < minCoverage || ptsMs - newest.ptsMs > maxScoreAgeMs || band === null) return unscored("low-coverage");
      return { kind: band, score, frames, coverage, ...(samplingFps !== undefined && { samplingFps }) };
    },
  };
}

/** The most frequent refusal when more than half of the crops since `fromPtsMs` were refused. */
function prevailingRefusal(crops: { ptsMs: number; refusal: CropRefusal | null }[], fromPtsMs: number): CropRefusal | null {
  while (crops[0] !== undefined && crops[0].ptsMs < fromPtsMs) crops.shift();
  const counts: Record<CropRefusal, number> = { "face-too-small": 0, "face-too-blurred": 0, "face-cut-off": 0 };
  for (const { refusal } of crops) if (refusal !== null) counts[refusal]++;
  return prevailing(counts, crops.length);
}

/** The most frequent refusal when refusals are more than half of `total`. */
export function prevailing(counts: Readonly<Record<CropRefusal, number>>, total: number): CropRefusal | null {
  const ranked = (["face-too-small", "face-too-blurred", "face-cut-off"] as const).toSorted((a, b) => counts[b] - counts[a]);
  const refused = ranked.reduce((sum, reason) => sum + counts[reason], 0);
  return refused * 2 > total ? (ranked[0] ?? null) : null;
}
