/** What the pipeline found in one clip: the table that every figure of an evaluation is computed from. */
import type { CropRefusal, HorizonFrames, HorizonScore } from "../types.ts";
import { DEFAULT_MIN_COVERAGE } from "../verdict/track-verdict.ts";
import type { Label } from "./clip-manifest.ts";

export interface TrackScore extends HorizonScore {
  readonly ptsMs: number;
}

export interface ScoredTrack {
  readonly track: number;
  readonly firstPtsMs: number;
  readonly lastPtsMs: number;
  /** Frames that gave a crop, and those that gave none. */
  readonly crops: number;
  readonly refusals: Readonly<Record<CropRefusal, number>>;
  readonly scores: readonly TrackScore[];
}

/** What can be known of a clip without looking at the face as a detector does; the trivial baseline reads nothing else. */
export interface ClipClues {
  readonly bitrateKbps: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Median sharpness of the crops (pipelines/faces/crop.ts); null without crops. */
  readonly sharpness: number | null;
}

export interface ScoredClip {
  /** Score of the recording's verdict, 0..1: what `truecast analyze` says of the clip. Null when it is unscored. */
  readonly score: number | null;
  /** Why there is no score: an UnscoredReason, or the code of the error that ended the clip. */
  readonly unscored: string | null;
  readonly frames: number;
  readonly clues: ClipClues | null;
  readonly tracks: readonly ScoredTrack[];
}

/** A clip of the manifest with what was found in it. */
export interface EvaluatedClip extends ScoredClip {
  readonly file: string;
  readonly label: Label;
  readonly type: string;
  readonly group: string;
}

/** A clip with a score, whichever score it is. */
export interface Judged {
  readonly label: Label;
  readonly group: string;
  readonly score: number;
}

export const HORIZONS: readonly HorizonFrames[] = [40, 60, 80, 100];

export function judgedClips(clips: readonly EvaluatedClip[]): (EvaluatedClip & Judged)[] {
  return clips.flatMap((clip) => (clip.score === null ? [] : [{ ...clip, score: clip.score }]));
}

/**
 * The first score that stands on this many frames, of the worst of the clip's faces; null when no face was seen for so
 * long, or with too many gaps. One score a face, as in Table 1 of the paper, not the mean of several.
 */
export function scoreAtHorizon(clip: ScoredClip, frames: HorizonFrames): number | null {
  const firsts = clip.tracks.flatMap((track) => track.scores.find((score) => score.frames === frames && score.coverage >= DEFAULT_MIN_COVERAGE)?.score ?? []);
  return firsts.length === 0 ? null : Math.max(...firsts);
}

/** Time for which a face was followed, milliseconds. */
export function faceMsOf({ firstPtsMs, lastPtsMs }: Pick<ScoredTrack, "firstPtsMs" | "lastPtsMs">): number {
  return lastPtsMs - firstPtsMs;
}
