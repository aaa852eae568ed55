/** The alert rule of one track: inactive → pending → firing → resolved, as a pure state machine on the media clock. */
import { type HorizonFrames, type HorizonScore, SLOT_MS } from "../../pipelines/types.ts";
import type { Alert, AlertResolution, FaceAlert } from "../protocol.ts";

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
 * What happened to an alert. `worsened` and `joined` leave it firing: its peak rose by a further step, or another track of
 * its face joined it. `dropped` is the end of a pending alert that never fired; it is kept as resolved without `firingAt`.
 * `re-firing` opens a resolved alert again, within the cool-down, under its old id.
 */
export const ALERT_TRANSITION_KINDS = ["pending", "firing", "worsened", "joined", "re-firing", "resolved", "dropped"] as const;
export type AlertTransitionKind = (typeof ALERT_TRANSITION_KINDS)[number];

export interface AlertTransition<A extends Alert = Alert> {
  readonly kind: AlertTransitionKind;
  /** The alert as it is after the transition. */
  readonly alert: A;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly atMs: number;
}

/** What people were last told of a firing alert's peak, and when on the media clock. */
interface ToldPeak {
  readonly score: number;
  readonly ptsMs: number;
}

export type AlertRuleState =
  | { readonly kind: "inactive" }
  /** `aboveSincePtsMs` is null while the score is in the hysteresis just below the threshold. */
  | { readonly kind: "pending"; readonly alert: FaceAlert; readonly aboveSincePtsMs: number | null }
  | { readonly kind: "firing"; readonly alert: FaceAlert; readonly belowSincePtsMs: number | null; readonly told: ToldPeak }
  /** Over, and not yet out of its cool-down when a new crossing began. */
  | { readonly kind: "ended"; readonly alert: FaceAlert; readonly endedPtsMs: number; readonly aboveSincePtsMs: number | null };

export type AlertRuleInput =
  | { readonly kind: "score"; readonly ptsMs: number; readonly atMs: number; readonly score: HorizonScore }
  | { readonly kind: "end"; readonly atMs: number; readonly resolution: AlertResolution };

export interface AlertRuleStep {
  readonly state: AlertRuleState;
  /** At most two: with no dwell time an alert is pending and firing at once. */
  readonly transitions: readonly AlertTransition<FaceAlert>[];
}

/** A fresh alert's id, model and place; its state and times are the rule's. */
export type AlertOrigin = Pick<FaceAlert, "id" | "stream" | "track" | "tracks" | "model">;

export const INACTIVE: AlertRuleState = { kind: "inactive" };

/** A firing alert's peak must rise by this much, and this long after the last word, before people are told again. */
const WORSENED_STEP = 0.02;
const WORSENED_EVERY_MS = 30_000;
/** Of an alert, the newest; one that goes on for days must not grow for days. */
const MAX_TRACKS = 100;

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
export type In<Kind extends AlertRuleState["kind"]> = Extract<AlertRuleState, { kind: Kind }>;

