/** From the configuration's alert section and a stream's overrides to the rule in force. */
import type { HorizonFrames } from "../../pipelines/types.ts";
import { DEFAULT_MIN_COVERAGE } from "../../pipelines/verdict/track-verdict.ts";
import { MAX_RESTARTS } from "../../pipelines/decode/restart-policy.ts";
import type { AlertRuleSettings } from "./alert-rule.ts";
import type { BlindSpotSettings } from "./blind-spots.ts";

export interface AlertDefaults {
  /** null: the model's own lower edge of `manipulated`. */
  readonly threshold: number | null;
  readonly hysteresis: number;
  readonly dwellMs: number;
  readonly resolveMs: number;
  readonly coolDownMs: number;
  readonly minFrames: HorizonFrames;
}

export interface BlindSpotDefaults {
  readonly expectFace: boolean;
  readonly noFaceMs: number;
  readonly lowCoverageMs: number;
  readonly maxLowCoverage: number;
  readonly decoderRestarts: boolean;
}

export interface AlertOverrides {
  readonly enabled?: boolean;
  readonly expectFace?: boolean;
  readonly threshold?: number;
  readonly dwellMs?: number;
  readonly coolDownMs?: number;
}

export function alertRuleSettings(defaults: AlertDefaults, overrides: AlertOverrides | undefined, manipulatedEdge: number): AlertRuleSettings {
  const threshold = overrides?.threshold ?? defaults.threshold ?? manipulatedEdge;
  const { expectFace: _, ...ruleOverrides } = overrides ?? {};
  return { enabled: true, ...defaults, minCoverage: DEFAULT_MIN_COVERAGE, ...ruleOverrides, threshold };
}

export function blindSpotSettings({ alerts, blindSpots }: { readonly alerts: AlertDefaults; readonly blindSpots: BlindSpotDefaults }, overrides: AlertOverrides | undefined): BlindSpotSettings {
  return {
    ...blindSpots,
    enabled: overrides?.enabled ?? true,
    expectFace: overrides?.expectFace ?? blindSpots.expectFace,
    coolDownMs: overrides?.coolDownMs ?? alerts.coolDownMs,
    minCoverage: DEFAULT_MIN_COVERAGE,
    maxRestarts: MAX_RESTARTS,
  };
}
