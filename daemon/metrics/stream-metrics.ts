/** The metrics of one configured stream: all series there from the start, all gone when the stream is. */
import { DISCARD_REASONS, type DiscardReason, LOSS_REASONS, type LossReason, NEWCOMER_REFUSALS, type NewcomerRefusal } from "../../pipelines/types.ts";
import { ALERT_TRANSITION_KINDS, type AlertTransitionKind } from "../alerts/alert-rule.ts";
import { type AlertRule, BLIND_SPOT_RULES, STREAM_STATES, type StreamState } from "../protocol.ts";
import type { Instruments } from "./definitions.ts";

/** What a blind spot can do: it is never pending, has no score to rise and no face to be joined. */
const BLIND_SPOT_TRANSITIONS: readonly AlertTransitionKind[] = ["firing", "re-firing", "resolved"];
const ALERT_LABELS: readonly { readonly rule: AlertRule; readonly transition: AlertTransitionKind }[] = [
  ...ALERT_TRANSITION_KINDS.map((transition) => ({ rule: "manipulated-face" as const, transition })),
  ...BLIND_SPOT_RULES.flatMap((rule) => BLIND_SPOT_TRANSITIONS.map((transition) => ({ rule, transition }))),
];

/** Durations in seconds, as everywhere in Prometheus. */
export interface StreamMetrics {
  state(state: StreamState): void;
  publisherBitrate(bytesPerSecond: number): void;
  framesDecoded(count: number): void;
  framesAnalysed(count: number): void;
  framesDiscarded(reason: DiscardReason, count: number): void;
  framesLost(reason: LossReason, count: number): void;
  packetsDropped(count: number): void;
  decoderStorm(): void;
  decodeErrors(count: number): void;
  discontinuities(count: number): void;
  frameAge(seconds: number): void;
  score(coverage: number): void;
  faces(count: number): void;
  facesRefused(reason: NewcomerRefusal, count: number): void;
  faceless(seconds: number): void;
  alertTransition(rule: AlertRule, kind: AlertTransitionKind): void;
  alertSuppressed(): void;
}

export interface StreamMetricsEntry {
  readonly metrics: StreamMetrics;
  readonly current: StreamState;
  remove(): void;
}

/** Counters start at 0, so that the first event already shows in rate(). */
export function createStreamMetrics(instruments: Instruments, stream: string): StreamMetricsEntry {
  const counters = {
    decoded: instruments.framesDecoded,
    analysed: instruments.framesAnalysed,
    packetsDropped: instruments.packetsDropped,
    decoderStorms: instruments.decoderStorms,
    decodeErrors: instruments.decodeErrors,
    discontinuities: instruments.discontinuities,
    scores: instruments.scores,
    suppressed: instruments.alertsSuppressed,
  };
  const gauges = { bitrate: instruments.publisherBitrate, faces: instruments.faces, faceless: instruments.faceless };
  for (const counter of Object.values(counters)) counter.inc({ stream }, 0);
  for (const gauge of Object.values(gauges)) gauge.set({ stream }, 0);
  for (const reason of DISCARD_REASONS) instruments.framesDiscarded.inc({ stream, reason }, 0);
  for (const reason of LOSS_REASONS) instruments.framesLost.inc({ stream, reason }, 0);
  for (const reason of NEWCOMER_REFUSALS) instruments.facesRefused.inc({ stream, reason }, 0);
  for (const labels of ALERT_LABELS) instruments.alertTransitions.inc({ stream, ...labels }, 0);
  instruments.frameAge.zero({ stream });

  let current: StreamState = "waiting";
  const setState = (state: StreamState): void => {
    current = state;
    for (const each of STREAM_STATES) instruments.streamState.set({ stream, state: each }, each === state ? 1 : 0);
  };
  setState("waiting");

  return {
    metrics: {
      state: setState,
      publisherBitrate: (bytesPerSecond) => gauges.bitrate.set({ stream }, bytesPerSecond),
      framesDecoded: (count) => counters.decoded.inc({ stream }, count),
      framesAnalysed: (count) => counters.analysed.inc({ stream }, count),
      framesDiscarded: (reason, count) => instruments.framesDiscarded.inc({ stream, reason }, count),
      framesLost: (reason, count) => instruments.framesLost.inc({ stream, reason }, count),
      facesRefused: (reason, count) => instruments.facesRefused.inc({ stream, reason }, count),
      packetsDropped: (count) => counters.packetsDropped.inc({ stream }, count),
      decoderStorm: () => counters.decoderStorms.inc({ stream }),
      decodeErrors: (count) => counters.decodeErrors.inc({ stream }, count),
      discontinuities: (count) => counters.discontinuities.inc({ stream }, count),
      frameAge: (seconds) => instruments.frameAge.observe({ stream }, seconds),
      score(coverage) {
        counters.scores.inc({ stream });
        instruments.horizonCoverage.set({ stream }, coverage);
      },
      faces: (count) => gauges.faces.set({ stream }, count),
      faceless: (seconds) => gauges.faceless.set({ stream }, seconds),
      alertTransition: (rule, transition) => instruments.alertTransitions.inc({ stream, rule, transition }),
      alertSuppressed: () => counters.suppressed.inc({ stream }),
    },
    get current() {
      return current;
    },
    remove() {
      for (const metric of [...Object.values(counters), ...Object.values(gauges), instruments.frameAge, instruments.horizonCoverage]) metric.remove({ stream });
      for (const reason of DISCARD_REASONS) instruments.framesDiscarded.remove({ stream, reason });
      for (const reason of LOSS_REASONS) instruments.framesLost.remove({ stream, reason });
      for (const reason of NEWCOMER_REFUSALS) instruments.facesRefused.remove({ stream, reason });
      for (const labels of ALERT_LABELS) instruments.alertTransitions.remove({ stream, ...labels });
      for (const state of STREAM_STATES) instruments.streamState.remove({ stream, state });
    },
  };
}
