/** What the daemon and the ingest process say to each other over IPC. No stream key ever travels upward. */
import type { ErrorCode } from "../../pipelines/errors.ts";
import type { IngestLimits } from "./limits.ts";

export interface StreamKeyOption {
  /** Name from the configuration; the only name that appears in messages. */
  readonly name: string;
  /** Secret; matches `^[A-Za-z0-9_-]{8,128}$`. */
  readonly key: string;
}

/** STUN or TURN server for publishers behind NAT, as WHIP's Link headers give it. */
export interface IceServerOption {
  readonly url: string;
  readonly username?: string;
  readonly credential?: string;
}

export type WhipCodec = "h264" | "vp8" | "vp9" | "av1";

export interface WhipOptions {
  /** Of the HTTP listener and of the UDP socket; a literal address. */
  readonly host: string;
  /** TCP port of the HTTP listener; 0 takes a free one. */
  readonly port: number;
  /** UDP port of all media; 0 takes a free one. */
  readonly udpPort: number;
  /** Where publishers reach the UDP socket, as `address` or `address:port`; empty: at its own addresses. */
  readonly advertisedAddresses: readonly string[];
  readonly iceServers: readonly IceServerOption[];
  /** Those that are taken, the preferred first. Absent or null: all, as the publisher prefers them. */
  readonly codecs?: readonly WhipCodec[] | null;
  /** Asked of publishers; they send less when the network gives less. */
  readonly maxBitrateKbps: number;
}

export interface RtmpsOptions {
  /** TCP port, on the address of RTMP; 0 takes a free one. */
  readonly port: number;
  /** Absolute paths of PEM files. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface IngestOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 1935; 0 takes a free port. */
  readonly port?: number;
  /** RTMP application, the first part of the path. Default `live`. */
  readonly app?: string;
  /** Absent or null: no RTMPS. */
  readonly rtmps?: RtmpsOptions | null;
  /** Absent or null: no WHIP. */
  readonly whip?: WhipOptions | null;
  readonly streams: readonly StreamKeyOption[];
  readonly limits?: Partial<IngestLimits>;
}

/** Where a running ingest listens. */
export interface IngestInfo {
  readonly port: number;
  readonly rtmpsPort: number | null;
  readonly whip: { readonly port: number; readonly udpPort: number } | null;
}

export type PublishProtocol = "rtmp" | "rtmps" | "whip";

/** Why a datagram on the media port came to nothing. */
export const DATAGRAM_DROPS = ["unknown-peer", "bad-check", "handshake", "malformed", "unknown-payload", "replayed", "not-authentic", "second-source"] as const;
export type DatagramDrop = (typeof DATAGRAM_DROPS)[number];

export interface WhipStats {
  /** Connected or about to be. */
  readonly sessions: number;
  /** Since the start of the process. */
  readonly droppedDatagrams: Readonly<Record<DatagramDrop, number>>;
  /** RTP packets that never came, in spite of NACK; since the start of the process. */
  readonly lostPackets: number;
}

/** One publisher's time on one path. A publisher that reconnects has a new one. */
export interface SessionName {
  readonly stream: string;
  readonly sessionId: string;
}

/** What the daemon asks of a running ingest. */
export type IngestCommand =
  /** Sends the session's video to this Unix socket; replaces an earlier route. */
  | ({ readonly type: "route"; readonly socketPath: string } & SessionName)
  /** Ends the publisher; `publisher-lost` follows with this code. */
  | { readonly type: "kick"; readonly stream: string; readonly code: ErrorCode; readonly message?: string }
  /** Replaces all keys. Publishers whose key is gone are ended. */
  | { readonly type: "setKeys"; readonly streams: readonly StreamKeyOption[] };

export type DaemonToIngest = { readonly type: "init"; readonly options: IngestOptions } | { readonly type: "close" } | IngestCommand;

export interface StreamStats extends SessionName {
  /** Of this session: everything received, with audio and chunk headers. */
  readonly bytesIn: number;
  readonly videoPackets: number;
  /** Lost because the route's reader was too slow. */
  readonly droppedPackets: number;
  /** Left out because nothing could decode them: no sequence header or keyframe yet, or empty. */
  readonly skippedPackets: number;
  /** Video bit rate over the last five seconds. */
  readonly bitrateKbps: number;
}

/** What a running ingest reports. */
export type IngestEvent =
  /** `remote` is the address without port. Reported at most 20 times a second; `stats.refusals` counts all. */
  | { readonly type: "connection-refused"; readonly code: ErrorCode; readonly message: string; readonly remote: string }
  | ({ readonly type: "published"; readonly protocol: PublishProtocol; readonly videoCodec: string | null; readonly connectedAt: number; readonly remote: string } & SessionName)
  /** At the first sequence header and at each change of it. */
  | ({ readonly type: "video-format"; readonly codec: string } & SessionName)
  /** `publisher-stalled`: no media at all, will be ended soon. `no-video`: audio flows, the connection is kept. */
  | ({ readonly type: "publisher-stalled"; readonly code: "publisher-stalled" | "no-video"; readonly silentMs: number } & SessionName)
  | ({ readonly type: "publisher-resumed" } & SessionName)
  /** The last message of a session. `closed`: the publisher itself ended it. */
  | ({ readonly type: "publisher-lost"; readonly code: ErrorCode | "closed"; readonly message: string } & SessionName)
  | ({ readonly type: "route-lost"; readonly message: string } & SessionName)
  /** A `setKeys` was not taken; the keys before it stay in force. */
  | { readonly type: "keys-refused"; readonly code: ErrorCode; readonly message: string }
  /** At the start and whenever its files have changed. `validUntil`: milliseconds since the Unix epoch. */
  | { readonly type: "certificate-loaded"; readonly names: string; readonly validUntil: number }
  /** Changed files hold nothing that can be used; the certificate before them stays in force. */
  | { readonly type: "certificate-refused"; readonly code: ErrorCode; readonly message: string }
  | {
      readonly type: "stats";
      readonly streams: readonly StreamStats[];
      /** Open RTMP and RTMPS sockets, publishing or not. */
      readonly connections: number;
      /** Null without WHIP. */
      readonly whip: WhipStats | null;
      readonly rssBytes: number;
      /** Connections refused and publishers ended since the start, by code; publishers that ended by themselves do not count. */
      readonly refusals: Readonly<Partial<Record<ErrorCode, number>>>;
    };

export type IngestToDaemon =
  | { readonly type: "ready"; readonly info: IngestInfo }
  | { readonly type: "failed"; readonly code: ErrorCode; readonly message: string }
  | { readonly type: "crashed"; readonly message: string }
  | IngestEvent;
