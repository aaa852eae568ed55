/** The verdict of a stream: as bad as its worst track, and never authentic while a face in it is unscored. */
import { UNSCORED_REASONS, type UnscoredReason, type Verdict } from "../types.ts";
import { severityOf } from "./bands.ts";

/** What stands between the stream and its faces; anything but `watching` makes every track's verdict stale. */
export type StreamCondition = "watching" | Extract<UnscoredReason, "offline" | "no-video" | "decoder-recovering">;

type ScoredVerdict = Exclude<Verdict, { kind: "unscored" }>;
type UnscoredVerdict = Extract<Verdict, { kind: "unscored" }>;

/** Of several reasons the one shown: first what an operator can mend, then what blinds the model, last what passes by itself. */
const REASON_RANK: readonly UnscoredReason[] = [
  "inference-unavailable",
  "untrained-model",
  "low-coverage",
  "face-too-small",
  "face-too-blurred",
  "face-cut-off",
  "too-few-frames",
];

/**
 * In this order:
 * 1. a condition other than `watching` wins, for no face is being watched;
 * 2. no track: unscored, `no-face`;
 * 3. any track manipulated, suspicious or uncertain: the worst of them (on a tie the higher score);
 * 4. any track unscored: unscored, with the first of the tracks' reasons in REASON_RANK;
 * 5. else authentic, with the highest score of all tracks.
 *
 * `tracks` are the verdicts of the faces now in the picture.
 */
export function streamVerdict(tracks: readonly Verdict[], condition: StreamCondition): Verdict {
  if (condition !== "watching") return { kind: "unscored", reason: condition, score: null };
  if (tracks.length === 0) return { kind: "unscored", reason: "no-face", score: null };

  const scored = tracks.filter((verdict): verdict is ScoredVerdict => verdict.kind !== "unscored");
  const unscored = tracks.filter((verdict): verdict is UnscoredVerdict => verdict.kind === "unscored");
  const worst = scored.toSorted((a, b) => severityOf(b.kind) - severityOf(a.kind) || b.score - a.score)[0];
  if (worst !== undefined && worst.kind !== "authentic") return worst;

  const reason = gravestReason(unscored.map((verdict) => verdict.reason));
  if (reason !== null) return { kind: "unscored", reason, score: highestScore(tracks) };
  return worst ?? { kind: "unscored", reason: "no-face", score: null };
}

/** The reason to show when several faces are unscored; null for none. */
export function gravestReason(reasons: readonly UnscoredReason[]): UnscoredReason | null {
  const rank = (reason: UnscoredReason): number => {
    const index = REASON_RANK.indexOf(reason);
    return index < 0 ? REASON_RANK.length + UNSCORED_REASONS.indexOf(reason) : index;
  };
  return reasons.toSorted((a, b) => rank(a) - rank(b))[0] ?? null;
}

function highestScore(verdicts: readonly Verdict[]): number | null {
  const scores = verdicts.map((verdict) => verdict.score).filter((score) => score !== null);
  return scores.length === 0 ? null : Math.max(...scores);
}
