/** What the daemon and the pull process say to each other over IPC. Types only; no URL ever travels upward. */
import type { ErrorCode } from "../../../pipelines/errors.ts";
import type { SessionName } from "../messages.ts";
import type { PullLimits } from "./limits.ts";
import type { SourceKind, SourceSpec } from "./source-plan.ts";

export interface PullOptions {
  readonly sources: readonly SourceSpec[];
  /** Addresses and blocks that are not public and may be reached all the same. */
  readonly allow: readonly string[];
  /** Folders below which local files may be read; absolute. */
  readonly fileRoots: readonly string[];
  /** Re-encode what is not H.264 instead of refusing it. */
  readonly transcode: boolean;
  readonly limits: Partial<PullLimits>;
}

export type PullCommand =
  /** Replaces all sources: what is gone ends, what changed begins anew, what is equal goes on. */
  | { readonly type: "set-sources"; readonly sources: readonly SourceSpec[] }
  /** Sends the session's video to this Unix socket; replaces an earlier route. */
  | ({ readonly type: "route"; readonly socketPath: string } & SessionName)
  /** Ends the connection; the source tries again later. */
  | ({ readonly type: "end"; readonly code: ErrorCode; readonly message: string } & SessionName);

export interface SourceReason {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a source does at the moment. */
export type SourceState =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  /** `nextTryAt`: milliseconds since the Unix epoch. */
  | { readonly kind: "backing-off"; readonly reason: SourceReason; readonly nextTryAt: number }
  /** A recording that was not to be repeated has been played. */
  | { readonly kind: "ended"; readonly reason: SourceReason };

export interface PullStats extends SessionName {
  readonly videoPackets: number;
  readonly droppedPackets: number;
  readonly bitrateKbps: number;
}

export type PullEvent =
  /** `attempts`: connections begun since the source was set. */
  | { readonly type: "source-state"; readonly stream: string; readonly state: SourceState; readonly attempts: number }
  | ({ readonly type: "connected"; readonly protocol: SourceKind; readonly videoCodec: string; readonly connectedAt: number } & SessionName)
  | ({ readonly type: "lost"; readonly code: ErrorCode; readonly message: string } & SessionName)
  | ({ readonly type: "route-lost"; readonly message: string } & SessionName)
  | { readonly type: "stats"; readonly streams: readonly PullStats[]; readonly rssBytes: number };
