/** The reduction of the daemon's messages: snapshot, deltas, resume, gap, change of run, and its bounds. */
import { describe, expect, it } from "vitest";
import type { Alert, AlertEvent, ServerMessage } from "../../daemon/protocol.ts";
import { alert, idleStream, liveStream, modelCard, scored, scoreLine, snapshot, system } from "../testing/scenario.ts";
import { addFetchedScores, type LiveState, MAX_ALERTS, type ReadyState, reduceMessage } from "./live-state.ts";

const NOW_MS = 1_800_000_000_000;

function greeting(run: string, seq: number, changes: Parameters<typeof snapshot>[0] = {}): ServerMessage {
  return { type: "snapshot", seq, ...snapshot({ streams: [liveStream("studio-a"), idleStream("studio-b")], ...changes, run }) };
}

function ready(...messages: readonly ServerMessage[]): ReadyState {
  let state: LiveState = { kind: "empty" };
  for (const message of messages) {
    const reduction = reduceMessage(state, message, NOW_MS);
    expect(reduction.step).toBe("ok");
    state = reduction.state;
  }
  if (state.kind !== "ready") throw new Error("The messages held no snapshot.");
  return state;
}

function scoreOf(stream: string, seq: number, at: number): ServerMessage {
  return { type: "score", seq, stream, point: { at, ptsMs: seq * 1000, track: 1, frames: 100, score: 0.5, coverage: 1 } };
}

describe("snapshot and deltas", () => {
  it("keeps the order of the streams as the daemon gave it", () => {
    expect(ready(greeting("run-1", 7)).streamNames).toEqual(["studio-a", "studio-b"]);
  });

  it("replaces only the stream that a delta names", () => {
    const before = ready(greeting("run-1", 7));
    const changed = liveStream("studio-a", { verdict: scored(0.9) });
    const { state } = reduceMessage(before, { type: "stream", seq: 8, stream: changed }, NOW_MS);
    expect(state).toMatchObject({ seq: 8 });
    expect((state as ReadyState).streams.get("studio-a")).toBe(changed);
    expect((state as ReadyState).streams.get("studio-b")).toBe(before.streams.get("studio-b"));
    expect((state as ReadyState).streamNames).toBe(before.streamNames);
  });

  it("forgets a stream that was taken out, with its scores", () => {
    const state = ready(greeting("run-1", 0), scoreOf("studio-a", 1, NOW_MS), { type: "stream-removed", seq: 2, name: "studio-a" });
    expect(state.streamNames).toEqual(["studio-b"]);
    expect([state.streams.has("studio-a"), state.histories.has("studio-a")]).toEqual([false, false]);
  });

  it("takes in models and system states", () => {
    const state = ready(greeting("run-1", 0), { type: "model", seq: 1, model: modelCard({ name: "other", trained: false }) }, { type: "system", seq: 2, system: system({ samplingFps: 5 }) });
    expect(state.model.name).toBe("other");
    expect(state.system.samplingFps).toBe(5);
  });

  it("counts a kind of message that it does not know, and goes on", () => {
    const unknown = { type: "weather", seq: 1 } as unknown as ServerMessage;
    expect(ready(greeting("run-1", 0), unknown, scoreOf("studio-a", 2, NOW_MS)).seq).toBe(2);
  });
});

