/** What the page knows of the daemon, as a pure reduction of the messages it got. */
import type { Alert, ModelCard, ScorePoint, ServerMessage, Stream, SystemStatus } from "../../daemon/protocol.ts";
import { addScore, EMPTY_HISTORY, mergeScores, type ScoreHistory } from "./score-history.ts";

/** Alerts kept; open ones are kept even past this number, as in a snapshot. */
export const MAX_ALERTS = 100;
const NOTHING_MISSED: MissedAlerts = { fired: 0, gap: false, alerts: [] };

export interface ReadyState {
  readonly kind: "ready";
  readonly run: string;
  /** Number of the last message taken in. */
  readonly seq: number;
  /** Number of the last alert event taken in; it goes on over runs of the daemon. */
  readonly eventSeq: number;
  /** What comes of the time without a connection, until the snapshot that ends it. */
  readonly arriving: MissedAlerts | null;
  /** What happened in the last time without a connection; null when nothing did. */
  readonly missed: Pick<MissedAlerts, "fired" | "gap"> | null;
  readonly system: SystemStatus;
  readonly model: ModelCard;
  readonly streamNames: readonly string[];
  readonly streams: ReadonlyMap<string, Stream>;
  /** Firing first, then pending, then resolved; newest first within each. */
  readonly alerts: readonly Alert[];
  readonly histories: ReadonlyMap<string, ScoreHistory>;
  /** How far the daemon's clock is ahead of this page's, milliseconds; 0 until a score tells. */
  readonly serverAheadMs: number | null;
}

export interface MissedAlerts {
  /** Alerts that fired meanwhile. */
  readonly fired: number;
  /** There may have been more, which are no longer kept. */
  readonly gap: boolean;
  /** Each as it was at its last event. */
  readonly alerts: readonly Alert[];
}

export type LiveState = { readonly kind: "empty" } | ReadyState;

/** `gap`: a numbered message is missing, so nothing after it may be taken in until a snapshot has come. */
export interface Reduction {
  readonly state: LiveState;
  readonly step: "ok" | "gap";
}

type NumberedMessage = Exclude<ServerMessage, { type: "snapshot" | "resumed" | "missed" }>;

export function reduceMessage(state: LiveState, message: ServerMessage, receivedAtMs: number): Reduction {
  if (message.type === "snapshot") return { state: fromSnapshot(state, message), step: "ok" };
  if (state.kind === "empty") return { state, step: "gap" };
  if (message.type === "resumed") {
    // The missed messages follow, numbered from where we are; another run or an older position is no continuation of ours.
    const continues = message.run === state.run && message.seq >= state.seq;
    return { state, step: continues ? "ok" : "gap" };
  }
  if (message.type === "missed") return { state: withMissed(state, message), step: "ok" };
  if (message.seq <= state.seq) return { state, step: "ok" };
  if (message.seq !== state.seq + 1) return { state, step: "gap" };
  return { state: { ...applyDelta(state, message, receivedAtMs), seq: message.seq }, step: "ok" };
}

/** Kept until the snapshot that follows: what that one says of an alert is newer. */
function withMissed(state: ReadyState, { events, gap, newest }: Extract<ServerMessage, { type: "missed" }>): ReadyState {
  const before = state.arriving ?? NOTHING_MISSED;
  const alerts = new Map([...before.alerts, ...events.map((event) => event.alert)].map((alert) => [alert.id, alert]));
  return {
    ...state,
    // After a store that was set up anew its numbers are the smaller ones.
    eventSeq: events.at(-1)?.seq ?? Math.min(state.eventSeq, newest),
    arriving: {
      fired: before.fired + events.filter(({ kind }) => kind === "new").length,
      gap: before.gap || gap,
      alerts: [...alerts.values()].slice(-MAX_ALERTS),
    },
  };
}

