/** FaceDetector on @vladmandic/face-api: owns the worker thread, restarts it when it dies, never blocks its caller. */
import type { Logger } from "pino";
import { Worker } from "node:worker_threads";
import { TruecastError } from "../errors.ts";
import type { Box, FaceDetector, Frame } from "../types.ts";
import { squareAround } from "./box-geometry.ts";
import { mergeFound, planPictures } from "./detector-input.ts";
import type { DetectorReply, DetectorRequest, DetectorWorkerData } from "./detector-messages.ts";
import { type DetectionScope, type ScopedDetection, type ScopedFaceDetector, WHOLE_PICTURE } from "./detection-scope.ts";
import { DESCRIPTOR_INPUT_PX } from "./face-descriptor-network.ts";
import { resample } from "./resample.ts";

export interface FaceDetectorOptions {
  readonly log: Logger;
  /** Detections under this confidence are not reported, 0..1. */
  readonly minConfidence?: number;
  /** A detection that takes longer means that the worker hangs: it is ended and started again. */
  readonly timeoutMs?: number;
  /** Whether it can describe faces; costs 100 MB. */
  readonly describes?: boolean;
  /** Requests that may wait; one more is refused with `overload`. */
  readonly maxPending?: number;
  readonly onEvent?: (event: FaceDetectorEvent) => void;
  /** The worker's code; tests put a worker there that dies on demand. */
  readonly workerUrl?: URL;
}

export type FaceDetectorEvent =
  | { readonly kind: "detected"; readonly workMs: number; readonly faces: number; readonly tensors: number }
  | { readonly kind: "restarted"; readonly cause: RestartCause };
export type RestartCause = "exited" | "timed-out";

export interface FaceApiDetector extends FaceDetector, ScopedFaceDetector {
  detect(frame: Frame, scope?: DetectionScope): Promise<readonly ScopedDetection[]>;
  /**
   * 128 numbers that lie near those of the same person's face, and far from anyone else's (face-api's recognition network).
   * Detections go before it, so it never holds up a frame. Null when another face is being described, when the detector was
   * started without, and when its worker ends meanwhile: there will be other looks.
   */
  describe(frame: Frame, box: Box): Promise<Float32Array | null>;
  /** Thread that detects now; null while it is being restarted. For diagnosis. */
  readonly threadId: number | null;
}

const WORKER_URL = new URL("./detector-worker.ts", import.meta.url);
const DEFAULT_MIN_CONFIDENCE = 0.25;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_PENDING = 32;
const START_TIMEOUT_MS = 30_000;
/** Wait before a restart; doubles up to the last while the worker dies without having detected anything. */
const BACKOFF_MS = [0, 250, 1_000, 5_000] as const;

type FoundReply = Extract<DetectorReply, { kind: "found" }>;
type DescribedReply = Extract<DetectorReply, { kind: "described" }>;

/** What the recognition network is shown, over the longer side of the face box. */
const DESCRIPTOR_MARGIN = 1.1;

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