describe("alerts", () => {
  it("puts firing before pending before resolved, whatever came last", () => {
    const firing = alert("studio-a");
    const pending = alert("studio-a", { state: "pending", firingAt: null });
    const resolved = alert("studio-b", { state: "resolved", resolution: "score-fell", resolvedAt: NOW_MS });
    const state = ready(greeting("run-1", 0), { type: "alert", seq: 1, alert: resolved, event: null }, { type: "alert", seq: 2, alert: firing, event: null }, { type: "alert", seq: 3, alert: pending, event: null });
    expect(state.alerts.map((entry) => entry.state)).toEqual(["firing", "pending", "resolved"]);
  });

  it("replaces an alert by its id when its state changes", () => {
    const pending = alert("studio-a", { state: "pending", firingAt: null });
    const state = ready(greeting("run-1", 0, { alerts: [pending] }), { type: "alert", seq: 1, alert: { ...pending, state: "firing", firingAt: NOW_MS }, event: null });
    expect(state.alerts).toHaveLength(1);
    expect(state.alerts[0]?.state).toBe("firing");
  });

  it("drops the oldest resolved ones past the bound and never a firing one", () => {
    const firing = alert("studio-a", { pendingAt: 1, firingAt: 2 });
    const resolved = Array.from({ length: MAX_ALERTS + 20 }, (_, index): ServerMessage => ({ type: "alert", seq: index + 1, alert: alert("studio-b", { state: "resolved", resolvedAt: NOW_MS + index }), event: null }));
    const state = ready(greeting("run-1", 0, { alerts: [firing] }), ...resolved);
    expect(state.alerts).toHaveLength(MAX_ALERTS);
    expect(state.alerts[0]?.id).toBe(firing.id);
    expect(state.alerts[1]?.resolvedAt).toBe(NOW_MS + MAX_ALERTS + 19);
  });

  it("keeps every firing alert, even past the bound", () => {
    const firing = Array.from({ length: MAX_ALERTS + 5 }, (_, index) => alert("studio-a", { firingAt: NOW_MS + index }));
    const state = ready(greeting("run-1", 0, { alerts: [...firing, alert("studio-b", { state: "resolved", resolvedAt: NOW_MS })] }));
    expect(state.alerts.map(({ state: each }) => each)).toEqual(firing.map(() => "firing"));
  });
});

describe("resume and gaps", () => {
  it("goes on after a resume with the messages that were missed", () => {
    const state = ready(greeting("run-1", 7), { type: "resumed", run: "run-1", seq: 9 }, scoreOf("studio-a", 8, NOW_MS), scoreOf("studio-a", 9, NOW_MS + 1000));
    expect(state.seq).toBe(9);
    expect(state.histories.get("studio-a")?.points).toHaveLength(2);
  });

  it("calls a jump in the numbers a gap and takes nothing of it in", () => {
    const before = ready(greeting("run-1", 7));
    expect(reduceMessage(before, scoreOf("studio-a", 9, NOW_MS), NOW_MS)).toEqual({ state: before, step: "gap" });
  });

  it("ignores a message that it has already taken in", () => {
    const before = ready(greeting("run-1", 7), scoreOf("studio-a", 8, NOW_MS));
    expect(reduceMessage(before, scoreOf("studio-a", 8, NOW_MS), NOW_MS)).toEqual({ state: before, step: "ok" });
  });

  it("calls a resume of another run, or from an older position, a gap", () => {
    const before = ready(greeting("run-1", 7));
    expect(reduceMessage(before, { type: "resumed", run: "run-2", seq: 7 }, NOW_MS).step).toBe("gap");
    expect(reduceMessage(before, { type: "resumed", run: "run-1", seq: 6 }, NOW_MS).step).toBe("gap");
  });

  it("calls a delta before any snapshot a gap", () => {
    expect(reduceMessage({ kind: "empty" }, scoreOf("studio-a", 1, NOW_MS), NOW_MS).step).toBe("gap");
  });
});

