/** The model for recordings: starts an inference process of its own, and takes recordings through the live pipeline. */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { loadModelFolder } from "../../models/manifest.ts";
import type { ProviderChoice } from "../../models/onnx-sessions.ts";
import type { Recording } from "../../pipelines/decode/recording.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { FaceScoring, type ScoredEvent } from "../../pipelines/face-scoring.ts";
import type { ScopedFaceDetector } from "../../pipelines/faces/detection-scope.ts";
import { createFacePipeline } from "../../pipelines/faces/face-pipeline.ts";
import type { CropScorer, Frame, ModelInfo, TrackedFace } from "../../pipelines/types.ts";
import { startInferenceClient } from "../inference/inference-client.ts";
import { startInference } from "../inference-service.ts";

export interface RecordingScorer extends AsyncDisposable {
  readonly model: ModelInfo;
  readonly scorer: CropScorer;
  /** Resolves once the inference process takes crops, also after a restart. */
  ready(signal: AbortSignal): Promise<void>;
}

/** @throws TruecastError model-*, provider-unavailable, setup-incomplete */
export async function startRecordingScorer({ modelDir, provider, log }: { readonly modelDir: string; readonly provider: ProviderChoice; readonly log: Logger }): Promise<RecordingScorer> {
  await using stack = new AsyncDisposableStack();
  const { info: model } = await loadModelFolder(modelDir);
  const runtimeDir = await mkdtemp(join(tmpdir(), "truecast-"));
  stack.defer(() => rm(runtimeDir, { recursive: true, force: true }));
  const socketPath = join(runtimeDir, "inference.sock");
  stack.use(await startInference({ socketPath, modelDir, provider, threads: availableParallelism(), maxBatch: 16, maxTracks: 256, log, onStats: () => undefined }));
  const scorer = stack.use(startInferenceClient({ socketPath, inputSizePx: model.inputSizePx, log }));
  await scorer.ready();
  const kept = stack.move();
  return { model, scorer, ready: (signal) => scorer.ready(signal), [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

export interface ScoreRecordingOptions {
  /** Names the recording among those that are scored at the same time. */
  readonly name: string;
  readonly model: ModelInfo;
  readonly scorer: CropScorer;
  readonly detector: ScopedFaceDetector;
  /** Time of the recording after which it is left; null for all of it. */
  readonly maxSeconds?: number | null;
  readonly onScore: (event: ScoredEvent) => void;
  readonly onFrame: (frame: Frame, faces: readonly TrackedFace[]) => void;
}

/** The inference process forgets tracks that are idle for a minute: a score after such a pause would stand on fewer frames than it says. */
const MAX_PAUSE_MS = 30_000;

/**
 * Nothing is left out: the model is waited for.
 * @returns frames analysed
 * @throws TruecastError of decoding and inference; inference-unavailable also when this process stood still for so long
 * that tracks were forgotten (try again)
 */
export async function scoreRecording(recording: Recording, options: ScoreRecordingOptions): Promise<number> {
  const { name, model, scorer, detector, maxSeconds = null, onScore, onFrame } = options;
  const faces = createFacePipeline({ detector, inputSizePx: model.inputSizePx, cropMargin: model.cropMargin });
  let discarded = 0;
  const scoring = new FaceScoring({ stream: name, model, faces, scorer, mode: "recording", onScore, onTrackEnded: () => undefined, onDiscarded: () => discarded++ });
  let frames = 0;
  let lastAtMs = performance.now();
  try {
    for await (const frame of recording.frames()) {
      if (maxSeconds !== null && frame.ptsMs >= maxSeconds * 1000 * recording.info.slowedBy) break;
      frames++;
      const { faces: found } = await scoring.process(frame);
      onFrame(frame, found);
      const nowMs = performance.now();
      if (nowMs - lastAtMs > MAX_PAUSE_MS) throw new TruecastError("inference-unavailable", `${name}: stood still for ${Math.round((nowMs - lastAtMs) / 1000)} s; scores across the pause would be wrong`);
      lastAtMs = nowMs;
    }
    await scoring.flush();
    if (discarded > 0) throw new TruecastError("overload", `${name}: ${discarded} crops were not scored`);
  } finally {
    scoring.close();
  }
  return frames;
}
