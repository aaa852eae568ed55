/** Which verdict the page may show for a stream or track: the one place that keeps an unscored face from ever looking authentic. */
import type { ModelCard, StreamState, Verdict } from "../../daemon/protocol.ts";
import { STATE_SENTENCES, sentenceOfReason, VERDICT_LABELS, type VerdictKind } from "./wording.ts";

/** A full horizon in frames; a score over fewer is provisional. */
export const FULL_HORIZON_FRAMES = 100;

export interface ShownVerdict {
  readonly kind: VerdictKind;
  readonly label: string;
  /** Probability of manipulation behind the verdict; null when there is none to judge by. */
  readonly score: number | null;
  /** A score that must not be read as one: of an untrained model or from before the stream was interrupted. */
  readonly rawScore: number | null;
  /** Frames behind a provisional score, else null. */
  readonly provisionalFrames: number | null;
  readonly coverage: number | null;
  /** Why there is no verdict, as a sentence; null when there is one. */
  readonly sentence: string | null;
}

/**
 * Only a live stream's verdict counts as one. In any other state the last verdict is history,
 * and a scored verdict of an untrained detector would be a lie, whoever sent it.
 */
export function shownVerdict(verdict: Verdict, state: StreamState, model: ModelCard): ShownVerdict {
  if (verdict.kind === "unscored") return unscored(sentenceOfReason(verdict.reason), verdict.score);
  if (state !== "live") return unscored(STATE_SENTENCES[state], verdict.score);
  if (!givesVerdicts(model)) return unscored(sentenceOfReason("untrained-model"), verdict.score);
  return {
    kind: verdict.kind,
    label: VERDICT_LABELS[verdict.kind],
    score: verdict.score,
    rawScore: null,
    provisionalFrames: verdict.frames < FULL_HORIZON_FRAMES ? verdict.frames : null,
    coverage: verdict.coverage,
    sentence: null,
  };
}

/** Scores of an untrained model say nothing, so nothing on the page may measure them by the bands. */
export function givesVerdicts(model: ModelCard): boolean {
  return model.trained || model.kind === "scripted";
}

function unscored(sentence: string, rawScore: number | null): ShownVerdict {
  return { kind: "unscored", label: VERDICT_LABELS.unscored, score: null, rawScore, provisionalFrames: null, coverage: null, sentence };
}
