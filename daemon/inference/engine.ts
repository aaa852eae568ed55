/** The inference engine: crops of all streams in, batches through the model, scores of the sliding horizon out. */
import { setImmediate as nextLoop } from "node:timers/promises";
import type { Logger } from "pino";
import { loadModelFolder } from "../../models/manifest.ts";
import { startOnnxClassifier } from "../../models/onnx-classifier.ts";
import type { ProviderChoice } from "../../models/onnx-sessions.ts";
import { createScriptedClassifier } from "../../models/scripted-classifier.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { calibrate, type Calibration } from "../../pipelines/horizon/calibration.ts";
import type { HorizonClassifier, HorizonInput, RawScores } from "../../pipelines/horizon/classifier.ts";
import type { HorizonTurn } from "../../pipelines/horizon/schedule.ts";
import type { CropDiscardReason, CropReply, CropRequest, CropScorer, HorizonScore, ModelInfo } from "../../pipelines/types.ts";
import { CropQueue, type WaitingCrop } from "./crop-queue.ts";
import { type TrackStates, TrackTable } from "./track-table.ts";

export interface InferenceEngineOptions {
  readonly modelDir: string;
  readonly provider: ProviderChoice;
  /** CPU threads of one inference; 0 is one a core. */
  readonly intraOpNumThreads: number;
  readonly maxBatch: number;
  /** Tracks that can be followed at once, over all streams. */
  readonly maxTracks: number;
  readonly log: Logger;
  /** Called when batch after batch fails: the device is lost, and only a new process can help. */
  readonly onBroken?: (error: unknown) => void;
}

/** Counts since the statistics were last taken; gauges as they are now. */
export interface EngineStats {
  readonly crops: number;
  /** Crops that made room for newer ones: of the discarded, the only ones that sampling less often would save. */
  readonly discarded: number;
  /** Crops of faces for which no row of states was left. */
  readonly noRoom: number;
  /** Crops whose track ended while they waited. */
  readonly trackEnded: number;
  readonly failed: number;
  readonly batches: number;
  /** One sample a batch. */
  readonly batchSizes: readonly number[];
  readonly inferenceSeconds: readonly number[];
  readonly queueDepth: number;
  readonly oldestWaitMs: number;
  readonly tracks: number;
}

export interface InferenceEngine extends CropScorer {
  readonly info: ModelInfo;
  /** Execution provider in use: `cpu`, `cuda`, `webgpu`, or `none` for the scripted stand-in. */
  readonly provider: string;
  readonly warmUpMs: number;
  takeStats(): EngineStats;
}

const MAX_WAITING_PER_TRACK = 2;
const TRACK_IDLE_MS = 60_000;
const TRACK_EVICTABLE_AFTER_MS = 5_000;
const BROKEN_AFTER_FAILURES = 3;

/**
 * Loads the model and readies it.
 * @throws TruecastError model-not-found, model-invalid, model-hash-mismatch, setup-incomplete, provider-unavailable
 */
export async function startInferenceEngine(options: InferenceEngineOptions): Promise<InferenceEngine> {
  const { log, maxTracks, maxBatch } = options;
  const model = await loadModelFolder(options.modelDir);
  if (model.kind === "scripted") {
    log.warn({ model: model.info.name }, "this model is a scripted stand-in: it detects nothing");
    const classifier = createScriptedClassifier(model.manifest.script, model.info.window / model.info.hop);
    return new Engine(options, { info: model.info, classifier, calibration: { temperature: 1 } });
  }
  const classifier = await startOnnxClassifier({
    paths: model.paths,
    manifest: model.manifest,
    provider: options.provider,
    intraOpNumThreads: options.intraOpNumThreads,
    capacity: maxTracks,
    maxBatch,
    onPassedOver: (provider, reason) => log.info({ provider, reason }, "provider not available here; trying the next"),
  });
  log.info({ model: model.info.name, sha256: model.info.sha256, trained: model.info.trained, provider: classifier.provider, warmUpMs: Math.round(classifier.warmUpMs) }, "model ready");
  return new Engine(options, { info: model.info, classifier, calibration: model.manifest.calibration });
}

