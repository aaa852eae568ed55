/** One stream inside an analysis process: its decoder, its newest-wins slot, its faces and scores, its thumbnail and its counts. */
import type { Readable } from "node:stream";
import type { Logger } from "pino";
import sharp from "sharp";
import { startLiveDecoder, type LiveDecoder } from "../../pipelines/decode/live-decoder.ts";
import type { DecoderEvent } from "../../pipelines/decode/decoder-events.ts";
import { FaceScoring, type FaceFollower } from "../../pipelines/face-scoring.ts";
import { type Box, type CropScorer, type DiscardReason, type Frame, type LossReason, type ModelInfo, type NewcomerRefusal, SLOT_MS, type TrackedFace } from "../../pipelines/types.ts";
import { createEvidenceRecorder, type EvidenceRecorder } from "./evidence-recorder.ts";
import type { AnalysisReport, EvidenceLimits, FaceReport, StageSamples, StreamStats } from "./messages.ts";
import { LookSchedule } from "./look-schedule.ts";
import { NewestSlot } from "./newest-slot.ts";

export interface StreamAnalysisOptions {
  readonly stream: string;
  readonly model: ModelInfo;
  readonly faces: FaceFollower;
  readonly scorer: CropScorer;
  /** What a face looks like, or null when there is no time for it; null where nobody asks. */
  readonly describe: ((frame: Frame, box: Box) => Promise<Float32Array | null>) | null;
  readonly frameTimeoutMs: number;
  /** Null: nothing is kept for evidence. */
  readonly evidence: EvidenceLimits | null;
  readonly report: (report: AnalysisReport) => void;
  readonly log: Logger;
}

const VIEW_EVERY_MS = 250;
const THUMBNAIL_WATCHED_EVERY_MS = 500;
const THUMBNAIL_UNWATCHED_EVERY_MS = 5_000;
const FLOW_GAP_MS = 1_000;
const FAILURE_LOG_EVERY_MS = 10_000;
const THUMBNAIL_WIDTH_PX = 480;

type MutableSamples = { -readonly [Stage in keyof StageSamples]: number[] };

export class StreamAnalysis {
  readonly #options: StreamAnalysisOptions;
  readonly #decoder: LiveDecoder;
  readonly #scoring: FaceScoring;
  readonly #slot: NewestSlot<Frame>;
  readonly evidence: EvidenceRecorder | null;
  readonly #looks = new LookSchedule();
  #counts = emptyCounts();
  #samples = emptySamples();
  /** Wall clock minus media clock at the newest frame: turns PTS into times people read. */
  #wallOffsetMs = 0;
  #flowing = false;
  #lastFrameMs = Number.NEGATIVE_INFINITY;
  #frameSize = { widthPx: 1, heightPx: 1 };
  #lastViewMs = Number.NEGATIVE_INFINITY;
  #lastThumbnailMs = Number.NEGATIVE_INFINITY;
  #encoding = false;
  #samplingDivisor = 1;
  #lastFailureLoggedMs = Number.NEGATIVE_INFINITY;
  watched = false;

