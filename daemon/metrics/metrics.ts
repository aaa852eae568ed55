/** What the composition root reports to Prometheus: typed calls whose labels come from fixed tables or the configuration. */
import { ERROR_CODES, type ErrorCode } from "../../pipelines/errors.ts";
import type { ModelInfo } from "../../pipelines/types.ts";
import { LIVE_ENDS, type LiveEnd, type Refusal, REFUSALS } from "../http/source.ts";
import { DATAGRAM_DROPS, type WhipStats } from "../ingest/messages.ts";
import { type Alert, ALERT_RULES, STREAM_STATES } from "../protocol.ts";
import { defineInstruments } from "./definitions.ts";
import type { EvidenceEvent } from "../evidence/evidence.ts";
import { createEvidenceMetrics, type EvidenceStats } from "./evidence-metrics.ts";
import { createReceiverMetrics, type ReceiverMetrics } from "./receiver-metrics.ts";
import { createSourceMetrics, type SourceMetrics, type SourceMetricsEntry } from "./source-metrics.ts";
import { createStreamMetrics, type StreamMetrics, type StreamMetricsEntry } from "./stream-metrics.ts";

export const STAGES = ["detect", "track", "crop", "queue", "inference"] as const;
export type Stage = (typeof STAGES)[number];

/** What a publisher can be refused or ended for; other codes appear when they first happen. */
const INGEST_REFUSALS: readonly ErrorCode[] = [
  "key-unknown",
  "path-refused",
  "publisher-exists",
  "publisher-stalled",
  "protocol-violation",
  "play-refused",
  "codec-unsupported",
  "sdp-malformed",
  "offer-refused",
  "peer-lost",
  "capacity-reached",
];

export interface MetricsOptions {
  /** Version of Truecast. */
  readonly version: string;
  readonly maxStreams: number;
}

export interface HttpRequestSample {
  /** Pattern of the route, never the path that was asked for. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

export interface Metrics {
  /** The metrics of a configured stream, which appear with the first call. Never call it with a name a client sent. */
  stream(name: string): StreamMetrics;
  /** Ends the stream's series. */
  removeStream(name: string): void;
  /** The metrics of a pulled stream's source; `removeStream` ends them too. */
  source(name: string): SourceMetrics;
  stage(stage: Stage, seconds: number): void;
  samplingRate(framesPerSecond: number): void;
  inferenceQueue(crops: number): void;
  inferenceBatch(crops: number, seconds: number): void;
  inferenceFailures(crops: number): void;
  /** null while inference is down. */
  provider(provider: string | null): void;
  model(model: Pick<ModelInfo, "name" | "kind" | "trained" | "sha256">): void;
  /** `component` is a fixed name such as ingest, inference, store, analysis-0. */
  component(component: string, state: "ready" | "starting" | "down"): void;
  /** Declares what may end a component, so that its counters start at 0; the result counts one restart. */
  restartsOf<Cause extends string>(component: string, causes: readonly Cause[]): (cause: Cause) => void;
  componentMemory(component: string, residentBytes: number): void;
  /** Totals as the ingest process reports them, counted from its start: a fall means that it was restarted. */
  ingestRefusals(totals: Readonly<Partial<Record<ErrorCode, number>>>): void;
  ingestConnections(count: number): void;
  /** Totals from the start of the ingest process, like its refusals; null without WHIP. */
  whip(stats: WhipStats | null): void;
  alertsOpen(open: readonly Pick<Alert, "rule" | "state">[]): void;
  alertsUnstored(count: number): void;
  evidence(stats: EvidenceStats): void;
  evidenceEvent(event: EvidenceEvent): void;
  /** The metrics of a configured receiver, which appear with the first call. */
  receiver(name: string): ReceiverMetrics;
  webSocketClients(count: number): void;
  webSocketClosed(reason: LiveEnd): void;
  webSocketSent(bytes: number): void;
  httpRequest(sample: HttpRequestSample): void;
  httpRefused(reason: Refusal): void;
  exposition(): Promise<{ readonly contentType: string; readonly body: string }>;
}

