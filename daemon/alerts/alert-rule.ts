/** The alert rule of one track: inactive → pending → firing → resolved, as a pure state machine on the media clock. */
import { type HorizonFrames, type HorizonScore, SLOT_MS } from "../../pipelines/types.ts";
import type { Alert } from "../protocol.ts";

/** Durations are on the media clock, so that a stalled or a fast-played stream is judged by what it showed. */
export interface AlertRuleSettings {
  readonly enabled: boolean;
  /** Score from which an alert becomes pending. */
  readonly threshold: number;
  /** How far under the threshold a score must fall to count against the alert. */
  readonly hysteresis: number;
  /** Time at or above the threshold before a pending alert fires. */
  readonly dwellMs: number;
  /** Time below threshold - hysteresis before a firing alert is resolved. */
  readonly resolveMs: number;
  /** Time after the end of an alert in which the same track opens no second one. */
  readonly coolDownMs: number;
  /** Scores over fewer slots do not count; at 100 provisional scores never alert. */
  readonly minFrames: HorizonFrames;
  /** Scores of windows that held a smaller share of crops do not count: they give no verdict either. */
  readonly minCoverage: number;
}

/**
 * What happened to an alert. `dropped` is the end of a pending alert that never fired; it is kept as resolved without
 * `firingAt`. `re-firing` opens a resolved alert again, within the cool-down, under its old id.
 */
export const ALERT_TRANSITION_KINDS = ["pending", "firing", "re-firing", "resolved", "dropped"] as const;
export type AlertTransitionKind = (typeof ALERT_TRANSITION_KINDS)[number];

export interface AlertTransition {
  readonly kind: AlertTransitionKind;
  /** The alert as it is after the transition. */
  readonly alert: Alert;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly atMs: number;
}

export type AlertRuleState =
  | { readonly kind: "inactive" }
  /** `aboveSincePtsMs` is null while the score is in the hysteresis just below the threshold. */
  | { readonly kind: "pending"; readonly alert: Alert; readonly aboveSincePtsMs: number | null }
  | { readonly kind: "firing"; readonly alert: Alert; readonly belowSincePtsMs: number | null }
  /** Over, and not yet out of its cool-down when a new crossing began. */
  | { readonly kind: "ended"; readonly alert: Alert; readonly endedPtsMs: number; readonly aboveSincePtsMs: number | null };

export type AlertRuleInput =
  | { readonly kind: "score"; readonly ptsMs: number; readonly atMs: number; readonly score: HorizonScore }
  | { readonly kind: "end"; readonly atMs: number; readonly resolution: NonNullable<Alert["resolution"]> };

export interface AlertRuleStep {
  readonly state: AlertRuleState;
  /** At most two: with no dwell time an alert is pending and firing at once. */
  readonly transitions: readonly AlertTransition[];
}

/** A fresh alert's id, model and place; its state and times are the rule's. */
export type AlertOrigin = Pick<Alert, "id" | "stream" | "track" | "model">;

export const INACTIVE: AlertRuleState = { kind: "inactive" };

/** `openAlert` is called only when a new alert opens. */
export function stepAlertRule(state: AlertRuleState, input: AlertRuleInput, settings: AlertRuleSettings, openAlert: () => AlertOrigin): AlertRuleStep {
  if (input.kind === "end") return endTrack(state, input);
  const { score, frames, coverage } = input.score;
  const counts = Number.isFinite(score) && frames >= settings.minFrames && coverage >= settings.minCoverage;
  if (!counts) return { state, transitions: [] };

  switch (state.kind) {
    case "inactive":
      return stepInactive(state, input, settings, openAlert);
    case "pending":
      return stepPending(state, input, settings);
    case "firing":
      return stepFiring(state, input, settings);
    case "ended":
      return stepEnded(state, input, settings, openAlert);
  }
}

type ScoreInput = Extract<AlertRuleInput, { kind: "score" }>;
type In<Kind extends AlertRuleState["kind"]> = Extract<AlertRuleState, { kind: Kind }>;

function stepInactive(state: AlertRuleState, input: ScoreInput, settings: AlertRuleSettings, openAlert: () => AlertOrigin): AlertRuleStep {
  const { score } = input.score;
  if (score < settings.threshold) return { state, transitions: [] };
  const alert: Alert = {
    ...openAlert(),
    rule: "manipulated-face",
    state: "pending",
    resolution: null,
    pendingAt: input.atMs,
    firingAt: null,
    resolvedAt: null,
    score,
    peakScore: score,
    threshold: settings.threshold,
  };
  const opened: AlertTransition = { kind: "pending", alert, atMs: input.atMs };
  const next = stepPending({ kind: "pending", alert, aboveSincePtsMs: input.ptsMs }, input, settings);
  return { state: next.state, transitions: [opened, ...next.transitions] };
}

