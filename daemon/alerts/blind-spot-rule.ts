/** The rule of one blind spot of one stream: clear → firing → ended, as a pure state machine. */
import type { AlertResolution, BlindSpotAlert } from "../protocol.ts";
import { type AlertTransition, resolve } from "./alert-rule.ts";

export type BlindSpotState =
  | { readonly kind: "clear" }
  | { readonly kind: "firing"; readonly alert: BlindSpotAlert; readonly clearSinceMs: number | null }
  | { readonly kind: "ended"; readonly alert: BlindSpotAlert; readonly endedMs: number };

/** What was seen of the stream. `unknown` is no evidence for either: a stream that stands still has neither faces nor none. */
export type BlindSpotSign =
  | { readonly kind: "blind"; readonly measured: number; readonly sinceMs: number }
  | { readonly kind: "seeing" }
  | { readonly kind: "unknown" };

export interface BlindSpotTimes {
  /** How long the stream must be seen well, without a break, before the alert ends. */
  readonly clearAfterMs: number;
  /** After the end, a blind spot opens no second alert for this long: the old one fires again. */
  readonly coolDownMs: number;
}

/** `monotonicMs` measures spans, `atMs` is the wall clock. */
export interface BlindSpotInput {
  readonly sign: BlindSpotSign;
  readonly limit: number;
  readonly monotonicMs: number;
  readonly atMs: number;
}

export interface BlindSpotStep {
  readonly state: BlindSpotState;
  readonly transition: AlertTransition<BlindSpotAlert> | null;
}

export type BlindSpotOrigin = Pick<BlindSpotAlert, "id" | "stream" | "rule">;

export const CLEAR: BlindSpotState = { kind: "clear" };

export function stepBlindSpot(state: BlindSpotState, input: BlindSpotInput, times: BlindSpotTimes, open: () => BlindSpotOrigin): BlindSpotStep {
  const { sign, monotonicMs, atMs } = input;
  if (state.kind !== "firing") return sign.kind === "blind" ? fire(state, { ...input, sign }, times, open) : { state: forgotten(state, monotonicMs, times), transition: null };
  if (sign.kind === "unknown") return { state: { ...state, clearSinceMs: null }, transition: null };
  if (sign.kind === "blind") return { state: { kind: "firing", alert: { ...state.alert, measured: sign.measured }, clearSinceMs: null }, transition: null };
  const clearSinceMs = state.clearSinceMs ?? monotonicMs;
  if (monotonicMs - clearSinceMs < times.clearAfterMs) return { state: { ...state, clearSinceMs }, transition: null };
  return endBlindSpot(state, "cleared", { monotonicMs, atMs });
}

export function endBlindSpot(state: BlindSpotState, resolution: AlertResolution, { monotonicMs, atMs }: Pick<BlindSpotInput, "monotonicMs" | "atMs">): BlindSpotStep {
  if (state.kind !== "firing") return { state, transition: null };
  const transition = resolve(state.alert, "resolved", resolution, atMs);
  return { state: { kind: "ended", alert: transition.alert, endedMs: monotonicMs }, transition };
}

function fire(before: BlindSpotState, { sign, limit, monotonicMs, atMs }: BlindSpotInput & { readonly sign: Extract<BlindSpotSign, { kind: "blind" }> }, times: BlindSpotTimes, open: () => BlindSpotOrigin): BlindSpotStep {
  const state = forgotten(before, monotonicMs, times);
  const measured = { measured: sign.measured, limit };
  const alert: BlindSpotAlert =
    state.kind === "ended"
      ? { ...state.alert, ...measured, state: "firing", resolution: null, resolvedAt: null }
      : { ...open(), ...measured, state: "firing", resolution: null, pendingAt: Math.max(0, Math.round(atMs - (monotonicMs - sign.sinceMs))), firingAt: atMs, resolvedAt: null };
  return { state: { kind: "firing", alert, clearSinceMs: null }, transition: { kind: state.kind === "ended" ? "re-firing" : "firing", alert, atMs } };
}

function forgotten(state: BlindSpotState, monotonicMs: number, { coolDownMs }: BlindSpotTimes): BlindSpotState {
  return state.kind === "ended" && monotonicMs - state.endedMs >= coolDownMs ? CLEAR : state;
}
