/** What the daemon and the inference process say to each other (IPC), besides the life-cycle of every child. */
import type { ProviderChoice } from "../../models/onnx-sessions.ts";
import type { ModelInfo } from "../../pipelines/types.ts";
import type { EngineStats } from "./engine.ts";

export interface InferenceOptions {
  /** Unix socket to listen on for crops. */
  readonly socketPath: string;
  readonly modelDir: string;
  readonly provider: ProviderChoice;
  /** CPU threads of one inference; 0 is one a core. */
  readonly intraOpNumThreads: number;
  readonly maxBatch: number;
  readonly maxTracks: number;
  readonly logLevel: string;
}

export interface InferenceInfo {
  readonly pid: number;
  /** Execution provider in use, proven by a run. */
  readonly provider: string;
  readonly warmUpMs: number;
  readonly model: ModelInfo;
}

/** Once a second. Counts are of that second. */
export interface InferenceReport extends EngineStats {
  readonly type: "stats";
  /** Connections destroyed because of what they sent. */
  readonly protocolErrors: number;
  readonly clients: number;
  readonly rssBytes: number;
}
