/** Scores one clip of an evaluation, and keeps the result so that it is never computed twice. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { Recording } from "../../pipelines/decode/recording.ts";
import { errorCodeOf, TruecastError } from "../../pipelines/errors.ts";
import { median } from "../../pipelines/evaluation/bootstrap.ts";
import type { ClipClues, ScoredClip, ScoredTrack, TrackScore } from "../../pipelines/evaluation/scored-clip.ts";
import type { ScopedFaceDetector } from "../../pipelines/faces/detection-scope.ts";
import type { CropRefusal, ModelInfo } from "../../pipelines/types.ts";
import { createRecording } from "../../pipelines/verdict/recording-verdict.ts";
import { type Channel, channelName, openThroughChannel } from "./channel.ts";
import { contentHash, type ListedClip } from "./clip-list.ts";
import { CLIP_FAULTS } from "./extract-crops.ts";
import { despitePauses } from "./pauses.ts";
import { pipelineIdentity } from "./pipeline-identity.ts";
import { type RecordingScorer, scoreRecording } from "./recording-scorer.ts";

export interface ScoreClipOptions {
  /** Folder of kept results; one file a clip, channel and model. */
  readonly cacheDir: string;
  readonly maxSeconds: number | null;
  readonly scorer: RecordingScorer;
  readonly detector: ScopedFaceDetector;
  readonly signal: AbortSignal;
}

/** @throws TruecastError for anything but a clip that cannot be decoded, which is an unscored clip */
export async function scoreClip(clip: ListedClip, channel: Channel, options: ScoreClipOptions): Promise<ScoredClip & { readonly how: "done" | "cached" }> {
  const { cacheDir, maxSeconds, scorer } = options;
  const key = createHash("sha256").update(JSON.stringify([await pipelineIdentity(), await contentHash(clip.path), channelName(channel), maxSeconds, scorer.model.sha256]));
  const stem = basename(clip.file, extname(clip.file)).replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 60);
  const path = join(cacheDir, `${stem}-${channelName(channel)}-${key.digest("hex").slice(0, 16)}.json`);
  const kept = await readKept(path);
  if (kept !== null) return { ...kept, how: "cached" };
  const scored = await scoreDespiteFaults(clip, channel, options);
  await keep(path, scored);
  return { ...scored, how: "done" };
}

async function scoreDespiteFaults(clip: ListedClip, channel: Channel, options: ScoreClipOptions): Promise<ScoredClip> {
  const { signal, scorer } = options;
  try {
    // An inference process that died is no fault of the clip.
    return await despitePauses(() => score(clip, channel, options), {
      isPassing: (error) => errorCodeOf(error) === "inference-unavailable" && !signal.aborted,
      beforeRetry: () => scorer.ready(signal),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TruecastError) || !CLIP_FAULTS.has(error.code)) throw error;
    return { score: null, unscored: error.code, frames: 0, clues: null, tracks: [] };
  }
}

/** A result that was cut off while it was written is none. */
async function readKept(path: string): Promise<ScoredClip | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  return text === null ? null : (JSON.parse(text) as ScoredClip);
}

async function keep(path: string, scored: ScoredClip): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  await writeFile(part, JSON.stringify(scored));
  await rename(part, path);
}

interface OpenTrack {
  firstPtsMs: number;
  lastPtsMs: number;
  crops: number;
  readonly refusals: Record<CropRefusal, number>;
  readonly scores: TrackScore[];
}

async function score(clip: ListedClip, channel: Channel, { maxSeconds, scorer, detector, signal }: ScoreClipOptions): Promise<ScoredClip> {
  const { model } = scorer;
  const tracks = new Map<number, OpenTrack>();
  const sharpness: number[] = [];
  // Evaluated as if it were trained: an untrained model has no verdict, but its scores can be counted.
  const collected = createRecording({ ...model, trained: true } satisfies ModelInfo);
  await using opened = await openThroughChannel(clip.path, channel, { maxSeconds, signal, slowShort: true });
  const ownTime = (ptsMs: number): number => rounded(ptsMs / opened.recording.info.slowedBy, 3);
  const frames = await scoreRecording(opened.recording, {
    name: `${clip.file}@${channelName(channel)}`,
    model,
    scorer: scorer.scorer,
    detector,
    maxSeconds,
    onFrame(frame, faces) {
      for (const { trackId, crop } of faces) {
        const track = tracks.get(trackId) ?? { firstPtsMs: frame.ptsMs, lastPtsMs: frame.ptsMs, crops: 0, refusals: { "face-too-small": 0, "face-too-blurred": 0, "face-cut-off": 0 }, scores: [] };
        tracks.set(trackId, track);
        track.lastPtsMs = frame.ptsMs;
        collected.observeCrop(trackId, frame.ptsMs, crop.kind === "ok" ? null : crop.reason);
        if (crop.kind === "refused") {
          track.refusals[crop.reason]++;
        } else {
          track.crops++;
          sharpness.push(crop.sharpness);
        }
      }
    },
    // The score of a frame may come before onFrame has seen the frame's track only for its first crop, which gives none.
    onScore({ trackId, ptsMs, score: found }) {
      collected.observeScore(trackId, found);
      tracks.get(trackId)?.scores.push({ ptsMs: ownTime(ptsMs), frames: found.frames, score: rounded(found.score, 6), coverage: rounded(found.coverage, 4) });
    },
  });
  const verdict = collected.verdict();
  const scoredTracks = [...tracks].map(([track, entry]): ScoredTrack => ({ track, ...entry, firstPtsMs: ownTime(entry.firstPtsMs), lastPtsMs: ownTime(entry.lastPtsMs) }));
  const isScored = verdict.verdict !== "unscored" && verdict.score !== null;
  return {
    score: isScored ? rounded(verdict.score, 6) : null,
    unscored: isScored ? null : (verdict.reason ?? "no-face"),
    frames,
    clues: await cluesOf(opened.path, opened.recording, { frames, sharpness: median(sharpness) }),
    tracks: scoredTracks,
  };
}

/** Bit rate and size of what was decoded: of the re-encoded copy where there is one. */
async function cluesOf(path: string, { info }: Recording, { frames, sharpness }: { frames: number; sharpness: number | null }): Promise<ClipClues> {
  const { size } = await stat(path);
  const durationMs = info.durationMs ?? frames * 100;
  return { bitrateKbps: rounded((size * 8) / Math.max(durationMs, 1), 1), widthPx: info.widthPx, heightPx: info.heightPx, sharpness: sharpness === null ? null : rounded(sharpness, 5) };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
