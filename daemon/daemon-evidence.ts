/** Evidence in the daemon: its rules from the configuration, its facts from what the daemon knows, its figures to the metrics. */
import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import { type ModelInfo, SLOT_MS } from "../pipelines/types.ts";
import type { AlertRuleSettings } from "./alerts/alert-rule.ts";
import type { AlertOverrides } from "./alerts/alert-settings.ts";
import type { EvidenceLimits } from "./analysis/messages.ts";
import { type EvidenceKeeper, type EvidenceOptions, startEvidence } from "./evidence/evidence.ts";
import type { IncidentFacts } from "./evidence/incident-note.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Alert } from "./protocol.ts";
import type { Store } from "./store/store.ts";
import type { StreamRegistry } from "./streams/stream-registry.ts";
import { version } from "./version.ts";

export interface DaemonEvidenceOptions {
  readonly config: Config;
  readonly model: ModelInfo;
  readonly modelDir: string;
  readonly ruleOf: (stream: string) => AlertRuleSettings;
  readonly store: Pick<Store, "alert">;
  /** It starts later. */
  readonly registry: () => StreamRegistry;
  /** Execution provider in use. */
  readonly provider: () => string | null;
  readonly tell: EvidenceOptions["tell"];
  readonly metrics: Metrics;
  readonly log: Logger;
}

export function evidenceFolder(config: Config): string {
  return join(config.dataDir, "evidence");
}

export async function startDaemonEvidence({ config, model, modelDir, ruleOf, store, registry, provider, tell, metrics, log }: DaemonEvidenceOptions): Promise<EvidenceKeeper> {
  const factsOf = ({ stream: name }: Alert): IncidentFacts => {
    const stream = registry().stream(name);
    const { name: modelName, sha256, kind, trained, inputSizePx, window, hop } = model;
    return {
      rule: ruleOf(name),
      model: { name: modelName, sha256, kind, trained, provider: provider(), inputSizePx, window, hop },
      stream: stream === null ? { name } : { name, publisher: stream.publisher, source: stream.source, samplingFps: stream.samplingFps, analysedFps: stream.analysedFps, frames: stream.frames },
      tracks: stream?.tracks ?? [],
    };
  };
  return await startEvidence({
    folder: evidenceFolder(config),
    limits: config.evidence,
    windowMs: model.window * SLOT_MS,
    modelDir,
    version,
    tell,
    scoresOf: (stream) => registry().detail(stream)?.scores ?? [],
    factsOf,
    alertOf: (id) => store.alert(id),
    onEvent: (event) => metrics.evidenceEvent(event),
    log,
  });
}

/** A dwell time longer than this is not covered by the clip's beginning. */
const MAX_DWELL_MS = 60_000;
/** On a busy machine frames may lie five seconds behind the packets, and scores a little more. */
const SLACK_MS = 8_000;

/** The ring reaches back to what the first score over the threshold is about, however long the alert then dwelt. */
export function evidenceLimits({ evidence, alerts }: Config, overrides: readonly (AlertOverrides | undefined)[], window: number): EvidenceLimits {
  const dwellMs = Math.min(MAX_DWELL_MS, Math.max(alerts.dwellMs, ...overrides.map((override) => override?.dwellMs ?? 0)));
  const { beforeMs, afterMs, maxClipMs, ringBytes } = evidence;
  return { ringMs: beforeMs + window * SLOT_MS + dwellMs + SLACK_MS, ringBytes, beforeMs, afterMs, maxClipMs };
}