  constructor(options: StreamAnalysisOptions) {
    this.#options = options;
    const { stream, report, log } = options;
    this.evidence =
      options.evidence &&
      createEvidenceRecorder({ limits: options.evidence, inputSizePx: options.model.inputSizePx, onRecorded: (incident, problems) => report({ type: "recorded", stream, incident, problems }) });
    this.#scoring = new FaceScoring({
      ...options,
      mode: "live",
      onScore: (event) => {
        report({ type: "score", stream, ...event });
        this.#reportView(event.ptsMs);
      },
      onTrackEnded: (trackId) => {
        this.#looks.forget(trackId);
        report({ type: "track-ended", stream, trackId });
        this.evidence?.endTrack(trackId);
      },
      onDiscarded: (reason) => this.#discarded(reason),
      onCropScored: ({ trackId, ptsMs, pixels, queueMs, inferenceMs, frameAgeMs }) => {
        this.evidence?.crop(trackId, { ptsMs, pixels });
        this.#samples.queue.push(queueMs);
        this.#samples.inference.push(inferenceMs);
        this.#samples.frameAge.push(frameAgeMs);
      },
    });
    this.#slot = new NewestSlot({
      take: (frame) => this.#analyse(frame),
      onDiscarded: () => this.#discarded("analysis-busy"),
      onError: (error) => this.#analysisFailed(error),
    });
    this.#decoder = startLiveDecoder({
      onFrame: (frame) => this.#takeFrame(frame),
      onEvent: (event) => this.#takeDecoderEvent(event),
      onPacket: (packet, header) => this.evidence?.packet(packet, header),
      stallTimeoutMs: options.frameTimeoutMs,
      log,
    });
  }

  /** Only frames of slots that it divides are analysed. */
  set samplingDivisor(divisor: number) {
    this.#samplingDivisor = divisor;
    this.#scoring.samplingDivisor = divisor;
  }

  /** Describes the face of this track once more. */
  look(trackId: number): void {
    this.#looks.ask(trackId);
  }

  /** A publisher's FLV; tracks and windows of the one before go on. */
  attach(flv: Readable): void {
    this.#flowing = false;
    this.#decoder.attach(flv);
  }

  /** The counts since the last call. */
  takeStats(): StreamStats {
    const counts = this.#counts;
    const samples = this.#samples;
    this.#counts = emptyCounts();
    this.#samples = emptySamples();
    return { stream: this.#options.stream, ...counts, samples };
  }

  async close(): Promise<void> {
    await this.evidence?.close();
    await this.#decoder.close();
    await this.#slot.clear();
    this.#scoring.close();
  }

  #takeFrame(frame: Frame): void {
    this.#counts.decoded++;
    this.#wallOffsetMs = Date.now() - frame.ptsMs;
    // After a pause the daemon may have called the stream stalled: it must hear that frames come again.
    if (frame.decodedAtMs - this.#lastFrameMs > FLOW_GAP_MS) this.#flowing = false;
    this.#lastFrameMs = frame.decodedAtMs;
    if (!this.#flowing) {
      this.#flowing = true;
      this.#options.report({ type: "frames-flow", stream: this.#options.stream });
    }
    // Left out here rather than after the faces were found, or sampling less often would save the model's work alone.
    if (Math.floor(frame.ptsMs / SLOT_MS) % this.#samplingDivisor !== 0) this.#discarded("sampling-reduced");
    else this.#slot.put(frame);
  }

  async #analyse(frame: Frame): Promise<void> {
    const { faces, timings, detected, refused } = await this.#scoring.process(frame);
    this.#describeNext(frame, faces);
    this.#counts.analysed++;
    for (const reason of refused) add(this.#counts.refusedFaces, reason, 1);
    // The detector does not look at every frame.
    if (detected) this.#samples.detect.push(timings.detectMs);
    this.#samples.track.push(timings.trackMs);
    this.#samples.crop.push(timings.cropMs);
    const nowMs = performance.now();
    const thumbnailEveryMs = this.watched ? THUMBNAIL_WATCHED_EVERY_MS : THUMBNAIL_UNWATCHED_EVERY_MS;
    if (!this.#encoding && nowMs - this.#lastThumbnailMs >= thumbnailEveryMs) {
      this.#lastThumbnailMs = nowMs;
      await this.#sendThumbnail(frame);
    } else if (nowMs - this.#lastViewMs >= VIEW_EVERY_MS) {
      this.#reportView(frame.ptsMs);
    }
  }

  /** Nothing waits for it: the face is cut out at once, and described when the detector has time. */
  #describeNext(frame: Frame, faces: readonly TrackedFace[]): void {
    const { describe, stream, report, log } = this.#options;
    const face = describe === null ? null : this.#looks.next(faces, { ptsMs: frame.ptsMs, nowMs: performance.now() });
    if (describe === null || face === null) return;
    const { trackId } = face;
    describe(frame, face.box).then(
      (descriptor) => {
        // The track may have ended meanwhile, with the stream or alone: nothing would ever end what joined it.
        if (!this.#looks.follows(trackId)) return;
        if (descriptor !== null) report({ type: "face", stream, trackId, ptsMs: frame.ptsMs, descriptor });
        else this.#looks.ask(trackId);
      },
      (error: unknown) => log.error({ stream, err: error }, "a face could not be described"),
    );
  }

  /** The boxes are those of the picture: both are taken before the encoder is awaited, and sent together. */
  async #sendThumbnail(frame: Frame): Promise<void> {
    const { stream, report } = this.#options;
    const view = this.#viewOf(frame.ptsMs);
    this.#encoding = true;
    try {
      const jpeg = await sharp(frame.rgb, { raw: { width: frame.widthPx, height: frame.heightPx, channels: 3 } })
        .resize({ width: THUMBNAIL_WIDTH_PX, withoutEnlargement: true, kernel: "linear", fastShrinkOnLoad: true })
        .jpeg({ quality: 72 })
        .toBuffer();
      report({ type: "thumbnail", stream, ptsMs: frame.ptsMs, jpeg });
      report(view);
    } finally {
      this.#encoding = false;
    }
  }

  #reportView(ptsMs: number): void {
    this.#options.report(this.#viewOf(ptsMs));
  }

  #viewOf(ptsMs: number): AnalysisReport {
    this.#lastViewMs = performance.now();
    const { faces, verdict } = this.#scoring.view();
    const { widthPx, heightPx } = this.#frameSize;
    const reports: FaceReport[] = faces.map(({ trackId, box, firstPtsMs, lastPtsMs, verdict: judged }) => ({
      trackId,
      box: { x: box.x / widthPx, y: box.y / heightPx, width: box.width / widthPx, height: box.height / heightPx },
      verdict: judged,
      firstSeenAt: Math.max(0, Math.round(firstPtsMs + this.#wallOffsetMs)),
      lastSeenAt: Math.max(0, Math.round(lastPtsMs + this.#wallOffsetMs)),
    }));
    return { type: "view", stream: this.#options.stream, ptsMs, verdict, faces: reports };
  }

  #takeDecoderEvent(event: DecoderEvent): void {
    const { stream, report } = this.#options;
    switch (event.kind) {
      case "source-format":
        report({ type: "picture", stream, widthPx: event.widthPx, heightPx: event.heightPx });
        return;
      case "frame-size":
        this.#frameSize = { widthPx: event.widthPx, heightPx: event.heightPx };
        return;
      case "restart":
        this.#flowing = false;
        report({ type: "decoder-recovering", stream, cause: event.cause, reason: { code: event.error.code, message: event.error.message } });
        return;
      case "storm":
      case "refused":
        this.#flowing = false;
        report({ type: "decoder-failed", stream, reason: { code: event.error.code, message: event.error.message }, restarts: event.kind === "storm" ? event.restarts : null });
        return;
      case "discontinuity":
        this.#counts.discontinuities++;
        return;
      case "decode-errors":
        this.#counts.decodeErrors += event.count;
        return;
      case "frames-lost":
        add(this.#counts.lost, event.reason, event.count);
        return;
      case "frames-discarded":
        this.#discarded(event.reason, event.count);
        return;
      case "state":
      case "recovered":
        return;
    }
  }

  /** A detector that is down fails ten frames a second: one line tells it, the count tells how many. */
  #analysisFailed(error: unknown): void {
    this.#discarded("detector-failed");
    const nowMs = performance.now();
    if (nowMs - this.#lastFailureLoggedMs < FAILURE_LOG_EVERY_MS) return;
    this.#lastFailureLoggedMs = nowMs;
    this.#options.log.error({ stream: this.#options.stream, err: error }, "frames cannot be analysed");
  }

  #discarded(reason: DiscardReason, count = 1): void {
    add(this.#counts.discarded, reason, count);
  }
}

function emptyCounts() {
  const discarded: Partial<Record<DiscardReason, number>> = {};
  const lost: Partial<Record<LossReason, number>> = {};
  const refusedFaces: Partial<Record<NewcomerRefusal, number>> = {};
  return { decoded: 0, analysed: 0, discontinuities: 0, decodeErrors: 0, discarded, lost, refusedFaces };
}

function emptySamples(): MutableSamples {
  return { detect: [], track: [], crop: [], queue: [], inference: [], frameAge: [] };
}

function add<K extends string>(counts: Partial<Record<K, number>>, key: K, count: number): void {
  counts[key] = (counts[key] ?? 0) + count;
}
