/** From a frame to scores and verdicts: find and follow faces, hand their crops to the model, judge what comes back. */
import { errorCodeOf } from "./errors.ts";
import { SLOT_MS, type Box, type CropScorer, type DiscardReason, type Frame, type HorizonScore, type ModelInfo, type NewcomerRefusal, type TrackedFace, type Verdict } from "./types.ts";
import { streamVerdict } from "./verdict/stream-verdict.ts";
import { createTrackVerdict, type TrackVerdict } from "./verdict/track-verdict.ts";

/** What this module needs of the face pipeline (pipelines/faces). */
export interface FaceFollower {
  process(frame: Frame): Promise<{
    readonly faces: readonly TrackedFace[];
    /** Tracks that ended with this frame. */
    readonly ended: readonly number[];
    /** Why what looked like a face became no track. */
    readonly refused: readonly NewcomerRefusal[];
    /** Whether the detector looked at this frame. */
    readonly detected: boolean;
    readonly timings: { readonly detectMs: number; readonly trackMs: number; readonly cropMs: number };
  }>;
}

/** How many crops of one track may be on their way: two keep the model busy, and a third would only be waiting. */
export const MAX_IN_FLIGHT_PER_TRACK = 2;

/** Of media time. */
const SHOWN_AFTER_LAST_SEEN_MS = 500;

export interface ScoredEvent {
  readonly trackId: number;
  readonly ptsMs: number;
  readonly score: HorizonScore;
  /** Decode to score of the frame that completed the window, milliseconds. */
  readonly frameAgeMs: number;
}

/** A crop that the model has seen. */
export interface ScoredCrop {
  readonly trackId: number;
  readonly ptsMs: number;
  /** RGB24 HWC at the model's input size; nobody writes into it any more. */
  readonly pixels: Uint8Array;
  readonly queueMs: number;
  readonly inferenceMs: number;
  readonly frameAgeMs: number;
}

export interface FaceScoringOptions {
  /** Name of the stream; part of each track's global name. */
  readonly stream: string;
  readonly model: ModelInfo;
  readonly faces: FaceFollower;
  readonly scorer: CropScorer;
  /** `live` never waits for the model, and counts what it leaves out; `recording` waits, and leaves nothing out. */
  readonly mode: "live" | "recording";
  readonly onScore: (event: ScoredEvent) => void;
  readonly onTrackEnded: (trackId: number) => void;
  readonly onDiscarded: (reason: DiscardReason) => void;
  readonly onCropScored?: (crop: ScoredCrop) => void;
}

/** One face as the outside sees it. */
export interface FaceView {
  readonly trackId: number;
  readonly box: Box;
  readonly firstPtsMs: number;
  readonly lastPtsMs: number;
  readonly verdict: Verdict;
}

interface TrackEntry {
  readonly verdict: TrackVerdict;
  readonly firstPtsMs: number;
  lastPtsMs: number;
  box: Box;
  readonly inFlight: Set<Promise<void>>;
}

export class FaceScoring {
  readonly #options: FaceScoringOptions;
  readonly #tracks = new Map<number, TrackEntry>();
  #divisor = 1;
  #inferenceReady = true;
  #lastPtsMs = 0;
  /** First error of the model; a recording ends with it. */
  #failure: unknown;

  constructor(options: FaceScoringOptions) {
    this.#options = options;
  }

  /** Under load only every second or fourth slot is scored; see daemon/streams/sampling.ts. */
  set samplingDivisor(divisor: number) {
    this.#divisor = divisor;
  }