interface Job {
  readonly slot: number;
  readonly divisor: number;
  readonly pixels: Uint8Array;
  readonly resolve: (reply: CropReply) => void;
  readonly reject: (error: TruecastError) => void;
}

interface Turn {
  readonly crop: WaitingCrop<Job>;
  readonly states: TrackStates;
  readonly turn: HorizonTurn;
}

class Engine implements InferenceEngine {
  readonly info: ModelInfo;
  readonly provider: string;
  readonly warmUpMs: number;
  readonly #options: InferenceEngineOptions;
  readonly #classifier: HorizonClassifier;
  readonly #calibration: Calibration;
  readonly #cropBytes: number;
  readonly #queue: CropQueue<Job>;
  readonly #tracks: TrackTable;
  /** Tracks of the batch under way, and those among them that ended meanwhile. */
  readonly #busy = new Set<string>();
  readonly #endedWhileBusy = new Set<string>();
  #pumping: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #failuresInARow = 0;
  #counts = newCounts();

  constructor(options: InferenceEngineOptions, { info, classifier, calibration }: { info: ModelInfo; classifier: HorizonClassifier; calibration: Calibration }) {
    this.info = info;
    this.provider = classifier.provider;
    this.warmUpMs = classifier.warmUpMs;
    this.#options = options;
    this.#classifier = classifier;
    this.#calibration = calibration;
    this.#cropBytes = info.inputSizePx ** 2 * 3;
    this.#queue = new CropQueue({ maxPerTrack: MAX_WAITING_PER_TRACK, maxWaiting: MAX_WAITING_PER_TRACK * options.maxTracks });
    this.#tracks = new TrackTable({ capacity: options.maxTracks, hop: info.hop, idleMs: TRACK_IDLE_MS, evictableAfterMs: TRACK_EVICTABLE_AFTER_MS });
  }