interface Pending {
  readonly resolve: (reply: FoundReply | DescribedReply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

type State =
  | { readonly kind: "running"; readonly worker: Worker }
  | { readonly kind: "starting"; readonly ready: Promise<void> }
  | { readonly kind: "closed" };

/** @throws TruecastError setup-incomplete when the detector's weights or WebAssembly do not load */
export async function startFaceApiDetector(options: FaceDetectorOptions, signal?: AbortSignal): Promise<FaceApiDetector> {
  const { log, onEvent } = options;
  const minConfidence = options.minConfidence ?? DEFAULT_MIN_CONFIDENCE;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const maxPending = options.maxPending ?? DEFAULT_MAX_PENDING;
  const pending = new Map<number, Pending>();
  const closing = new AbortController();
  let nextId = 1;
  let waiting = 0;
  let describing = false;
  let failuresInARow = 0;
  let state: State = { kind: "closed" };

  function settle(id: number): Pending | undefined {
    const entry = pending.get(id);
    if (entry === undefined) return undefined;
    clearTimeout(entry.timer);
    pending.delete(id);
    return entry;
  }

  function rejectAll(error: Error): void {
    for (const id of pending.keys()) settle(id)?.reject(error);
  }

  function onReply(message: DetectorReply): void {
    if (message.kind === "ready") return;
    const entry = settle(message.id);
    if (message.kind === "failed") {
      entry?.reject(new TruecastError("internal", `The face detector failed: ${message.message}`));
      return;
    }
    failuresInARow = 0;
    entry?.resolve(message);
  }

  async function startWorker(): Promise<Worker> {
    const worker = await spawnReady(options.workerUrl ?? WORKER_URL, { describes: options.describes ?? false }, closing.signal);
    worker.on("message", onReply);
    worker.on("error", (error) => log.error({ err: error }, "face detector thread failed"));
    worker.once("exit", () => {
      if (state.kind === "running" && state.worker === worker) restart("exited");
    });
    return worker;
  }

  function restart(cause: RestartCause): void {
    const previous = state.kind === "running" ? state.worker : null;
    rejectAll(new TruecastError("internal", cause === "exited" ? "The face detector's thread ended unexpectedly." : "The face detector did not answer in time."));
    failuresInARow++;
    log.warn({ cause, failuresInARow }, "restarting the face detector");
    onEvent?.({ kind: "restarted", cause });
    state = { kind: "starting", ready: bringUp(previous) };
  }

  /** Never rejects: it tries until it runs or the detector is closed. */
  async function bringUp(previous: Worker | null): Promise<void> {
    await previous?.terminate();
    while (!closing.signal.aborted) {
      await sleep(BACKOFF_MS[Math.min(failuresInARow, BACKOFF_MS.length) - 1] ?? 0, closing.signal);
      if (closing.signal.aborted) return;
      try {
        const worker = await startWorker();
        if (closing.signal.aborted) {
          await worker.terminate();
          return;
        }
        state = { kind: "running", worker };
        return;
      } catch (error) {
        if (closing.signal.aborted) return;
        failuresInARow++;
        log.error({ err: error, failuresInARow }, "the face detector did not start");
      }
    }
  }

  async function detect(frame: Frame, scope: DetectionScope = WHOLE_PICTURE): Promise<readonly ScopedDetection[]> {
    if (state.kind === "closed") throw closedError();
    if (waiting >= maxPending) throw new TruecastError("overload", `${maxPending} detections are waiting already.`);
    waiting++;
    try {
      const planned = planPictures(frame, scope);
      if (planned.length === 0) return [];
      if (state.kind === "starting") await state.ready;
      // Nothing may be awaited between this check and the request: a close in between would never reject it.
      if (state.kind !== "running") throw closedError();
      const pictures = planned.map((place) => place.picture);
      const reply = await request(state.worker, { kind: "detect", pictures, minConfidence }, pictures.map(({ rgb }) => rgb));
      if (reply.kind !== "found") throw new TruecastError("internal", "The face detector answered a detection with a description.");
      const faces = mergeFound(planned, reply.found);
      onEvent?.({ kind: "detected", workMs: reply.workMs, faces: faces.length, tensors: reply.tensors });
      return faces;
    } finally {
      waiting--;
    }
  }

  async function describe(frame: Frame, box: Box): Promise<Float32Array | null> {
    if (options.describes !== true || describing || state.kind !== "running") return null;
    describing = true;
    const rgb = resample({ picture: frame, region: squareAround(box, DESCRIPTOR_MARGIN), widthPx: DESCRIPTOR_INPUT_PX, heightPx: DESCRIPTOR_INPUT_PX });
    try {
      const reply = await request(state.worker, { kind: "describe", rgb }, [rgb]);
      return reply.kind === "described" ? reply.descriptor : null;
    } catch (error) {
      // Told where the worker's end was; a description is no loss.
      log.debug({ err: error }, "a face was not described");
      return null;
    } finally {
      describing = false;
    }
  }

  /** The pixels are moved to the worker, not copied. */
  function request(worker: Worker, asked: WithoutId<DetectorRequest>, pixels: readonly Uint8Array[]): Promise<FoundReply | DescribedReply> {
    const id = nextId++;
    return new Promise((resolve, reject) => {
      // A description gives way to detections for as long as they come: late, it is no sign of a hang, which they would find.
      const timer = asked.kind === "describe" ? undefined : setTimeout(() => {
        if (state.kind === "running" && state.worker === worker) restart("timed-out");
      }, timeoutMs);
      pending.set(id, { resolve, reject, timer });
      const message: DetectorRequest = { ...asked, id };
      worker.postMessage(message, pixels.map((rgb) => rgb.buffer as ArrayBuffer));
    });
  }

  async function close(): Promise<void> {
    const before = state;
    state = { kind: "closed" };
    closing.abort();
    signal?.removeEventListener("abort", onAbort);
    rejectAll(closedError());
    if (before.kind === "running") await before.worker.terminate();
    if (before.kind === "starting") await before.ready;
  }

  function onAbort(): void {
    void close();
  }

  signal?.throwIfAborted();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    state = { kind: "running", worker: await startWorker() };
  } catch (error) {
    await close();
    signal?.throwIfAborted();
    throw new TruecastError("setup-incomplete", "The face detector did not start: its weights or WebAssembly did not load.", { cause: error });
  }
  return {
    detect,
    describe,
    close,
    [Symbol.asyncDispose]: close,
    get threadId() {
      return state.kind === "running" ? state.worker.threadId : null;
    },
  };
}

function closedError(): TruecastError {
  return new TruecastError("internal", "The face detector is closed.");
}

/** A worker whose network is loaded; whichever of ready, error, exit, time-out and abort comes first wins. */
async function spawnReady(workerUrl: URL, workerData: DetectorWorkerData, signal: AbortSignal): Promise<Worker> {
  const worker = new Worker(workerUrl, { name: "face-detector", workerData });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`not ready after ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
  const onMessage = (message: DetectorReply): void => {
    if (message.kind === "ready") resolve();
  };
  const onExit = (code: number): void => reject(new Error(`exited with ${code} before it was ready`));
  const onAbort = (): void => reject(new Error("closed"));
  worker.on("message", onMessage);
  worker.on("error", reject);
  worker.on("exit", onExit);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await promise;
    return worker;
  } catch (error) {
    await worker.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
    worker.off("message", onMessage);
    worker.off("error", reject);
    worker.off("exit", onExit);
    signal.removeEventListener("abort", onAbort);
  }
}

function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delayMs);
  signal.addEventListener(
    "abort",
    () => {
      clearTimeout(timer);
      resolve();
    },
    { once: true },
  );
  return promise;
}