function stepPending(state: In<"pending">, input: ScoreInput, settings: AlertRuleSettings): AlertRuleStep {
  const alert = withScore(state.alert, input);
  if (alert.score < settings.threshold - settings.hysteresis) return endAlert(alert, "dropped", "score-fell", input);
  if (alert.score < settings.threshold) return { state: { kind: "pending", alert, aboveSincePtsMs: null }, transitions: [] };
  const aboveSincePtsMs = state.aboveSincePtsMs ?? input.ptsMs;
  if (!hasPassed(settings.dwellMs, aboveSincePtsMs, input.ptsMs)) return { state: { kind: "pending", alert, aboveSincePtsMs }, transitions: [] };
  return fire(alert, input);
}

function stepFiring(state: In<"firing">, input: ScoreInput, settings: AlertRuleSettings): AlertRuleStep {
  const alert = withScore(state.alert, input);
  if (alert.score >= settings.threshold - settings.hysteresis) return { state: { kind: "firing", alert, belowSincePtsMs: null }, transitions: [] };
  const belowSincePtsMs = state.belowSincePtsMs ?? input.ptsMs;
  if (!hasPassed(settings.resolveMs, belowSincePtsMs, input.ptsMs)) return { state: { kind: "firing", alert, belowSincePtsMs }, transitions: [] };
  return endAlert(alert, "resolved", "score-fell", input);
}

/** A crossing that begins within the cool-down opens no second alert: held for the dwell time, it fires the old one again. */
function stepEnded(state: In<"ended">, input: ScoreInput, settings: AlertRuleSettings, openAlert: () => AlertOrigin): AlertRuleStep {
  if (input.score.score < settings.threshold) return { state: { ...state, aboveSincePtsMs: null }, transitions: [] };
  if (state.aboveSincePtsMs === null && input.ptsMs - state.endedPtsMs >= settings.coolDownMs) return stepInactive(INACTIVE, input, settings, openAlert);
  const aboveSincePtsMs = state.aboveSincePtsMs ?? input.ptsMs;
  if (!hasPassed(settings.dwellMs, aboveSincePtsMs, input.ptsMs)) return { state: { ...state, aboveSincePtsMs }, transitions: [] };
  return fire(withScore(state.alert, input), input);
}

function endTrack(state: AlertRuleState, { resolution, atMs }: Extract<AlertRuleInput, { kind: "end" }>): AlertRuleStep {
  if (state.kind === "inactive" || state.kind === "ended") return { state: INACTIVE, transitions: [] };
  const kind = state.kind === "pending" ? "dropped" : "resolved";
  return { state: INACTIVE, transitions: [resolve(state.alert, kind, resolution, atMs)] };
}

function fire(before: Alert, { atMs }: ScoreInput): AlertRuleStep {
  const again = before.firingAt !== null;
  const alert: Alert = { ...before, state: "firing", firingAt: before.firingAt ?? atMs, resolution: null, resolvedAt: null };
  return { state: { kind: "firing", alert, belowSincePtsMs: null }, transitions: [{ kind: again ? "re-firing" : "firing", alert, atMs }] };
}

function endAlert(alert: Alert, kind: "resolved" | "dropped", resolution: NonNullable<Alert["resolution"]>, { ptsMs, atMs }: ScoreInput): AlertRuleStep {
  const transition = resolve(alert, kind, resolution, atMs);
  return { state: { kind: "ended", alert: transition.alert, endedPtsMs: ptsMs, aboveSincePtsMs: null }, transitions: [transition] };
}

/** The end of an open alert, also one that an earlier run of the daemon left open. */
export function resolve(alert: Alert, kind: "resolved" | "dropped", resolution: NonNullable<Alert["resolution"]>, atMs: number): AlertTransition {
  return { kind, alert: { ...alert, state: "resolved", resolution, resolvedAt: atMs }, atMs };
}

function withScore(alert: Alert, { score: { score } }: ScoreInput): Alert {
  return { ...alert, score, peakScore: Math.max(alert.peakScore, score) };
}

/** Scores a hop apart carry the PTS of their frames, which miss the hop by up to a slot: two hops of 1 s may be 1,960 ms. */
function hasPassed(durationMs: number, sincePtsMs: number, ptsMs: number): boolean {
  return durationMs === 0 || ptsMs - sincePtsMs > durationMs - SLOT_MS;
}
