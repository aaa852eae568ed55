/** Turns what the parts of the daemon report into metrics. */
import type { AnalysisReport, StreamStats } from "../analysis/messages.ts";
import type { ComponentChange } from "../components.ts";
import type { HttpEvent } from "../http/source.ts";
import type { InferenceReport } from "../inference/messages.ts";
import type { IngestEvent } from "../ingest/messages.ts";
import type { PullEvent } from "../ingest/pull/messages.ts";
import { errorCodeOf } from "../../pipelines/errors.ts";
import { DISCARD_REASONS, LOSS_REASONS, NEWCOMER_REFUSALS } from "../../pipelines/types.ts";
import type { ReceiverStatus, Stream } from "../protocol.ts";
import { RESTART_CAUSES } from "../supervision/supervised-child.ts";
import type { Metrics, Stage } from "./metrics.ts";

const DECODER_RESTART_CAUSES = ["stalled", "exited"] as const;

export type Observer = ReturnType<typeof createObserver>;

export function createObserver(metrics: Metrics) {
  const restarts = new Map<string, (cause: (typeof RESTART_CAUSES)[number]) => void>();
  /** Counts of a publisher's session begin at 0 with each one. */
  const droppedBefore = new Map<string, { readonly sessionId: string; readonly packets: number }>();
  const decoderRestarts = metrics.restartsOf("decoder", DECODER_RESTART_CAUSES);

  const countDropped = ({ stream, sessionId, droppedPackets }: { readonly stream: string; readonly sessionId: string; readonly droppedPackets: number }): void => {
    const before = droppedBefore.get(stream);
    metrics.stream(stream).packetsDropped(before?.sessionId === sessionId ? droppedPackets - before.packets : droppedPackets);
    droppedBefore.set(stream, { sessionId, packets: droppedPackets });
  };

  return {
    component({ name, state, restart }: ComponentChange): void {
      metrics.component(name, state);
      let count = restarts.get(name);
      if (!count) restarts.set(name, (count = metrics.restartsOf(name, RESTART_CAUSES)));
      if (restart) count(restart);
    },

    decoderRestart({ cause }: Extract<AnalysisReport, { type: "decoder-recovering" }>): void {
      const known = DECODER_RESTART_CAUSES.find((name) => name === cause);
      if (known) decoderRestarts(known);
    },

    streamStats(stats: StreamStats): void {
      const stream = metrics.stream(stats.stream);
      stream.framesDecoded(stats.decoded);
      stream.framesAnalysed(stats.analysed);
      stream.decodeErrors(stats.decodeErrors);
      stream.discontinuities(stats.discontinuities);
      for (const reason of DISCARD_REASONS) stream.framesDiscarded(reason, stats.discarded[reason] ?? 0);
      for (const reason of LOSS_REASONS) stream.framesLost(reason, stats.lost[reason] ?? 0);
      for (const reason of NEWCOMER_REFUSALS) stream.facesRefused(reason, stats.refusedFaces[reason] ?? 0);
      const stages: readonly Stage[] = ["detect", "track", "crop", "queue", "inference"];
      for (const stage of stages) for (const ms of stats.samples[stage]) metrics.stage(stage, ms / 1000);
      for (const ms of stats.samples.frameAge) stream.frameAge(ms / 1000);
    },

    /** Once a second, from the API's own view of the streams. */
    streams(streams: readonly Stream[]): void {
      for (const { name, state, tracks, facelessSeconds, publisher } of streams) {
        const stream = metrics.stream(name);
        stream.state(state);
        stream.faces(tracks.length);
        stream.faceless(facelessSeconds);
        stream.publisherBitrate(((publisher?.bitrateKbps ?? 0) * 1000) / 8);
      }
    },

    /** Once a second. While the store cannot be read the figures stand still; `component_up` says so. */
    receivers(statuses: () => readonly ReceiverStatus[]): void {
      try {
        for (const status of statuses()) metrics.receiver(status.name).status(status, Date.now());
      } catch (error) {
        if (errorCodeOf(error) !== "store-failed") throw error;
      }
    },

    ingest(stats: Extract<IngestEvent, { type: "stats" }>): void {
      metrics.ingestConnections(stats.connections);
      metrics.ingestRefusals(stats.refusals);
      metrics.whip(stats.whip);
      metrics.componentMemory("ingest", stats.rssBytes);
      for (const session of stats.streams) countDropped(session);
    },

    pull(stats: Extract<PullEvent, { type: "stats" }>): void {
      metrics.componentMemory("pull", stats.rssBytes);
      for (const session of stats.streams) countDropped(session);
    },

    inference(stats: InferenceReport): void {
      metrics.inferenceQueue(stats.queueDepth);
      metrics.inferenceFailures(stats.failed);
      for (const [index, seconds] of stats.inferenceSeconds.entries()) metrics.inferenceBatch(stats.batchSizes[index] ?? 0, seconds);
      metrics.componentMemory("inference", stats.rssBytes);
    },

    http(event: HttpEvent): void {
      switch (event.kind) {
        case "request":
          metrics.httpRequest(event);
          return;
        case "refused":
          metrics.httpRefused(event.reason);
          return;
        case "live-closed":
          metrics.webSocketClosed(event.reason);
          return;
        case "live-message":
          metrics.webSocketSent(event.bytes * event.clients);
          return;
        case "live-opened":
      }
    },
  };
}
