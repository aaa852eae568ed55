/** What the HTTP interface asks of the daemon, and what it reports back: plain functions given by the composition root. */
import type { PublishAccess } from "../access-protocol.ts";
import type { Alert, AlertEventPage, AlertEventQuery, AlertPage, AlertQuery, Evidence, EvidenceRemoval, ModelCard, Readiness, ReceiverStatus, ReceiverTest, ServerMessage, Source, SourceInput, Stream, StreamDetail, SystemStatus } from "../protocol.ts";
import type { Author } from "./authority.ts";

/** All of it is called on the request's way, so it must answer from memory or a local store, where it does not say otherwise. A TruecastError becomes a problem with its code. */
export interface HttpSource {
  system(): SystemStatus;
  model(): ModelCard;
  streams(): Stream[];
  /** Null when no stream of this name is configured. */
  stream(name: string): StreamDetail | null;
  /** Null when no stream of this name is pulled. */
  source(name: string): Source | null;
  /**
   * Adds a pulled stream or gives it another source.
   * @throws TruecastError conflict, source-invalid, address-refused, capacity-reached, store-failed
   */
  putSource(name: string, input: SourceInput): { readonly created: boolean; readonly source: Source };
  /** Takes out a pulled stream; false when there is none. @throws TruecastError conflict, store-failed */
  removeSource(name: string): boolean;
  /** Null when there is no such stream or no picture of it yet. */
  thumbnail(name: string): { readonly jpeg: Buffer; readonly ptsMs: number } | null;
  /** Null when no stream of this name is published. @throws TruecastError store-failed */
  publishAccess(name: string, author: Author): PublishAccess | null;
  /** @param streams the only ones asked about; null is all @throws TruecastError request-invalid for a cursor that was never given out */
  alerts(query: AlertQuery, streams: readonly string[] | null): AlertPage;
  alert(id: string): Alert | null;
  /** For a new client: every open alert and the newest ended ones; given even while the store cannot be read. */
  snapshotAlerts(streams: readonly string[] | null): readonly Alert[];
  /** Null when nothing was ever kept of the alert. */
  evidence(alert: string): Evidence | null;
  /** Null when there is no such file, or no longer. */
  evidenceFile(alert: string, name: string): { readonly path: string; readonly mediaType: string } | null;
  /** @throws TruecastError not-found, conflict, evidence-failed, store-failed */
  holdEvidence(alert: string, held: boolean, author: Author): Promise<void>;
  /** @throws TruecastError not-found, conflict, evidence-failed, store-failed */
  removeEvidence(alert: string, options: { readonly withAlert: boolean }, author: Author): Promise<void>;
  /** What is held or not finished stays. @throws TruecastError evidence-failed, store-failed */
  removeStreamEvidence(stream: string, options: { readonly withAlerts: boolean }, author: Author): Promise<EvidenceRemoval>;
  /** Committed events; numbered over all streams, so that those of some streams have gaps. @throws TruecastError store-failed */
  events(query: AlertEventQuery, streams: readonly string[] | null): AlertEventPage;
  /** Number of the newest committed event, 0 before the first; known without the store. */
  newestEvent(): number;
  /** @throws TruecastError store-failed */
  receivers(): readonly ReceiverStatus[];
  /** Sends a test; null when there is no receiver of this name. The one call here that waits for another machine, for eight seconds at most. */
  testReceiver(name: string): Promise<ReceiverTest> | null;
  /** Null when there is no receiver of this name. @throws TruecastError store-failed */
  enableReceiver(name: string): ReceiverStatus | null;
  /** The Prometheus exposition of this moment. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  readiness(): Readiness;
}

type WithoutSeq<T> = T extends unknown ? Omit<T, "seq"> : never;

/** A message for everyone on the WebSocket, before it is numbered. */
export type LiveUpdate = WithoutSeq<Exclude<ServerMessage, { type: "snapshot" | "resumed" | "missed" }>>;

/** Why a WebSocket client is gone. `slow`, `dead`, `protocol` and `access` were ended by the server. */
export const LIVE_ENDS = ["left", "slow", "dead", "protocol", "failed", "access", "shutdown"] as const;
export type LiveEnd = (typeof LIVE_ENDS)[number];

/** Why a request or connection was turned away before it reached a route. */
export const REFUSALS = ["host", "origin", "token", "attempts", "csrf", "role", "live-capacity", "connections"] as const;
export type Refusal = (typeof REFUSALS)[number];

/** For metrics: every value that could become a label comes from a fixed set. */
export type HttpEvent =
  | { readonly kind: "request"; readonly route: string; readonly method: string; readonly status: number; readonly seconds: number }
  | { readonly kind: "refused"; readonly reason: Refusal }
  | { readonly kind: "live-opened"; readonly resumed: boolean }
  | { readonly kind: "live-closed"; readonly reason: LiveEnd }
  | { readonly kind: "live-message"; readonly type: LiveUpdate["type"]; readonly bytes: number; readonly clients: number };