function fromSnapshot(before: LiveState, message: Extract<ServerMessage, { type: "snapshot" }>): ReadyState {
  // Track numbers and media clocks start again with each run of the daemon: lines of two runs must not be joined.
  const kept = before.kind === "ready" && before.run === message.run ? before.histories : new Map<string, ScoreHistory>();
  const histories = message.streams.map((stream): [string, ScoreHistory] => {
    const history = kept.get(stream.name) ?? EMPTY_HISTORY;
    // What came between the last message and this snapshot is missing, so it has to be fetched again.
    return [stream.name, { ...history, complete: false }];
  });
  const missed = before.kind === "ready" ? before.arriving : null;
  const named = new Set(message.alerts.map(({ id }) => id));
  // One that the snapshot does not have has ended, whatever its last event here said.
  const older = (missed?.alerts ?? []).filter(({ id, state }) => !named.has(id) && state === "resolved");
  return {
    kind: "ready",
    run: message.run,
    seq: message.seq,
    eventSeq: before.kind === "ready" ? before.eventSeq : message.eventSeq,
    arriving: null,
    missed: missed === null || (missed.fired === 0 && !missed.gap) ? null : { fired: missed.fired, gap: missed.gap },
    system: message.system,
    model: message.model,
    streamNames: message.streams.map((stream) => stream.name),
    streams: new Map(message.streams.map((stream) => [stream.name, stream])),
    alerts: orderAlerts([...message.alerts, ...older]),
    histories: new Map(histories),
    serverAheadMs: null,
  };
}

function applyDelta(state: ReadyState, message: NumberedMessage, receivedAtMs: number): ReadyState {
  switch (message.type) {
    case "stream": {
      const isNew = !state.streams.has(message.stream.name);
      return {
        ...state,
        streamNames: isNew ? [...state.streamNames, message.stream.name] : state.streamNames,
        streams: new Map(state.streams).set(message.stream.name, message.stream),
      };
    }
    case "stream-removed": {
      const [streams, histories] = [new Map(state.streams), new Map(state.histories)];
      streams.delete(message.name);
      histories.delete(message.name);
      return { ...state, streamNames: state.streamNames.filter((name) => name !== message.name), streams, histories };
    }
    case "score": {
      // A stream nobody announced has no tile; keeping its scores would only grow.
      if (!state.streams.has(message.stream)) return state;
      const history = addScore(state.histories.get(message.stream) ?? EMPTY_HISTORY, message.point);
      // Transit only ever makes a message look older, so the largest difference is the best estimate.
      const aheadMs = message.point.at - receivedAtMs;
      return { ...state, histories: new Map(state.histories).set(message.stream, history), serverAheadMs: Math.max(state.serverAheadMs ?? aheadMs, aheadMs) };
    }
    case "alert":
      return { ...state, eventSeq: message.event?.seq ?? state.eventSeq, alerts: orderAlerts([message.alert, ...state.alerts.filter((alert) => alert.id !== message.alert.id)]) };
    case "model":
      return { ...state, model: message.model };
    case "system":
      return { ...state, system: message.system };
    default:
      // A newer daemon may say more than this page understands; the number still counts.
      return state;
  }
}

/** Takes in the scores of the last ten minutes as fetched over HTTP. */
export function addFetchedScores(state: LiveState, fetched: { readonly run: string; readonly stream: string; readonly scores: readonly ScorePoint[] }): LiveState {
  if (state.kind === "empty" || state.run !== fetched.run || !state.streams.has(fetched.stream)) return state;
  const history = mergeScores(state.histories.get(fetched.stream) ?? EMPTY_HISTORY, fetched.scores);
  return { ...state, histories: new Map(state.histories).set(fetched.stream, history) };
}

const ALERT_RANK: Readonly<Record<Alert["state"], number>> = { firing: 0, pending: 1, resolved: 2 };

function orderAlerts(alerts: readonly Alert[]): readonly Alert[] {
  const open = alerts.filter(({ state }) => state !== "resolved").length;
  return alerts.toSorted((a, b) => ALERT_RANK[a.state] - ALERT_RANK[b.state] || changedAt(b) - changedAt(a)).slice(0, Math.max(MAX_ALERTS, open));
}

function changedAt(alert: Alert): number {
  return alert.resolvedAt ?? alert.firingAt ?? alert.pendingAt;
}
