/** Runs the alert rule of every track; each transition is committed to the store before anyone is told. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { HorizonScore, ModelInfo } from "../../pipelines/types.ts";
import type { Alert, AlertEventMark } from "../protocol.ts";
import { type AlertRuleSettings, type AlertTransition, resolve } from "./alert-rule.ts";
import { type BlindSpotSettings, StreamBlindSpots } from "./blind-spots.ts";
import type { FaceDescriptor } from "./face-likeness.ts";
import { type Moment, StreamIncidents } from "./incidents.ts";
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
  /** The blind spots that a stream is watched for; none when absent. */
  readonly blindSpots?: (stream: string) => BlindSpotSettings;
  /** Wall clock, for labels only. */
  readonly now?: () => number;
  /** Measures how long a face is away and a stream blind. */
  readonly monotonicMs?: () => number;
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

export interface SeenFace {
  readonly stream: string;
  readonly track: number;
  readonly ptsMs: number;
  /** Kept in memory while the track or its alert lasts, and nowhere else. */
  readonly descriptor: FaceDescriptor;
}

export interface AlertEngine extends AsyncDisposable {
  score(scored: ScoredTrack): void;
  /** What a track's face looks like: a new track of a face that has an open or cooling-down alert joins it. */
  look(seen: SeenFace): void;
  /** The track is over. A firing alert whose face is known waits for it to come back, at most as long as its cool-down. */
  endTrack(stream: string, track: number): void;
  /** The process that followed the stream's tracks is gone, and they with it; their alerts wait in the same way. */
  loseTracks(stream: string): void;
  /** Ends all its alerts. */
  endStream(stream: string): void;
  /** The name stands for another picture from now on: its faces and cool-downs are forgotten. Call it after `endStream`. */
  forgetStream(stream: string): void;
  /** What the newest view shows: whether one of the faces can be judged. */
  view(stream: string, usable: boolean): void;
  decoderStorm(stream: string, restarts: number): void;
  /** Once a second, with the streams whose frames arrive. */
  tick(streams: readonly { readonly name: string; readonly live: boolean }[]): void;
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
  const { store, rules, blindSpots, onTransition, log, now = Date.now, monotonicMs = () => performance.now(), maxOpenPerStream = 20, retryMs = 5_000 } = options;
  const { onStored = () => {}, onSuppressed = () => {} } = options;
  const incidents = new Map<string, StreamIncidents>();
  const watched = new Map<string, StreamBlindSpots>();
  const suppressing = new Set<string>();
  let { model } = options;
  let closed = false;

  const moment = (): Moment => ({ monotonicMs: monotonicMs(), atMs: now() });
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

  const openOf = (stream: string): readonly Alert[] => [...(incidents.get(stream)?.open() ?? []), ...(watched.get(stream)?.open() ?? [])];
  const streamNames = (): readonly string[] => [...new Set([...incidents.keys(), ...watched.keys()])];
  const marked = (alert: Alert): Alert => (transitions.unstoredAlerts.has(alert.id) ? { ...alert, unstored: true } : alert);
  /** Ended, and not stored so: the store may have it as open, or not at all. */
  const endedUnstored = (): readonly Alert[] => [...transitions.unstoredAlerts.values()].filter(({ state }) => state === "resolved");

  const tellAll = (made: readonly AlertTransition[]): void => {
    for (const transition of made) tell(append(transition));
  };
  const incidentsOf = (stream: string): StreamIncidents => {
    const known = incidents.get(stream) ?? new StreamIncidents();
    incidents.set(stream, known);
    return known;
  };
  const blindSpotsOf = (stream: string): StreamBlindSpots => {
    const known = watched.get(stream) ?? new StreamBlindSpots(stream);
    watched.set(stream, known);
    return known;
  };

  const takeScore = ({ stream, track, ptsMs, score }: ScoredTrack): void => {
    const { name, sha256, kind } = model;
    const origin = () => ({ id: randomUUID(), stream, track, tracks: [track], model: { name, sha256, scripted: kind === "scripted" } });
    const { monotonicMs: atMonotonicMs, atMs } = moment();
    const step = incidentsOf(stream).score(track, { kind: "score", ptsMs, atMs, score }, { settings: rules(stream), maxOpen: maxOpenPerStream, monotonicMs: atMonotonicMs, origin });
    if (step.suppressed) {
      onSuppressed(stream);
      if (!suppressing.has(stream)) log.warn({ stream, maxOpenPerStream }, "too many open alerts in this stream; further ones are not opened");
      suppressing.add(stream);
      return;
    }
    if (step.transitions.some(({ kind: made }) => made === "pending" || made === "re-firing")) suppressing.delete(stream);
    tellAll(step.transitions);
  };

  const restarted = leftOpen(store, log).map((alert) => resolve(alert, alert.firingAt === null ? "dropped" : "resolved", "daemon-restarted", now()));
  const toldAtStart = restarted.map(append);
  // Told later: the caller's callbacks may use the engine, which the caller does not have yet.
  const telling = setImmediate(() => {
    for (const transition of toldAtStart) tell(transition);
  });

  const engine: AlertEngine = {
    score(scored) {
      const { stream, score } = scored;
      if (closed || !rules(stream).enabled) return;
      if (blindSpots !== undefined) blindSpotsOf(stream).window(score.coverage, blindSpots(stream), moment());
      if (model.trained || model.kind === "scripted") takeScore(scored);
    },
    look({ stream, track, ptsMs, descriptor }) {
      const { enabled, coolDownMs } = rules(stream);
      if (!closed && enabled) tellAll(incidentsOf(stream).look(track, { descriptor, ptsMs, now: moment(), coolDownMs }));
    },
    endTrack(stream, track) {
      if (!closed) tellAll(incidents.get(stream)?.endTrack(track, { now: moment(), reason: "track-ended", coolDownMs: rules(stream).coolDownMs }) ?? []);
    },
    loseTracks(stream) {
      if (!closed) tellAll(incidents.get(stream)?.loseTracks(moment(), rules(stream).coolDownMs) ?? []);
    },
    endStream(stream) {
      if (closed) return;
      tellAll([...(incidents.get(stream)?.endStream(moment()) ?? []), ...(watched.get(stream)?.end("stream-ended", moment()) ?? [])]);
    },
    forgetStream(stream) {
      incidents.delete(stream);
      watched.delete(stream);
    },
    view(stream, usable) {
      if (!closed && blindSpots !== undefined) blindSpotsOf(stream).view(usable, moment());
    },
    decoderStorm(stream, restarts) {
      if (!closed && blindSpots !== undefined) tellAll(blindSpotsOf(stream).decoderStorm(restarts, blindSpots(stream), moment()));
    },
    tick(streams) {
      if (closed) return;
      for (const [stream, of] of incidents) {
        tellAll(of.tick(moment(), rules(stream).coolDownMs));
        if (of.isEmpty) incidents.delete(stream);
      }
      if (blindSpots === undefined) return;
      for (const { name, live } of streams) tellAll(blindSpotsOf(name).tick(live, blindSpots(name), moment()));
    },
    setModel(next) {
      model = next;
    },
    openAlerts: () => streamNames().flatMap(openOf).map(marked),
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
