/** Runs the alert rule of every track; each transition is committed to the store before anyone is told. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { HorizonScore, ModelInfo } from "../../pipelines/types.ts";
import type { Alert, AlertEventMark } from "../protocol.ts";
import { type AlertRuleInput, type AlertRuleSettings, type AlertRuleState, type AlertTransition, INACTIVE, resolve, stepAlertRule } from "./alert-rule.ts";
import { withEvent } from "./told-event.ts";
import { createTransitionLog, type StoredLater, type TransitionStore } from "./transition-log.ts";

/** A transition as it goes out; `event` says as what, and its `seq` is null while the store does not have it. */
export interface ToldTransition extends AlertTransition {
  readonly event: AlertEventMark | null;
}

export interface AlertEngineOptions {
  readonly store: TransitionStore & { openAlerts(): readonly Alert[] };
  readonly model: AlertModel;
  /** The rule in force for a stream; asked at every score. */
  readonly rules: (stream: string) => AlertRuleSettings;
  /**
   * Called once for each transition, after its commit, in the order of the events' numbers. When the store failed, the
   * alert goes out all the same, with `alert.unstored` set, and its commit is tried again.
   */
  readonly onTransition: (transition: ToldTransition) => void;
  /** What went out as unstored is stored by now, and its event has a number. */
  readonly onStored?: (stored: StoredLater) => void;
  /** The stream already has as many open alerts as allowed; the crossing opened none. */
  readonly onSuppressed?: (stream: string) => void;
  /** Wall clock, for labels only. */
  readonly now?: () => number;
  readonly log: Logger;
  readonly maxOpenPerStream?: number;
  readonly retryMs?: number;
}

export type AlertModel = Pick<ModelInfo, "name" | "sha256" | "kind" | "trained">;

export interface ScoredTrack {
  readonly stream: string;
  readonly track: number;
  /** Media clock of the stream; must not fall within a track. */
  readonly ptsMs: number;
  readonly score: HorizonScore;
}

export interface AlertEngine extends AsyncDisposable {
  score(scored: ScoredTrack): void;
  endTrack(stream: string, track: number): void;
  /** Ends the alerts of all its tracks; `resolution` is stream-ended unless something else took the tracks away. */
  endStream(stream: string, resolution?: "stream-ended" | "analysis-restarted"): void;
  /** Applies to scores from now on; open alerts keep the model that raised them. */
  setModel(model: AlertModel): void;
  /** Pending and firing alerts with their latest scores (the store has those of the last transition), marked while unstored. */
  openAlerts(): readonly Alert[];
  /** Alerts that the store does not have as they are: the open ones, and those that ended while it could not commit. */
  aheadOfStore(): readonly Alert[];
  /** The alert as it is when it is ahead of the store, else as given. */
  latest(alert: Alert): Alert;
  firingAlerts(stream: string): number;
  /** Transitions told but not yet committed. */
  readonly unstored: number;
  /** Leaves open alerts open: the next start resolves them as daemon-restarted. */
  close(): Promise<void>;
}

