/** From the configuration's alert section and a stream's overrides to the rule in force. */
import type { HorizonFrames } from "../../pipelines/types.ts";
import { DEFAULT_MIN_COVERAGE } from "../../pipelines/verdict/track-verdict.ts";
import type { AlertRuleSettings } from "./alert-rule.ts";

export interface AlertDefaults {
  /** null: the model's own lower edge of `manipulated`. */
  readonly threshold: number | null;
  readonly hysteresis: number;
  readonly dwellMs: number;
  readonly resolveMs: number;
  readonly coolDownMs: number;
  readonly minFrames: HorizonFrames;
}

export interface AlertOverrides {
  readonly enabled?: boolean;
  readonly threshold?: number;
  readonly dwellMs?: number;
  readonly coolDownMs?: number;
}

export function alertRuleSettings(defaults: AlertDefaults, overrides: AlertOverrides | undefined, manipulatedEdge: number): AlertRuleSettings {
  const threshold = overrides?.threshold ?? defaults.threshold ?? manipulatedEdge;
  return { enabled: true, ...defaults, minCoverage: DEFAULT_MIN_COVERAGE, ...overrides, threshold };
}
