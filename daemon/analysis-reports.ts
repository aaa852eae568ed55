/** What follows from each report of an analysis process: the registry learns it, alerts judge it, metrics count it, clients hear it. */
import { CROP_REFUSALS, type UnscoredReason } from "../pipelines/types.ts";
import type { AlertEngine } from "./alerts/alert-engine.ts";
import type { AnalysisReport, FaceReport } from "./analysis/messages.ts";
import type { EvidenceKeeper } from "./evidence/evidence.ts";
import type { LiveUpdate } from "./http/source.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Observer } from "./metrics/observe.ts";
import type { StreamRegistry } from "./streams/stream-registry.ts";

export interface AnalysisReportTargets {
  /** Name of the process that reports, for example analysis-0. */
  readonly component: string;
  readonly registry: StreamRegistry;
  readonly alerts: AlertEngine;
  readonly evidence: EvidenceKeeper | null;
  readonly metrics: Metrics;
  readonly observe: Observer;
  readonly broadcast: (update: LiveUpdate) => void;
}

/** Reports of a stream that is over are dropped, but for its last counts, the ends of its tracks and its recordings: they raced with its end. */
export function takeAnalysisReport(report: AnalysisReport, { component, registry, alerts, evidence, metrics, observe, broadcast }: AnalysisReportTargets): void {
  if (report.type !== "stats" && report.type !== "track-ended" && report.type !== "recorded" && registry.isOver(report.stream)) return;
  switch (report.type) {
    case "picture":
      registry.setPicture(report.stream, report);
      return;
    case "frames-flow":
      registry.apply(report.stream, { kind: "frame" });
      return;
    case "decoder-recovering":
      observe.decoderRestart(report);
      registry.apply(report.stream, { kind: "decoder-recovering", reason: report.reason });
      return;
    case "decoder-failed":
      if (report.reason.code === "decoder-storm") {
        metrics.stream(report.stream).decoderStorm();
        alerts.decoderStorm(report.stream, report.restarts ?? 0);
      }
      registry.apply(report.stream, { kind: "decoder-failed", reason: report.reason });
      return;
    case "score": {
      const point = registry.addScore(report.stream, report);
      if (!point) return;
      // Before the alert that it may raise, whose evidence begins with the scores that are known.
      evidence?.onScore(report.stream, point);
      alerts.score({ stream: report.stream, track: report.trackId, ptsMs: report.ptsMs, score: report.score });
      metrics.stream(report.stream).score(report.score.coverage);
      broadcast({ type: "score", stream: report.stream, point });
      return;
    }
    case "track-ended":
      alerts.endTrack(report.stream, report.trackId);
      return;
    case "recorded":
      evidence?.onRecorded(report.incident, report.problems);
      return;
    case "face":
      alerts.look({ stream: report.stream, track: report.trackId, ptsMs: report.ptsMs, descriptor: report.descriptor });
      return;
    case "view":
      alerts.view(report.stream, report.faces.some(canBeJudged));
      // A publisher that goes on after a silence is starting; a decoder that lags behind may have bridged it with frames, and sees nothing new to tell.
      if (registry.lifeOf(report.stream)?.kind === "starting") registry.apply(report.stream, { kind: "frame" });
      registry.setView(report.stream, report);
      return;
    case "thumbnail":
      registry.setThumbnail(report.stream, { jpeg: Buffer.from(report.jpeg), ptsMs: report.ptsMs });
      return;
    case "stats":
      metrics.componentMemory(component, report.rssBytes);
      for (const stats of report.streams) {
        // Its last counts may come after a pulled stream was taken out.
        if (!registry.has(stats.stream)) continue;
        registry.addStats(stats);
        observe.streamStats(stats);
      }
  }
}

const UNUSABLE: readonly UnscoredReason[] = CROP_REFUSALS;

function canBeJudged({ verdict }: FaceReport): boolean {
  return verdict.kind !== "unscored" || !UNUSABLE.includes(verdict.reason);
}