function stepInactive(state: AlertRuleState, input: ScoreInput, settings: AlertRuleSettings, openAlert: () => AlertOrigin): AlertRuleStep {
  const { score } = input.score;
  if (score < settings.threshold) return { state, transitions: [] };
  const alert: FaceAlert = {
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
  const opened: AlertTransition<FaceAlert> = { kind: "pending", alert, atMs: input.atMs };
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
  if (alert.score >= settings.threshold - settings.hysteresis) return stepAbove({ ...state, alert, belowSincePtsMs: null }, input);
  const belowSincePtsMs = state.belowSincePtsMs ?? input.ptsMs;
  if (!hasPassed(settings.resolveMs, belowSincePtsMs, input.ptsMs)) return { state: { ...state, alert, belowSincePtsMs }, transitions: [] };
  return endAlert(alert, "resolved", "score-fell", input);
}

function stepAbove(state: In<"firing">, { ptsMs, atMs }: ScoreInput): AlertRuleStep {
  const { alert, told } = state;
  // Steps of a decimal fraction: 0.82 - 0.8 is a little less than 0.02.
  const worsened = alert.peakScore - told.score > WORSENED_STEP - 1e-9 && ptsMs - told.ptsMs >= WORSENED_EVERY_MS;
  if (!worsened) return { state, transitions: [] };
  return { state: { ...state, told: { score: alert.peakScore, ptsMs } }, transitions: [{ kind: "worsened", alert, atMs }] };
}

/** A crossing that begins within the cool-down opens no second alert: held for the dwell time, it fires the old one again. */
function stepEnded(state: In<"ended">, input: ScoreInput, settings: AlertRuleSettings, openAlert: () => AlertOrigin): AlertRuleStep {
  if (input.score.score < settings.threshold) return { state: { ...state, aboveSincePtsMs: null }, transitions: [] };
  if (state.aboveSincePtsMs === null && input.ptsMs - state.endedPtsMs >= settings.coolDownMs) return stepInactive(INACTIVE, input, settings, openAlert);
  const aboveSincePtsMs = state.aboveSincePtsMs ?? input.ptsMs;
  if (!hasPassed(settings.dwellMs, aboveSincePtsMs, input.ptsMs)) return { state: { ...state, aboveSincePtsMs }, transitions: [] };
  return fire(withScore(state.alert, input), input);
}

/**
 * Another track of the same face takes the alert over; its media clock may be another one. `endedForMs` is the time since
 * the alert ended, if it has. An alert that is over takes note of the track, and says so only if it fires again.
 */
export function joinTrack(state: In<"firing"> | In<"ended">, track: number, { ptsMs, atMs, endedForMs }: { readonly ptsMs: number; readonly atMs: number; readonly endedForMs: number }): AlertRuleStep {
  const alert: FaceAlert = { ...state.alert, tracks: [...state.alert.tracks, track].slice(-MAX_TRACKS) };
  if (state.kind === "ended") return { state: { kind: "ended", alert, endedPtsMs: ptsMs - endedForMs, aboveSincePtsMs: null }, transitions: [] };
  const told = { score: alert.peakScore, ptsMs };
  return { state: { kind: "firing", alert, belowSincePtsMs: null, told }, transitions: [{ kind: "joined", alert, atMs }] };
}

function endTrack(state: AlertRuleState, { resolution, atMs }: Extract<AlertRuleInput, { kind: "end" }>): AlertRuleStep {
  if (state.kind === "inactive" || state.kind === "ended") return { state: INACTIVE, transitions: [] };
  const kind = state.kind === "pending" ? "dropped" : "resolved";
  return { state: INACTIVE, transitions: [resolve(state.alert, kind, resolution, atMs)] };
}

function fire(before: FaceAlert, { atMs, ptsMs }: ScoreInput): AlertRuleStep {
  const again = before.firingAt !== null;
  const alert: FaceAlert = { ...before, state: "firing", firingAt: before.firingAt ?? atMs, resolution: null, resolvedAt: null };
  const told = { score: alert.peakScore, ptsMs };
  return { state: { kind: "firing", alert, belowSincePtsMs: null, told }, transitions: [{ kind: again ? "re-firing" : "firing", alert, atMs }] };
}

function endAlert(alert: FaceAlert, kind: "resolved" | "dropped", resolution: AlertResolution, { ptsMs, atMs }: ScoreInput): AlertRuleStep {
  const transition = resolve(alert, kind, resolution, atMs);
  return { state: { kind: "ended", alert: transition.alert, endedPtsMs: ptsMs, aboveSincePtsMs: null }, transitions: [transition] };
}

/** The end of an open alert, also one that an earlier run of the daemon left open. `atMs` is when it is known. */
export function resolve<A extends Alert>(alert: A, kind: "resolved" | "dropped", resolution: AlertResolution, atMs: number): AlertTransition<A> {
  return { kind, alert: { ...alert, state: "resolved", resolution, resolvedAt: atMs }, atMs };
}

function withScore(alert: FaceAlert, { score: { score } }: ScoreInput): FaceAlert {
  return { ...alert, score, peakScore: Math.max(alert.peakScore, score) };
}

/** Scores a hop apart carry the PTS of their frames, which miss the hop by up to a slot: two hops of 1 s may be 1,960 ms. */
function hasPassed(durationMs: number, sincePtsMs: number, ptsMs: number): boolean {
  return durationMs === 0 || ptsMs - sincePtsMs > durationMs - SLOT_MS;
}
