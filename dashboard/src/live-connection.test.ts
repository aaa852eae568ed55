/** The live connection against real sockets: snapshot, resume, gap, new run, refusal, and no return after close. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { alert, liveStream, scored, scoreLine, snapshot } from "../testing/scenario.ts";
import { type ScriptedDaemon, startScriptedDaemon } from "../testing/scripted-daemon.ts";
import { backoffMs } from "./live-connection.ts";
import { type LiveStore, startLiveStore } from "./live-store.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).toReversed()) await resource[Symbol.asyncDispose]();
});

async function start(): Promise<{ daemon: ScriptedDaemon; store: LiveStore }> {
  const daemon = await startScriptedDaemon({ dashboardDir: null, snapshot: snapshot({ streams: [liveStream("studio-a")] }), thumbnail: () => undefined });
  const store = startLiveStore({ origin: daemon.url, schedule: queueMicrotask });
  open.push(daemon, store);
  return { daemon, store };
}

function seqOf(store: LiveStore): number | null {
  const { state } = store.getView();
  return state.kind === "ready" ? state.seq : null;
}

async function untilOpen(store: LiveStore): Promise<void> {
  await vi.waitFor(() => expect(store.getView().connection.kind).toBe("open"), 10_000);
}

const point = { at: 1, ptsMs: 1, track: 1, frames: 100, score: 0.5, coverage: 1 };

describe("the back-off", () => {
  it("doubles up to its ceiling, and half of it is chance", () => {
    expect([0, 1, 2, 10].map((attempt) => backoffMs(attempt, () => 0))).toEqual([250, 500, 1000, 7500]);
    expect([0, 1, 2, 10].map((attempt) => backoffMs(attempt, () => 1))).toEqual([500, 1000, 2000, 15_000]);
  });
});

describe("the live connection", () => {
  it("starts with a snapshot and fetches the scores from before", async () => {
    const daemon = await startScriptedDaemon({ dashboardDir: null, snapshot: snapshot({ streams: [liveStream("studio-a")] }), thumbnail: () => undefined });
    open.push(daemon);
    daemon.setScores("studio-a", scoreLine({ track: 1, seconds: 300, shape: () => 0.4 }));
    const store = startLiveStore({ origin: daemon.url, schedule: queueMicrotask });
    open.push(store);
    await untilOpen(store);
    await vi.waitFor(() => {
      const { state } = store.getView();
      expect(state.kind === "ready" ? state.histories.get("studio-a") : null).toMatchObject({ complete: true, points: { length: 300 } });
    });
  });

  it("resumes after a cut and misses nothing that was said meanwhile", async () => {
    const { daemon, store } = await start();
    await untilOpen(store);
    daemon.setAccess("down");
    await vi.waitFor(() => expect(store.getView().connection.kind).toBe("lost"));
    daemon.push({ type: "stream", stream: liveStream("studio-a", { verdict: scored(0.9) }) });
    daemon.setAccess("open");
    await untilOpen(store);
    await vi.waitFor(() => expect(seqOf(store)).toBe(1));
    expect(daemon.greetings).toEqual(["snapshot", "resumed"]);
  });

  it("asks for a snapshot when a number is missing", async () => {
    const { daemon, store } = await start();
    await untilOpen(store);
    daemon.skip();
    daemon.push({ type: "score", stream: "studio-a", point });
    await vi.waitFor(() => expect(daemon.greetings).toEqual(["snapshot", "snapshot"]), 10_000);
    await vi.waitFor(() => expect(seqOf(store)).toBe(2));
  });

  it("is told by a daemon that was restarted what happened meanwhile", async () => {
    const { daemon, store } = await start();
    await untilOpen(store);
    const gone = alert("studio-a", { state: "resolved", resolution: "daemon-restarted", resolvedAt: Date.now() });
    daemon.setEvents([
      { seq: 1, id: "event-1", kind: "new", at: 1, alert: { ...gone, state: "firing", resolution: null, resolvedAt: null } },
      { seq: 2, id: "event-2", kind: "end", at: 2, alert: gone },
    ]);
    daemon.restart(snapshot({ run: "another-run", eventSeq: 2 }));
    await vi.waitFor(() => expect(store.getView().state).toMatchObject({ kind: "ready", run: "another-run", eventSeq: 2, missed: { fired: 1 }, alerts: [{ id: gone.id }] }), 10_000);
  });

  it("takes the snapshot of a daemon that was restarted", async () => {
    const { daemon, store } = await start();
    await untilOpen(store);
    daemon.push({ type: "score", stream: "studio-a", point });
    await vi.waitFor(() => expect(seqOf(store)).toBe(1));
    daemon.restart(snapshot({ run: "another-run", streams: [] }));
    await vi.waitFor(() => expect(store.getView().state).toMatchObject({ kind: "ready", run: "another-run", seq: 0, streamNames: [] }), 10_000);
  });

  it.each(["unauthorized", "forbidden"] as const)("gives up when it is %s, and tries again when asked", async (access) => {
    const { daemon, store } = await start();
    await untilOpen(store);
    daemon.setAccess(access);
    await vi.waitFor(() => expect(store.getView().connection).toEqual({ kind: "refused", reason: access }), 10_000);
    daemon.setAccess("open");
    store.retryNow();
    await untilOpen(store);
  });

  it("does not come back once it is closed", async () => {
    const { daemon, store } = await start();
    await untilOpen(store);
    await store.close();
    await store.close();
    await vi.waitFor(() => expect(daemon.clients()).toBe(0));
    store.retryNow();
    expect(daemon.greetings).toHaveLength(1);
  });
});