export function createMetrics({ version, maxStreams }: MetricsOptions): Metrics {
  const instruments = defineInstruments();
  const { registry } = instruments;
  const streams = new Map<string, StreamMetricsEntry>();
  const receivers = new Map<string, ReceiverMetrics>();
  const sources = new Map<string, SourceMetricsEntry>();
  const refusalsSeen = new Map<string, number>();
  const whipSeen = new Map<string, number>();

  instruments.buildInfo.set({ version, node: process.versions.node }, 1);
  instruments.streamsLimit.set(maxStreams);
  for (const reason of LIVE_ENDS) instruments.webSocketDisconnects.inc({ reason }, 0);
  for (const reason of REFUSALS) instruments.httpRefusals.inc({ reason }, 0);
  for (const code of INGEST_REFUSALS) instruments.ingestRefusals.inc({ code }, 0);
  for (const reason of DATAGRAM_DROPS) instruments.whipDropped.inc({ reason }, 0);
  for (const stage of STAGES) instruments.stageDuration.zero({ stage });

  const countStreams = (): void => {
    for (const state of STREAM_STATES) instruments.streams.set({ state }, streams.values().reduce((sum, { current }) => sum + (current === state ? 1 : 0), 0));
  };

  return {
    stream(name) {
      const known = streams.get(name);
      if (known !== undefined) return known.metrics;
      const entry = createStreamMetrics(instruments, name);
      streams.set(name, entry);
      return entry.metrics;
    },
    removeStream(name) {
      streams.get(name)?.remove();
      streams.delete(name);
      sources.get(name)?.remove();
      sources.delete(name);
    },
    source(name) {
      const known = sources.get(name);
      if (known !== undefined) return known.metrics;
      const entry = createSourceMetrics(instruments, name);
      sources.set(name, entry);
      return entry.metrics;
    },
    stage: (stage, seconds) => instruments.stageDuration.observe({ stage }, seconds),
    samplingRate: (framesPerSecond) => instruments.samplingRate.set(framesPerSecond),
    inferenceQueue: (crops) => instruments.inferenceQueue.set(crops),
    inferenceBatch(crops, seconds) {
      instruments.inferenceBatch.observe(crops);
      instruments.inferenceDuration.observe(seconds);
    },
    inferenceFailures: (crops) => instruments.inferenceFailures.inc(crops),
    provider(provider) {
      instruments.inferenceProvider.reset();
      if (provider !== null) instruments.inferenceProvider.set({ provider }, 1);
    },
    model({ name, kind, trained, sha256 }) {
      instruments.modelInfo.reset();
      instruments.modelInfo.set({ name, kind, trained: String(trained), sha256 }, 1);
    },
    component: (component, state) => instruments.componentUp.set({ component }, state === "ready" ? 1 : 0),
    restartsOf(component, causes) {
      for (const cause of causes) instruments.restarts.inc({ component, cause }, 0);
      return (cause) => instruments.restarts.inc({ component, cause });
    },
    componentMemory: (component, residentBytes) => instruments.componentMemory.set({ component }, residentBytes),
    ingestRefusals(totals) {
      for (const [code, total] of Object.entries(totals)) {
        if (!Object.hasOwn(ERROR_CODES, code)) continue;
        const seen = refusalsSeen.get(code) ?? 0;
        instruments.ingestRefusals.inc({ code }, total < seen ? total : total - seen);
        refusalsSeen.set(code, total);
      }
      // A restarted ingest process leaves out what it has not refused yet.
      for (const code of refusalsSeen.keys()) if (!Object.hasOwn(totals, code)) refusalsSeen.delete(code);
    },
    ingestConnections: (count) => instruments.ingestConnections.set(count),
    whip(stats) {
      instruments.whipSessions.set(stats?.sessions ?? 0);
      if (stats === null) return;
      const grown = (name: string, total: number): number => {
        const seen = whipSeen.get(name) ?? 0;
        whipSeen.set(name, total);
        return total < seen ? total : total - seen;
      };
      for (const reason of DATAGRAM_DROPS) instruments.whipDropped.inc({ reason }, grown(reason, stats.droppedDatagrams[reason]));
      instruments.whipLost.inc(grown("lost", stats.lostPackets));
    },
    alertsOpen(open) {
      for (const rule of ALERT_RULES) {
        for (const state of ["pending", "firing"] as const) instruments.alertsOpen.set({ rule, state }, open.filter((alert) => alert.rule === rule && alert.state === state).length);
      }
    },
    alertsUnstored: (count) => instruments.alertsUnstored.set(count),
    ...createEvidenceMetrics(instruments),
    receiver(name) {
      const known = receivers.get(name);
      if (known !== undefined) return known;
      const made = createReceiverMetrics(instruments, name);
      receivers.set(name, made);
      return made;
    },
    webSocketClients: (count) => instruments.webSocketClients.set(count),
    webSocketClosed: (reason) => instruments.webSocketDisconnects.inc({ reason }),
    webSocketSent: (bytes) => instruments.webSocketSent.inc(bytes),
    httpRequest: ({ route, method, status, seconds }) => instruments.httpDuration.observe({ route, method, status }, seconds),
    httpRefused: (reason) => instruments.httpRefusals.inc({ reason }),
    async exposition() {
      countStreams();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}
