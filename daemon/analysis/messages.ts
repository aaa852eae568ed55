/** What the daemon and its analysis processes say to each other (IPC), besides the life-cycle of daemon/supervision. */
import type { Reason } from "../streams/stream-life.ts";
import type { DiscardReason, HorizonScore, LossReason, ModelInfo, NewcomerRefusal, Verdict } from "../../pipelines/types.ts";

export interface AnalysisOptions {
  /** Unix socket to listen on; the ingest process connects to it once a publisher. */
  readonly socketPath: string;
  readonly inferenceSocketPath: string;
  readonly model: ModelInfo;
  readonly decode: { readonly frameTimeoutMs: number };
  /** Whether faces are described, so that an alert can follow its face to another track. */
  readonly describesFaces: boolean;
  readonly faces: { readonly maxFaces: number; readonly minFacePx: number; readonly facelessAfterMs: number };
  readonly samplingDivisor: number;
  readonly watched: boolean;
  /** Null: nothing is kept for evidence. */
  readonly evidence: EvidenceLimits | null;
  readonly logLevel: string;
}

/** What an analysis process keeps of every stream, and records of an incident. */
export interface EvidenceLimits {
  /** Packets kept before now, in time of the media clock and in bytes of one stream; whole groups of pictures. */
  readonly ringMs: number;
  readonly ringBytes: number;
  /** Recorded before what is to be shown, and on after its end. */
  readonly beforeMs: number;
  readonly afterMs: number;
  /** Of a longer incident its first part of this length is recorded, and its last moments. */
  readonly maxClipMs: number;
}

export interface AnalysisInfo {
  readonly pid: number;
}

export type AnalysisCommand =
  /** A publisher of the stream is about to be routed here; should its analysis begin anew, tracks are numbered from there. */
  | { readonly type: "expect"; readonly stream: string; readonly firstTrackId: number }
  /** The stream is over: end its tracks, forget its state. */
  | { readonly type: "forget"; readonly stream: string }
  /** An alert of this track's face is open: describe the face once more. */
  | { readonly type: "look"; readonly stream: string; readonly trackId: number }
  | { readonly type: "sampling"; readonly divisor: number }
  /** Somebody looks at the dashboard: thumbnails come twice a second instead of every few seconds. */
  | { readonly type: "watched"; readonly watched: boolean }
  /** Record the stream into the folder from `fromPtsMs` on, and the face's crops from `cropsFromPtsMs` up to now. */
  | { readonly type: "record"; readonly stream: string; readonly incident: string; readonly trackId: number; readonly folder: string; readonly fromPtsMs: number; readonly cropsFromPtsMs: number }
  /** The incident is over: record on for a while, then report. */
  | { readonly type: "record-end"; readonly stream: string; readonly incident: string }
  /** It goes on after all. */
  | { readonly type: "record-on"; readonly stream: string; readonly incident: string };

/** Why a recording is less than it should be; a part of the evidence's own table. */
export type RecordingProblem = "disk-full" | "disk-failed" | "disk-slow" | "no-video" | "clip-broken" | "no-crops";

export interface FaceReport {
  readonly trackId: number;
  /** Fractions of the picture. */
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly verdict: Verdict;
  /** Milliseconds since the Unix epoch. */
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

/** Samples of the last second; bounded by the frames of a second. Milliseconds. */
export interface StageSamples {
  readonly detect: readonly number[];
  readonly track: readonly number[];
  readonly crop: readonly number[];
  readonly queue: readonly number[];
  readonly inference: readonly number[];
  readonly frameAge: readonly number[];
}

export interface StreamStats {
  readonly stream: string;
  readonly decoded: number;
  readonly analysed: number;
  readonly discarded: Partial<Record<DiscardReason, number>>;
  readonly lost: Partial<Record<LossReason, number>>;
  /** Detections that became no track. */
  readonly refusedFaces: Partial<Record<NewcomerRefusal, number>>;
  readonly discontinuities: number;
  readonly decodeErrors: number;
  readonly samples: StageSamples;
}

export type AnalysisReport =
  | { readonly type: "picture"; readonly stream: string; readonly widthPx: number; readonly heightPx: number }
  | { readonly type: "frames-flow"; readonly stream: string }
  | { readonly type: "decoder-recovering"; readonly stream: string; readonly cause: string; readonly reason: Reason }
  | { readonly type: "decoder-failed"; readonly stream: string; readonly reason: Reason; readonly restarts: number | null }
  | { readonly type: "score"; readonly stream: string; readonly trackId: number; readonly ptsMs: number; readonly score: HorizonScore; readonly frameAgeMs: number }
  | { readonly type: "track-ended"; readonly stream: string; readonly trackId: number }
  /** What a track's face looks like. For the alerts' memory alone: neither logged nor stored nor given out. */
  | { readonly type: "face"; readonly stream: string; readonly trackId: number; readonly ptsMs: number; readonly descriptor: Float32Array }
  | { readonly type: "view"; readonly stream: string; readonly ptsMs: number; readonly verdict: Verdict; readonly faces: readonly FaceReport[] }
  | { readonly type: "thumbnail"; readonly stream: string; readonly ptsMs: number; readonly jpeg: Uint8Array }
  /** The recording of an incident is over; everything of it is in its folder. */
  | { readonly type: "recorded"; readonly stream: string; readonly incident: string; readonly problems: readonly RecordingProblem[] }
  | { readonly type: "stats"; readonly streams: readonly StreamStats[]; readonly rssBytes: number };
