/** The analysis process's way to the inference process: hands in crops, matches replies, and comes back by itself after a loss. */
import { connect, type Socket } from "node:net";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import type { CropReply, CropRequest, CropScorer } from "../../pipelines/types.ts";
import { decodeServerMessage, encodeCrop, encodeEndTrack, MessageReader, type ServerMessage, WIRE_VERSION } from "./wire.ts";

export interface InferenceClientOptions {
  readonly socketPath: string;
  /** Side of the crops that will be handed in; a server with another model is refused. */
  readonly inputSizePx: number;
  readonly log: Logger;
  /** Crops on their way; more are answered `discarded` as overload. */
  readonly maxInFlight?: number;
  /** A server that leaves a crop unanswered for this long is given up and connected anew. */
  readonly replyTimeoutMs?: number;
  /** Called at every change of state. */
  readonly onState?: (state: InferenceClientState) => void;
}

export type InferenceClientState =
  | { readonly kind: "connecting" }
  | { readonly kind: "ready"; readonly model: string }
  | { readonly kind: "waiting"; readonly reason: string; readonly retryMs: number }
  | { readonly kind: "closed" };

export interface InferenceClient extends CropScorer {
  readonly state: InferenceClientState;
  /** Resolves once crops can be handed in. @throws the signal's reason, or TruecastError inference-unavailable when closed */
  ready(signal?: AbortSignal): Promise<void>;
}

const DEFAULTS = { maxInFlight: 256, replyTimeoutMs: 10_000 };
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 1000;
const MAX_SERVER_MESSAGE_BYTES = 64 * 1024;

/** Connects in the background; `submit` rejects with inference-unavailable until it has. */
export function startInferenceClient(options: InferenceClientOptions): InferenceClient {
  return new Client(options);
}

interface InFlight {
  readonly sentAtMs: number;
  readonly resolve: (reply: CropReply) => void;
  readonly reject: (error: TruecastError) => void;
}

class Client implements InferenceClient {
  readonly #options: InferenceClientOptions & typeof DEFAULTS;
  /** By id; insertion order is the order of sending, so the first is the oldest. */
  readonly #inFlight = new Map<number, InFlight>();
  readonly #waiters = new Set<PromiseWithResolvers<void>>();
  #state: InferenceClientState = { kind: "connecting" };
  #socket: Socket | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  readonly #watchdog: NodeJS.Timeout;
  #retryMs = FIRST_RETRY_MS;
  #lastId = 0;

  constructor(options: InferenceClientOptions) {
    this.#options = { ...options, maxInFlight: options.maxInFlight ?? DEFAULTS.maxInFlight, replyTimeoutMs: options.replyTimeoutMs ?? DEFAULTS.replyTimeoutMs };
    this.#watchdog = setInterval(() => this.#checkOldest(), this.#options.replyTimeoutMs / 4);
    this.#watchdog.unref();
    this.#connect();
  }

  get state(): InferenceClientState {
    return this.#state;
  }

  submit(request: CropRequest): Promise<CropReply> {
    const socket = this.#socket;
    if (this.#state.kind !== "ready" || socket === undefined) return Promise.reject(unavailable(`no connection to the inference process (${this.#state.kind})`));
    if (this.#inFlight.size >= this.#options.maxInFlight) return Promise.resolve({ kind: "discarded", reason: "overload" });
    const { promise, resolve, reject } = Promise.withResolvers<CropReply>();
    this.#lastId = (this.#lastId + 1) >>> 0;
    this.#inFlight.set(this.#lastId, { sentAtMs: performance.now(), resolve, reject });
    socket.write(encodeCrop(this.#lastId, request));
    return promise;
  }

  endTrack(track: string): void {
    // While there is no connection there is nothing to forget: its tracks ended with it.
    if (this.#state.kind === "ready") this.#socket?.write(encodeEndTrack(track));
  }

  async ready(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#state.kind === "ready") return;
    if (this.#state.kind === "closed") throw unavailable("the client is closed");
    const waiter = Promise.withResolvers<void>();
    const abort = (): void => waiter.reject(signal?.reason);
    this.#waiters.add(waiter);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await waiter.promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener("abort", abort);
    }
  }

  close(): Promise<void> {
    if (this.#state.kind !== "closed") {
      clearTimeout(this.#retryTimer);
      clearInterval(this.#watchdog);
      this.#setState({ kind: "closed" });
      this.#socket?.destroy();
      this.#rejectAll("the client is closed");
      for (const waiter of this.#waiters) waiter.reject(unavailable("the client is closed"));
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #connect(): void {
    const socket = connect(this.#options.socketPath);
    const reader = new MessageReader(MAX_SERVER_MESSAGE_BYTES);
    let reason = "the connection ended";
    this.#socket = socket;
    socket.on("error", (error) => (reason = error.message));
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#handle(message);
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
        socket.destroy();
      }
    });
    socket.once("close", () => this.#lost(reason));
  }

  /** @throws TruecastError protocol-violation, or when the server's model takes other crops */
  #handle(bytes: Buffer): void {
    const message: ServerMessage = decodeServerMessage(bytes);
    if (message.kind === "hello") {
      const { inputSizePx } = this.#options;
      if (message.version !== WIRE_VERSION) throw new TruecastError("protocol-violation", `the inference process speaks version ${message.version}, not ${WIRE_VERSION}`);
      if (message.inputSizePx !== inputSizePx) throw new TruecastError("model-invalid", `${message.model} takes crops of ${message.inputSizePx} px, not ${inputSizePx}`);
      this.#retryMs = FIRST_RETRY_MS;
      this.#setState({ kind: "ready", model: message.model });
      for (const waiter of this.#waiters) waiter.resolve();
      return;
    }
    const waiting = this.#inFlight.get(message.id);
    this.#inFlight.delete(message.id);
    if (message.kind === "reply") waiting?.resolve(message.reply);
    else waiting?.reject(new TruecastError("inference-failed", message.message));
  }

  #lost(reason: string): void {
    if (this.#state.kind === "closed") return;
    this.#rejectAll(reason);
    // Logged once for each loss, not for each try.
    if (this.#state.kind === "ready") this.#options.log.warn({ reason }, "lost the inference process; connecting again");
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    this.#setState({ kind: "waiting", reason, retryMs });
    this.#retryTimer = setTimeout(() => {
      this.#setState({ kind: "connecting" });
      this.#connect();
    }, retryMs);
  }

  #checkOldest(): void {
    const [oldest] = this.#inFlight.values();
    if (oldest !== undefined && performance.now() - oldest.sentAtMs > this.#options.replyTimeoutMs) {
      this.#socket?.destroy(new Error(`no reply for ${this.#options.replyTimeoutMs} ms`));
    }
  }

  #rejectAll(reason: string): void {
    const lost = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const { reject } of lost) reject(unavailable(reason));
  }

  #setState(state: InferenceClientState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}

function unavailable(reason: string): TruecastError {
  return new TruecastError("inference-unavailable", `inference is not available: ${reason}`);
}
