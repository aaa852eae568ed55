/** Clips for tests, as the pipeline would have scored them. */
import type { Label } from "../clip-manifest.ts";
import type { EvaluatedClip, ScoredTrack } from "../scored-clip.ts";

/** A face of so many seconds that gets these full-horizon scores, a second apart, from its tenth second on. */
export function trackOf(scores: readonly number[], { provisional = [] }: { readonly provisional?: readonly (readonly [40 | 60 | 80, number])[] } = {}): ScoredTrack {
  const early = provisional.map(([frames, score]) => ({ ptsMs: frames * 100 - 100, frames, score, coverage: 1 }));
  const full = scores.map((score, index) => ({ ptsMs: 9_900 + index * 1_000, frames: 100 as const, score, coverage: 1 }));
  const lastPtsMs = [...early, ...full].at(-1)?.ptsMs ?? 1_000;
  return { track: 1, firstPtsMs: 0, lastPtsMs, crops: lastPtsMs / 100 + 1, refusals: { "face-too-small": 0, "face-too-blurred": 0, "face-cut-off": 0 }, scores: [...early, ...full] };
}

export function clipOf(clip: { readonly file: string; readonly label: Label } & Partial<EvaluatedClip>): EvaluatedClip {
  return { type: clip.label === "real" ? "camera" : "swap", group: clip.file, score: null, unscored: null, frames: 100, clues: null, tracks: [], ...clip };
}