describe("what was missed", () => {
  const ended = alert("studio-b", { state: "resolved", resolution: "track-ended", resolvedAt: NOW_MS });
  const event = (seq: number, kind: AlertEvent["kind"], of: Alert): AlertEvent => ({ seq, id: `event-${seq}`, kind, at: NOW_MS, alert: of });
  const missed = (events: AlertEvent[], changes: Partial<Extract<ServerMessage, { type: "missed" }>> = {}): ServerMessage => ({ type: "missed", events, gap: false, oldest: 1, newest: events.at(-1)?.seq ?? 0, last: true, ...changes });

  it("counts the alerts that fired, and keeps one that has ended since and that the snapshot no longer names", () => {
    const fired = [event(5, "new", { ...ended, state: "firing", resolution: null, resolvedAt: null }), event(6, "end", ended)];
    const state = ready(greeting("run-1", 7, { eventSeq: 4 }), missed(fired), greeting("run-2", 0, { eventSeq: 6 }));
    expect(state).toMatchObject({ eventSeq: 6, missed: { fired: 1, gap: false }, arriving: null });
    expect(state.alerts).toEqual([ended]);
  });

  it("believes the snapshot more than an older event of the same alert", () => {
    const firing = alert("studio-a");
    const state = ready(greeting("run-1", 7), missed([event(1, "new", firing)]), greeting("run-2", 0, { alerts: [{ ...firing, score: 0.99 }] }));
    expect(state.alerts).toMatchObject([{ id: firing.id, score: 0.99 }]);
  });

  it("does not show as firing an alert whose end is not known and that the snapshot does not have", () => {
    expect(ready(greeting("run-1", 7), missed([event(1, "new", alert("studio-a"))]), greeting("run-2", 0)).alerts).toEqual([]);
  });

  it("adds up pages, and begins anew with the next absence", () => {
    const one = ready(greeting("run-1", 7), missed([event(1, "new", ended)], { last: false }), missed([event(2, "new", { ...ended, id: "other" })]), greeting("run-1", 20));
    expect(one.missed).toEqual({ fired: 2, gap: false });
    let state: LiveState = one;
    for (const message of [missed([], { newest: 2 }), greeting("run-1", 30)]) ({ state } = reduceMessage(state, message, NOW_MS));
    expect(state).toMatchObject({ eventSeq: 2, missed: null });
  });

  it("follows the numbers of live events, and those of a store that begins anew", () => {
    const mark = { seq: 9, id: "event-9", kind: "new", at: NOW_MS } as const;
    const state = ready(greeting("run-1", 0, { eventSeq: 8 }), { type: "alert", seq: 1, alert: alert("studio-a"), event: mark });
    expect(state.eventSeq).toBe(9);
    expect(reduceMessage(state, missed([], { gap: true, newest: 0 }), NOW_MS).state).toMatchObject({ eventSeq: 0, arriving: { gap: true } });
  });
});

describe("runs", () => {
  it("keeps the score lines over a new snapshot of the same run, to be completed", () => {
    const before = ready(greeting("run-1", 7), scoreOf("studio-a", 8, NOW_MS));
    const after = ready(greeting("run-1", 7), scoreOf("studio-a", 8, NOW_MS), greeting("run-1", 30));
    expect(after.histories.get("studio-a")?.points).toEqual(before.histories.get("studio-a")?.points);
    expect(after.histories.get("studio-a")?.complete).toBe(false);
  });

  it("starts the score lines anew with a new run, whose tracks are others", () => {
    const state = ready(greeting("run-1", 7), scoreOf("studio-a", 8, NOW_MS), greeting("run-2", 0));
    expect(state.run).toBe("run-2");
    expect(state.histories.get("studio-a")?.points).toEqual([]);
  });

  it("refuses fetched scores of a run that is over", () => {
    const state = ready(greeting("run-2", 0));
    expect(addFetchedScores(state, { run: "run-1", stream: "studio-a", scores: scoreLine({ track: 1, seconds: 5, shape: () => 0.5 }) })).toBe(state);
  });

  it("forgets a stream, and its scores, that a new snapshot no longer has", () => {
    const state = ready(greeting("run-1", 7), scoreOf("studio-a", 8, NOW_MS), greeting("run-1", 9, { streams: [idleStream("studio-b")] }));
    expect([...state.histories.keys()]).toEqual(["studio-b"]);
    expect(ready(greeting("run-1", 0), scoreOf("nobody", 1, NOW_MS)).histories.has("nobody")).toBe(false);
  });
});

it("estimates how far the daemon's clock is ahead by the message that was fastest", () => {
  const state = ready(greeting("run-1", 0), scoreOf("studio-a", 1, NOW_MS + 4200), scoreOf("studio-a", 2, NOW_MS + 4900), scoreOf("studio-a", 3, NOW_MS + 4000));
  expect(state.serverAheadMs).toBe(4900);
});