  submit({ stream, track, slot, divisor = 1, pixels }: CropRequest): Promise<CropReply> {
    if (this.#closing !== undefined) return Promise.reject(new TruecastError("inference-unavailable", "the inference engine is closed"));
    if (pixels.length !== this.#cropBytes) return Promise.reject(new TruecastError("inference-failed", `a crop of ${this.info.name} has ${this.#cropBytes} bytes, not ${pixels.length}`));
    const { promise, resolve, reject } = Promise.withResolvers<CropReply>();
    this.#counts.crops += 1;
    const discarded = this.#queue.push({ stream, track, queuedAtMs: performance.now(), item: { slot, divisor, pixels: pixels.slice(), resolve, reject } });
    if (discarded !== null) this.#discard(discarded, "overload");
    this.#pumping ??= this.#pump();
    return promise;
  }

  endTrack(track: string): void {
    for (const crop of this.#queue.drop(track)) this.#discard(crop, "track-ended");
    if (this.#busy.has(track)) this.#endedWhileBusy.add(track);
    else this.#tracks.release(track);
  }

  takeStats(): EngineStats {
    const now = performance.now();
    this.#tracks.expire(now);
    const stats = { ...this.#counts, queueDepth: this.#queue.size, oldestWaitMs: now - (this.#queue.oldestQueuedAtMs ?? now), tracks: this.#tracks.size };
    this.#counts = newCounts();
    return stats;
  }

  /** Lets the batch under way end; what still waits is answered `discarded`. */
  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    for (const crop of this.#queue.clear()) this.#discard(crop, "track-ended");
    await this.#pumping;
    await this.#classifier.close();
  }

  async #pump(): Promise<void> {
    do {
      // Inference blocks the thread; between batches the sockets get their turn, and what arrived there joins the next.
      await nextLoop();
      const batch = this.#queue.take(this.#options.maxBatch);
      if (batch.length > 0) await this.#run(batch);
    } while (this.#queue.size > 0);
    this.#pumping = undefined;
  }

  async #run(batch: readonly WaitingCrop<Job>[]): Promise<void> {
    const startedAtMs = performance.now();
    const turns = batch.map((crop) => this.#turnOf(crop, startedAtMs)).filter((turn) => turn !== null);
    if (turns.length === 0) return;
    for (const { crop } of turns) this.#busy.add(crop.track);
    try {
      const scores = await this.#classifier.step(turns.map(inputOf));
      const inferenceMs = performance.now() - startedAtMs;
      this.#failuresInARow = 0;
      this.#count(turns.length, inferenceMs);
      for (const [index, turn] of turns.entries()) {
        turn.crop.item.resolve({ kind: "ok", scores: this.#scoresOf(turn, scores, index), queueMs: startedAtMs - turn.crop.queuedAtMs, inferenceMs, batchSize: turns.length });
      }
    } catch (error) {
      this.#fail(turns, error);
    }
    for (const track of this.#endedWhileBusy) this.#tracks.release(track);
    this.#endedWhileBusy.clear();
    this.#busy.clear();
  }

  /** Moves the track's schedule on; null when the crop has been answered without inference. */
  #turnOf(crop: WaitingCrop<Job>, nowMs: number): Turn | null {
    const states = this.#tracks.acquire(crop.track, nowMs);
    if (states === null) {
      this.#discard(crop, "no-room");
      return null;
    }
    const turn = states.schedule.advance(crop.item.slot, crop.item.divisor);
    if (turn === null) {
      this.#counts.failed += 1;
      crop.item.reject(new TruecastError("inference-failed", `${crop.track}: slot ${crop.item.slot} does not rise above ${states.schedule.lastSlot ?? "none"}`));
      return null;
    }
    this.#tracks.use(crop.track, nowMs);
    return { crop, states, turn };
  }

  #scoresOf({ turn: { due }, states: { schedule } }: Turn, { now, before }: RawScores, index: number): HorizonScore[] {
    if (due === null) return [];
    const raw = (due.from === "held" ? before : now)[index * schedule.states + due.state];
    if (raw === undefined) throw new TruecastError("internal", `state ${due.state} has no score`);
    const score: HorizonScore = { frames: due.frames, score: calibrate(raw, this.#calibration), coverage: due.coverage };
    return [due.reducedSamplingFps === null ? score : { ...score, samplingFps: due.reducedSamplingFps }];
  }

  #fail(turns: readonly Turn[], error: unknown): void {
    this.#failuresInARow += 1;
    this.#counts.failed += turns.length;
    this.#options.log.error({ err: error, batchSize: turns.length, failuresInARow: this.#failuresInARow }, "inference failed");
    for (const { crop } of turns) {
      // The schedule has moved on without the states: the track starts anew rather than scoring a window with a hidden hole.
      this.#tracks.release(crop.track);
      crop.item.reject(new TruecastError("inference-failed", "the model could not be run; see the log of the inference process", { cause: error }));
    }
    if (this.#failuresInARow === BROKEN_AFTER_FAILURES) this.#options.onBroken?.(error);
  }

  #discard(crop: WaitingCrop<Job>, reason: CropDiscardReason): void {
    this.#counts[COUNT_OF[reason]] += 1;
    crop.item.resolve({ kind: "discarded", reason });
  }

  #count(batchSize: number, inferenceMs: number): void {
    this.#counts.batches += 1;
    // One sample a batch; without a reader the samples stop, the counters go on.
    if (this.#counts.batchSizes.length >= MAX_SAMPLES) return;
    this.#counts.batchSizes.push(batchSize);
    this.#counts.inferenceSeconds.push(inferenceMs / 1000);
  }
}

const MAX_SAMPLES = 2048;
const COUNT_OF = { overload: "discarded", "no-room": "noRoom", "track-ended": "trackEnded" } as const satisfies Record<CropDiscardReason, keyof EngineStats>;
const newCounts = () => ({ crops: 0, discarded: 0, noRoom: 0, trackEnded: 0, failed: 0, batches: 0, batchSizes: [] as number[], inferenceSeconds: [] as number[] });

function inputOf({ crop, states, turn }: Turn): HorizonInput {
  return { row: states.row, stream: crop.stream, track: crop.track, slot: crop.item.slot, pixels: crop.item.pixels, fresh: turn.fresh, resets: turn.resets, wanted: turn.due !== null };
}
