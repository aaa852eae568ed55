/** The inference process as the daemon sees it: supervised, its provider known, its counts once a second. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import type { InferenceInfo, InferenceOptions, InferenceReport } from "./inference/messages.ts";
import { type ChildState, type RestartCause, startSupervisedChild } from "./supervision/supervised-child.ts";

export interface InferenceServiceOptions extends Pick<InferenceOptions, "socketPath" | "modelDir" | "provider" | "maxBatch" | "maxTracks"> {
  /** CPU threads of one inference; 0 is one a core. */
  readonly threads: number;
  readonly onStats?: (stats: InferenceReport) => void;
  readonly onState?: (state: ChildState<InferenceInfo>) => void;
  readonly onRestart?: (cause: RestartCause) => void;
  readonly log: Logger;
  /** Ends a start that is not through yet. */
  readonly signal?: AbortSignal | undefined;
}

export interface InferenceService extends AsyncDisposable {
  /** Execution provider in use; null while the process is down. */
  readonly provider: string | null;
  close(): Promise<void>;
}

/** A large model takes its time to load and to warm up. */
const READY_TIMEOUT_MS = 120_000;
/** A batch of the largest model blocks its process for seconds on a small machine. */
const HEARTBEAT_TIMEOUT_MS = 30_000;

/** @throws TruecastError model-*, provider-unavailable, setup-incomplete */
export async function startInference(options: InferenceServiceOptions): Promise<InferenceService> {
  const { socketPath, modelDir, provider, threads, maxBatch, maxTracks, log, onStats } = options;
  let first: string | undefined;
  const child = await startSupervisedChild<InferenceOptions, InferenceInfo, never, InferenceReport>({
    name: "inference",
    entry: new URL("./inference/inference-process.ts", import.meta.url),
    init: () => ({ socketPath, modelDir, provider, intraOpNumThreads: threads, maxBatch, maxTracks, logLevel: log.level }),
    onMessage: (message) => onStats?.(message),
    onState(state) {
      if (state.kind === "ready") {
        // `auto` may find no GPU after a restart although the first start did: never in silence.
        if (first !== undefined && state.info.provider !== first) log.error({ before: first, now: state.info.provider }, "the inference provider changed with the restart");
        first = state.info.provider;
      }
      options.onState?.(state);
    },
    ...(options.onRestart && { onRestart: options.onRestart }),
    log,
    signal: options.signal,
    readyTimeoutMs: READY_TIMEOUT_MS,
    heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
  });
  const close = (): Promise<void> => child.close();
  return {
    get provider() {
      return providerOf(child.state);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

export function providerOf(state: ChildState<InferenceInfo>): string | null {
  return state.kind === "ready" ? state.info.provider : null;
}

/** The folder of a model: under `modelsDir`, or under the models that ship with Truecast. */
export function modelFolder(name: string, modelsDir: string | null): string {
  return join(modelsDir ?? fileURLToPath(new URL("../models", import.meta.url)), name);
}