  /** Takes one frame through. Frames come one at a time, in order of PTS. */
  async process(frame: Frame): ReturnType<FaceFollower["process"]> {
    const result = await this.#options.faces.process(frame);
    this.#lastPtsMs = frame.ptsMs;
    const slot = Math.floor(frame.ptsMs / SLOT_MS);
    for (const face of result.faces) {
      const entry = this.#entryOf(face, frame.ptsMs);
      entry.lastPtsMs = frame.ptsMs;
      entry.box = face.box;
      entry.verdict.observeCrop(frame.ptsMs, face.crop.kind === "ok" ? null : face.crop.reason);
      if (face.crop.kind !== "ok") continue;
      if (slot % this.#divisor !== 0) {
        this.#options.onDiscarded("sampling-reduced");
        continue;
      }
      await this.#submit(face.trackId, entry, { frame, slot, pixels: face.crop.pixels });
    }
    for (const trackId of result.ended) {
      // Ending a track drops what still waits for the model; a recording leaves nothing out.
      const ending = this.#tracks.get(trackId);
      if (this.#options.mode === "recording" && ending !== undefined) await Promise.all(ending.inFlight);
      this.#end(trackId);
    }
    return result;
  }

  async #submit(trackId: number, entry: TrackEntry, { frame, slot, pixels }: { frame: Frame; slot: number; pixels: Uint8Array }): Promise<void> {
    const { scorer, stream, mode, onDiscarded, onCropScored, onScore } = this.#options;
    if (mode === "recording") while (entry.inFlight.size >= MAX_IN_FLIGHT_PER_TRACK) await Promise.race(entry.inFlight);
    this.#throwIfFailed();

    const scoring = scorer.submit({ track: trackName(stream, trackId), stream, slot, pixels, divisor: this.#divisor }).then(
      (reply) => {
        this.#inferenceReady = true;
        if (reply.kind === "discarded") {
          onDiscarded("inference-overload");
          return;
        }
        // The track may have ended meanwhile: its score must not open an alert that nothing would end.
        if (this.#tracks.get(trackId) !== entry) return;
        const frameAgeMs = performance.now() - frame.decodedAtMs;
        onCropScored?.({ trackId, ptsMs: frame.ptsMs, pixels, queueMs: reply.queueMs, inferenceMs: reply.inferenceMs, frameAgeMs });
        for (const score of reply.scores) {
          entry.verdict.observeScore(frame.ptsMs, score);
          onScore({ trackId, ptsMs: frame.ptsMs, score, frameAgeMs });
        }
      },
      (error: unknown) => {
        // A recording must not lose a crop in silence; a live stream says `inference-unavailable` and goes on.
        this.#failure ??= error;
        if (errorCodeOf(error) === "inference-unavailable") this.#inferenceReady = false;
        onDiscarded("inference-unavailable");
      },
    );
    const settled = scoring.finally(() => entry.inFlight.delete(settled));
    entry.inFlight.add(settled);
  }

  #throwIfFailed(): void {
    if (this.#options.mode === "recording" && this.#failure !== undefined) throw this.#failure;
  }

  /** Waits for every crop on its way. @throws TruecastError when a crop of a recording could not be scored */
  async flush(): Promise<void> {
    await Promise.all([...this.#tracks.values()].flatMap((entry) => [...entry.inFlight]));
    this.#throwIfFailed();
  }

  /** The faces in the picture, the verdict of each, and that of the stream. */
  view(): { readonly faces: readonly FaceView[]; readonly verdict: Verdict } {
    const faces = [...this.#tracks].map(([trackId, { box, firstPtsMs, lastPtsMs, verdict }]) => ({
      trackId,
      box,
      firstPtsMs,
      lastPtsMs,
      verdict: verdict.verdictAt(this.#lastPtsMs, this.#inferenceReady),
    }));
    // A face missed for a moment still speaks for the stream, but no box is drawn where it no longer is.
    const seen = faces.filter((face) => this.#lastPtsMs - face.lastPtsMs <= SHOWN_AFTER_LAST_SEEN_MS);
    return { faces: seen, verdict: streamVerdict(faces.map((face) => face.verdict), "watching") };
  }

  /** Ends every track, as at the end of the stream. */
  close(): void {
    for (const trackId of this.#tracks.keys()) this.#end(trackId);
  }

  #entryOf(face: TrackedFace, ptsMs: number): TrackEntry {
    let entry = this.#tracks.get(face.trackId);
    if (entry === undefined) {
      entry = { verdict: createTrackVerdict({ model: this.#options.model }), firstPtsMs: ptsMs, lastPtsMs: ptsMs, box: face.box, inFlight: new Set() };
      this.#tracks.set(face.trackId, entry);
    }
    return entry;
  }

  #end(trackId: number): void {
    if (!this.#tracks.delete(trackId)) return;
    this.#options.scorer.endTrack(trackName(this.#options.stream, trackId));
    this.#options.onTrackEnded(trackId);
  }
}

/** The name of a track across all streams, as the inference process knows it. */
export function trackName(stream: string, trackId: number): string {
  return `${stream}#${trackId}`;
}