/** Starts with no alert open: what an earlier run left open is resolved as daemon-restarted, stored by the return of this call and told soon after. */
export function startAlertEngine(options: AlertEngineOptions, signal?: AbortSignal): AlertEngine {
  const { store, rules, onTransition, log, now = Date.now, maxOpenPerStream = 20, retryMs = 5_000 } = options;
  const { onStored = () => {}, onSuppressed = () => {} } = options;
  const streams = new Map<string, Map<number, AlertRuleState>>();
  const suppressing = new Set<string>();
  let { model } = options;
  let closed = false;

  const transitions = createTransitionLog({ store, onStored, log, retryMs });

  const append = (transition: AlertTransition): ToldTransition => {
    const toCommit = withEvent(transition);
    const outcome = transitions.append(toCommit);
    const { alert, atMs, event } = toCommit;
    const mark = (seq: number | null): AlertEventMark | null => event && { seq, ...event, at: atMs };
    if (outcome.kind === "stored") return { ...transition, event: mark(outcome.event?.seq ?? null) };
    return { ...transition, alert: { ...alert, unstored: true }, event: mark(null) };
  };

  const tell = (transition: ToldTransition): void => {
    log.info({ ...loggedOf(transition.alert), transition: transition.kind, event: transition.event?.seq }, "alert transition");
    onTransition(transition);
  };

  const openOf = (stream: string): readonly Alert[] => [...(streams.get(stream)?.values() ?? [])].flatMap(openAlertOf);
  const marked = (alert: Alert): Alert => (transitions.unstoredAlerts.has(alert.id) ? { ...alert, unstored: true } : alert);
  /** Ended, and not stored so: the store may have it as open, or not at all. */
  const endedUnstored = (): readonly Alert[] => [...transitions.unstoredAlerts.values()].filter(({ state }) => state === "resolved");

  const step = (stream: string, track: number, input: AlertRuleInput): void => {
    const before = streams.get(stream)?.get(track) ?? INACTIVE;
    const { name, sha256, kind } = model;
    const openAlert = () => ({ id: randomUUID(), stream, track, tracks: [track], model: { name, sha256, scripted: kind === "scripted" } });
    const { state, transitions: made } = stepAlertRule(before, input, rules(stream), openAlert);
    const opens = openAlertOf(before).length === 0 && openAlertOf(state).length > 0;
    if (opens && openOf(stream).length >= maxOpenPerStream) {
      onSuppressed(stream);
      if (!suppressing.has(stream)) log.warn({ stream, maxOpenPerStream }, "too many open alerts in this stream; further ones are not opened");
      suppressing.add(stream);
      return;
    }
    if (opens) suppressing.delete(stream);
    setState(streams, stream, track, state);
    for (const transition of made) tell(append(transition));
  };

  const restarted = leftOpen(store, log).map((alert) => resolve(alert, alert.firingAt === null ? "dropped" : "resolved", "daemon-restarted", now()));
  const toldAtStart = restarted.map(append);
  // Told later: the caller's callbacks may use the engine, which the caller does not have yet.
  const telling = setImmediate(() => {
    for (const transition of toldAtStart) tell(transition);
  });

  const engine: AlertEngine = {
    score({ stream, track, ptsMs, score }) {
      if (closed || !rules(stream).enabled) return;
      if (!model.trained && model.kind !== "scripted") return;
      step(stream, track, { kind: "score", ptsMs, atMs: now(), score });
    },
    endTrack(stream, track) {
      if (!closed && streams.get(stream)?.has(track) === true) step(stream, track, { kind: "end", atMs: now(), resolution: "track-ended" });
    },
    endStream(stream, resolution = "stream-ended") {
      if (closed) return;
      for (const track of streams.get(stream)?.keys().toArray() ?? []) step(stream, track, { kind: "end", atMs: now(), resolution });
    },
    setModel(next) {
      model = next;
    },
    openAlerts: () => streams.keys().toArray().flatMap(openOf).map(marked),
    aheadOfStore: () => [...engine.openAlerts(), ...endedUnstored().map(marked)],
    latest(alert) {
      const known = openOf(alert.stream).find(({ id }) => id === alert.id) ?? endedUnstored().find(({ id }) => id === alert.id);
      return known === undefined ? alert : marked(known);
    },
    firingAlerts: (stream) => openOf(stream).filter((alert) => alert.state === "firing").length,
    get unstored() {
      return transitions.unstored;
    },
    async close() {
      closed = true;
      clearImmediate(telling);
      transitions.close();
    },
    [Symbol.asyncDispose]: () => engine.close(),
  };
  signal?.addEventListener("abort", () => void engine.close(), { once: true });
  return engine;
}

function openAlertOf(state: AlertRuleState): Alert[] {
  return state.kind === "pending" || state.kind === "firing" ? [state.alert] : [];
}

/** Only tracks that crossed the threshold take memory, until they end. */
function setState(streams: Map<string, Map<number, AlertRuleState>>, stream: string, track: number, state: AlertRuleState): void {
  const tracks = streams.get(stream) ?? new Map<number, AlertRuleState>();
  if (state.kind === "inactive") tracks.delete(track);
  else tracks.set(track, state);
  if (tracks.size === 0) streams.delete(stream);
  else streams.set(stream, tracks);
}

function leftOpen(store: AlertEngineOptions["store"], log: Logger): readonly Alert[] {
  try {
    return store.openAlerts();
  } catch (error) {
    log.error({ err: error, code: errorCodeOf(error) }, "alerts left open by an earlier run could not be read; they stay open in the store");
    return [];
  }
}

function loggedOf(alert: Alert): object {
  const { id, stream, rule } = alert;
  if (alert.rule !== "manipulated-face") return { alert: id, stream, rule, measured: alert.measured };
  return { alert: id, stream, rule, track: alert.track, score: alert.score, scripted: alert.model.scripted };
}
