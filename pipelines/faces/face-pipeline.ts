/** From a frame to faces with identities and crops: detect when due, track, crop. The same live and for recordings. */
import type { Frame, NewcomerRefusal, TrackedFace } from "../types.ts";
import { type CropOptions, cropFace, DEFAULT_CROP_GATES } from "./crop.ts";
import type { ScopedFaceDetector } from "./detection-scope.ts";
import { createTracker, type TrackerOptions } from "./tracker.ts";

export interface FacePipelineOptions {
  /** Any FaceDetector; one that takes a scope is asked for far less work. May be shared among streams. */
  readonly detector: ScopedFaceDetector;
  /** Side of the crops, pixels: the model's input size. */
  readonly inputSizePx: number;
  /** Side of the cut-out square over the longer side of the face box, from the model's manifest. */
  readonly cropMargin: number;
  readonly options?: Partial<TrackerOptions & Pick<CropOptions, "minFacePx" | "minSharpness" | "maxShareOutside">>;
}

export interface ProcessedFrame {
  /** Faces seen in this frame, by track id. */
  readonly faces: TrackedFace[];
  /** Tracks that ended with this frame; their ids never come back. */
  readonly ended: readonly number[];
  /** Why detections of this frame, or candidates that it settled, are no tracks. */
  readonly refused: readonly NewcomerRefusal[];
  /** Whether the detector ran on this frame. */
  readonly detected: boolean;
  readonly timings: { readonly detectMs: number; readonly trackMs: number; readonly cropMs: number };
}

export interface FacePipeline {
  /**
   * One frame at a time, in the order of PTS: the next call comes after this one has settled.
   * @throws TruecastError overload, internal (from the detector); the tracks then stay as they are
   */
  process(frame: Frame): Promise<ProcessedFrame>;
}

export function createFacePipeline({ detector, inputSizePx, cropMargin, options = {} }: FacePipelineOptions): FacePipeline {
  const tracker = createTracker(options);
  const cropOptions: CropOptions = { ...DEFAULT_CROP_GATES, ...options, inputSizePx, cropMargin };

  async function process(frame: Frame): Promise<ProcessedFrame> {
    const startedMs = performance.now();
    const scope = tracker.carry(frame);
    const carriedMs = performance.now();
    const detections = scope === null ? null : await detector.detect(frame, scope);
    const detectedMs = performance.now();
    const { visible, ended, refused } = tracker.update(frame, detections);
    const trackedMs = performance.now();
    const faces = visible.map(({ id, box, detected }): TrackedFace => ({ trackId: id, box, detected, crop: cropFace(frame, box, cropOptions) }));
    const timings = {
      detectMs: detectedMs - carriedMs,
      trackMs: carriedMs - startedMs + trackedMs - detectedMs,
      cropMs: performance.now() - trackedMs,
    };
    return { faces, ended, refused, detected: scope !== null, timings };
  }

  return { process };
}
