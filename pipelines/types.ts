/** The vocabulary of the pipeline: frames, faces, tracks, crops, scores and verdicts, and the ports others implement. */

/** Analysed frames a second, and so slots of the media clock a second. */
export const SAMPLE_RATE_HZ = 10;
/** Length of one slot of the media clock, in milliseconds of PTS. */
export const SLOT_MS = 1000 / SAMPLE_RATE_HZ;

/** Slots a second that are scored when only every second or fourth one is, because the machine is past its capacity. */
export type ReducedSamplingFps = 5 | 2.5;

/** A decoded picture. Whoever holds it owns its pixels; it is never shared. */
export interface Frame {
  /** Position on the stream's continuous media clock, milliseconds. */
  readonly ptsMs: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGB24, row-major, `widthPx * heightPx * 3` bytes. */
  readonly rgb: Uint8Array;
  /** `performance.now()` when the decoder delivered it; the start of frame age. */
  readonly decodedAtMs: number;
}

/** Axis-aligned box in pixels of the frame it belongs to; may reach beyond the picture. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Detection {
  readonly box: Box;
  /** Confidence of the detector, 0..1. */
  readonly confidence: number;
}

/** Port: finds faces in a frame. One implementation wraps @vladmandic/face-api in a worker thread. */
export interface FaceDetector extends AsyncDisposable {
  detect(frame: Frame): Promise<readonly Detection[]>;
  close(): Promise<void>;
}

/** Why a face yields no crop in a frame. */
export const CROP_REFUSALS = ["face-too-small", "face-too-blurred", "face-cut-off"] as const;
export type CropRefusal = (typeof CROP_REFUSALS)[number];

/** One face as followed through one frame. */
export interface TrackedFace {
  /** Unique within the stream for the daemon's life, counted from 1. */
  readonly trackId: number;
  readonly box: Box;
  /** True when a detection of this very frame supports the box, false when it was carried by tracking. */
  readonly detected: boolean;
  /** Square crop at the model's input size, RGB24 HWC `size * size * 3`, or why there is none. */
  readonly crop: { readonly kind: "ok"; readonly pixels: Uint8Array; readonly sharpness: number } | { readonly kind: "refused"; readonly reason: CropRefusal };
}

export type HorizonFrames = 40 | 60 | 80 | 100;

/** A score given by the horizon: probability of manipulation over the last `frames` slots. */
export interface HorizonScore {
  /** Age in slots of the LSTM state that gave it; 40, 60 and 80 are provisional, before the first full horizon. */
  readonly frames: HorizonFrames;
  /** Calibrated probability of manipulation, 0..1. */
  readonly score: number;
  /** Share of the due slots of the window that held a crop, 0..1. Under reduced sampling only every second or fourth slot is due. */
  readonly coverage: number;
  /** Present when a part of the window, or all of it, was sampled less than ten times a second: the model saw fewer steps. */
  readonly samplingFps?: ReducedSamplingFps;
}

/** Port: turns crops into scores. Implemented by the client of the inference process. */
export interface CropScorer extends AsyncDisposable {
  /**
   * Hands in the crop of one track for one slot; slots of a track must rise.
   * `track` is globally unique (for example `studio-a#3`). The pixels are copied before the call returns.
   * Resolves once the backbone and the horizon have taken it: the scores due at this slot, often none.
   * Resolves to `discarded`, with its reason, when it was not scored on purpose.
   * @throws TruecastError inference-unavailable, inference-failed
   */
  submit(request: CropRequest): Promise<CropReply>;
  /** Forgets the track's states. */
  endTrack(track: string): void;
  close(): Promise<void>;
}

export interface CropRequest {
  readonly track: string;
  /** Name of the stream, for the scripted classifier and for fairness of the queue. */
  readonly stream: string;
  /** Index of the slot on the stream's media clock: `Math.floor(ptsMs / SLOT_MS)`. */
  readonly slot: number;
  /** 1, 2 or 4; 1 where absent. Only slots that it divides are due at present, so those between are not missed. */
  readonly divisor?: number;
  /** RGB24 HWC at the model's input size. */
  readonly pixels: Uint8Array;
}

/**
 * `overload`: the queue was full, and newer crops went first. `no-room`: every row of states belongs to another face, which
 * fewer crops would not change. `track-ended`: its face was forgotten while it waited.
 */
export type CropDiscardReason = "overload" | "no-room" | "track-ended";

export type CropReply =
  | { readonly kind: "ok"; readonly scores: readonly HorizonScore[]; readonly queueMs: number; readonly inferenceMs: number; readonly batchSize: number }
  | { readonly kind: "discarded"; readonly reason: CropDiscardReason };

/** What the rest of the pipeline must know of the model in use. */
export interface ModelInfo {
  readonly name: string;
  /** `scripted` is a labelled stand-in for demos and tests that detects nothing. */
  readonly kind: "cnn-lstm" | "scripted";
  readonly trained: boolean;
  /** SHA-256 over the manifest, hex; names the exact model in alerts. */
  readonly sha256: string;
  readonly inputSizePx: number;
  /** Side of the square crop over the longer side of the face box. */
  readonly cropMargin: number;
  /** Slots in a full horizon, and between two scores. */
  readonly window: number;
  readonly hop: number;
  readonly bands: VerdictBands;
}

/** Lower edges of the bands on the calibrated score, and the hysteresis needed to fall back under one. */
export interface VerdictBands {
  readonly uncertain: number;
  readonly suspicious: number;
  readonly manipulated: number;
  readonly hysteresis: number;
}

export const VERDICT_KINDS = ["authentic", "uncertain", "suspicious", "manipulated"] as const;
export type ScoredVerdictKind = (typeof VERDICT_KINDS)[number];

export const UNSCORED_REASONS = [
  "no-face",
  "face-too-small",
  "face-too-blurred",
  "face-cut-off",
  "too-few-frames",
  "low-coverage",
  "untrained-model",
  "inference-unavailable",
  "decoder-recovering",
  "no-video",
  "offline",
  "analysis-stalled",
  "sampling-reduced",
] as const;
export type UnscoredReason = (typeof UNSCORED_REASONS)[number];

/** Nothing unscored is ever shown as authentic. An untrained model's score is kept for display, never for a verdict. */
export type Verdict =
  | { readonly kind: ScoredVerdictKind; readonly score: number; readonly frames: HorizonFrames; readonly coverage: number; readonly samplingFps?: ReducedSamplingFps }
  | { readonly kind: "unscored"; readonly reason: UnscoredReason; readonly score: number | null };

/** Reasons for frames that never became a score. *Discarded* was decoded and then left out, *lost* never came. */
export const DISCARD_REASONS = ["analysis-busy", "inference-overload", "sampling-reduced", "same-slot", "inference-unavailable", "detector-failed"] as const;
export type DiscardReason = (typeof DISCARD_REASONS)[number];
export const LOSS_REASONS = ["corrupt", "decoder-restart", "ingest-backlog"] as const;
export type LossReason = (typeof LOSS_REASONS)[number];
/**
 * Why a detection became no track. `unconfirmed`: the second look, without colour, found no face there. `between-faces`:
 * it lay over the inner halves of two faces. `too-many`: as many as may be are followed, none of them clearly smaller.
 */
export const NEWCOMER_REFUSALS = ["unconfirmed", "between-faces", "too-many"] as const;
export type NewcomerRefusal = (typeof NEWCOMER_REFUSALS)[number];
