/** The final verdict of a whole recording, from everything its tracks showed. */
import type { CropRefusal, HorizonFrames, HorizonScore, ModelInfo, ScoredVerdictKind, UnscoredReason } from "../types.ts";
import { SLOT_MS } from "../types.ts";
import { bandOf, severityOf } from "./bands.ts";
import { gravestReason } from "./stream-verdict.ts";
import { DEFAULT_MIN_COVERAGE, prevailing } from "./track-verdict.ts";

export interface RecordedTrackVerdict {
  readonly track: number;
  readonly verdict: ScoredVerdictKind | "unscored";
  /** Aggregate of the track's scores; kept for display where the verdict is unscored. */
  readonly score: number | null;
  /** Why it is unscored; null for a verdict. */
  readonly reason: UnscoredReason | null;
  /** Frames of this face that gave a usable crop. */
  readonly frames: number;
  readonly firstPtsMs: number;
  readonly lastPtsMs: number;
}

export interface RecordingVerdict {
  readonly verdict: ScoredVerdictKind | "unscored";
  readonly score: number | null;
  readonly reason: UnscoredReason | null;
  /** By track, in order of appearance. */
  readonly tracks: readonly RecordedTrackVerdict[];
}

/** Collects one recording. Memory: eight bytes for each score, that is each second of each face. */
export interface Recording {
  /** Notes a face in one analysed frame: null when it gave a crop, else why it did not. */
  observeCrop(track: number, ptsMs: number, refusal: CropRefusal | null): void;
  observeScore(track: number, score: HorizonScore): void;
  /** `noFace` is the reason given when there was no track at all, for example `no-video`. */
  verdict(noFace?: UnscoredReason): RecordingVerdict;
}

interface RecordedTrack {
  readonly track: number;
  readonly refusals: Record<CropRefusal, number>;
  /** Scores of the longest horizon reached, in order. */
  readonly scores: number[];
  horizon: HorizonFrames | null;
  sparseScore: number | null;
  crops: number;
  firstPtsMs: number;
  lastPtsMs: number;
}

/** Consecutive scores (one a second) that make up the stretch of a track which is judged. */
const STRETCH_SCORES = 20;
/** Slots before which the horizon gives no score. */
const MIN_SLOTS = 40;

export function createRecording(model: Pick<ModelInfo, "bands" | "trained" | "kind">): Recording {
  const tracks = new Map<number, RecordedTrack>();

  return {
    observeCrop(track, ptsMs, refusal) {
      let entry = tracks.get(track);
      if (entry === undefined) {
        const refusals = { "face-too-small": 0, "face-too-blurred": 0, "face-cut-off": 0 };
        entry = { track, refusals, scores: [], horizon: null, sparseScore: null, crops: 0, firstPtsMs: ptsMs, lastPtsMs: ptsMs };
        tracks.set(track, entry);
      }
      entry.lastPtsMs = ptsMs;
      if (refusal === null) entry.crops++;
      else entry.refusals[refusal]++;
    },

    observeScore(track, { score, frames, coverage }) {
      const entry = tracks.get(track);
      if (entry === undefined || !Number.isFinite(score)) return;
      if (coverage < DEFAULT_MIN_COVERAGE) {
        entry.sparseScore = Math.max(entry.sparseScore ?? 0, score);
        return;
      }
      // The accuracy of a score rises with its frames: one longer horizon makes all shorter ones void.
      if (frames < (entry.horizon ?? 0)) return;
      if (frames !== entry.horizon) entry.scores.length = 0;
      entry.horizon = frames;
      entry.scores.push(score);
    },

    verdict(noFace = "no-face") {
      const judged = [...tracks.values()].map((entry) => judge(entry, model));
      return { ...worstOf(judged, noFace), tracks: judged };
    },
  };
}

function judge(entry: RecordedTrack, model: Pick<ModelInfo, "bands" | "trained" | "kind">): RecordedTrackVerdict {
  const { track, crops: frames, firstPtsMs, lastPtsMs, refusals } = entry;
  const place = { track, frames, firstPtsMs, lastPtsMs };
  const score = worstStretch(entry.scores) ?? entry.sparseScore;
  const unscored = (reason: UnscoredReason): RecordedTrackVerdict => ({ ...place, verdict: "unscored", score, reason });

  if (!model.trained && model.kind !== "scripted") return unscored("untrained-model");
  if (entry.scores.length > 0 && score !== null) return { ...place, verdict: bandOf(score, model.bands), score, reason: null };
  const refused = Object.values(refusals).reduce((sum, count) => sum + count, 0);
  const refusal = prevailing(refusals, refused + frames);
  if (refusal !== null) return unscored(refusal);
  return unscored(spanSlots(entry) < MIN_SLOTS ? "too-few-frames" : "low-coverage");
}

/**
 * Mean of the worst STRETCH_SCORES consecutive scores; of all of them where there are fewer. The mean keeps one stray
 * score from deciding, as a maximum would let it; the bounded stretch keeps twenty manipulated seconds of an hour from
 * drowning, as they would in the mean (or the mean of the top half) of the whole. For clips of up to 30 s it is the mean.
 */
export function worstStretch(scores: readonly number[]): number | null {
  if (scores.length === 0) return null;
  const length = Math.min(STRETCH_SCORES, scores.length);
  let sum = 0;
  let worst = 0;
  for (const [index, score] of scores.entries()) {
    sum += score - (scores[index - length] ?? 0);
    if (index >= length - 1) worst = Math.max(worst, sum);
  }
  return Math.min(1, worst / length);
}

/**
 * As in the live verdict: the worst scored track if it is uncertain or worse, else unscored if a face is unscored, else
 * authentic. One difference: a glimpse shorter than the horizon needs (4 s) cannot be scored by anyone and a recording
 * has many, so next to a scored face it stays listed as unscored but does not decide.
 */
function worstOf(tracks: readonly RecordedTrackVerdict[], noFace: UnscoredReason): Omit<RecordingVerdict, "tracks"> {
  const scores = tracks.map((track) => track.score).filter((score) => score !== null);
  let worst: { kind: ScoredVerdictKind; score: number } | null = null;
  for (const { verdict, score } of tracks) {
    if (verdict === "unscored" || score === null) continue;
    const graver = worst === null || severityOf(verdict) > severityOf(worst.kind) || (verdict === worst.kind && score > worst.score);
    if (graver) worst = { kind: verdict, score };
  }
  if (worst !== null && worst.kind !== "authentic") return { verdict: worst.kind, score: worst.score, reason: null };

  const unscored = tracks.filter((track) => track.verdict === "unscored" && (worst === null || spanSlots(track) >= MIN_SLOTS));
  const reason = gravestReason(unscored.flatMap((track) => (track.reason === null ? [] : [track.reason])));
  if (reason !== null) return { verdict: "unscored", score: scores.length === 0 ? null : Math.max(...scores), reason };
  if (worst === null) return { verdict: "unscored", score: null, reason: noFace };
  return { verdict: worst.kind, score: worst.score, reason: null };
}

function spanSlots({ firstPtsMs, lastPtsMs }: { firstPtsMs: number; lastPtsMs: number }): number {
  return Math.floor((lastPtsMs - firstPtsMs) / SLOT_MS) + 1;
}
