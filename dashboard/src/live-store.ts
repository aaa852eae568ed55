/** Holds the page's live state, keeps it fed, and tells React about changes at most ten times a second. */
import type { StreamDetail } from "../../daemon/protocol.ts";
import { type Connection, startLiveConnection } from "./live-connection.ts";
import { addFetchedScores, type LiveState, reduceMessage } from "./live-state.ts";

export interface LiveView {
  readonly state: LiveState;
  readonly connection: Connection;
  /** When the daemon last said anything, by this page's clock. */
  readonly lastMessageAtMs: number | null;
}

export interface LiveStore extends AsyncDisposable {
  readonly getView: () => LiveView;
  readonly subscribe: (listener: () => void) => () => void;
  readonly retryNow: () => void;
  close(): Promise<void>;
}

export interface LiveStoreOptions {
  readonly origin: string;
  /** Runs `flush` soon, or later while nobody can see the page. */
  readonly schedule: (flush: () => void) => void;
}

/** At most this many histories are fetched at a time, so that a wall of streams opens without a burst. */
const HISTORY_FETCHES = 3;
const HISTORY_RETRY_MS = 10_000;

export function startLiveStore(options: LiveStoreOptions, signal?: AbortSignal): LiveStore {
  let view: LiveView = { state: { kind: "empty" }, connection: { kind: "connecting" }, lastMessageAtMs: null };
  const listeners = new Set<() => void>();
  let flushPending = false;
  let snapshotNeeded = false;
  const ending = new AbortController();

  const update = (next: LiveView): void => {
    view = next;
    if (flushPending) return;
    flushPending = true;
    options.schedule(() => {
      flushPending = false;
      for (const listener of listeners) listener();
    });
  };

  const fetching = new Set<string>();
  let historyTimer: ReturnType<typeof setTimeout> | undefined;

  /** Starts fetches for streams whose history is incomplete, up to the limit; each one that ends starts the next. */
  const fetchHistories = (): void => {
    const state = view.state;
    if (state.kind === "empty" || ending.signal.aborted) return;
    for (const name of state.streamNames) {
      if (fetching.size >= HISTORY_FETCHES) return;
      if (fetching.has(name) || state.histories.get(name)?.complete === true) continue;
      fetching.add(name);
      void fetchHistory(state.run, name);
    }
  };

  const fetchHistory = async (run: string, name: string): Promise<void> => {
    try {
      const url = new URL(`/api/v1/streams/${encodeURIComponent(name)}`, options.origin);
      const response = await fetch(url, { signal: AbortSignal.any([ending.signal, AbortSignal.timeout(10_000)]), cache: "no-store" });
      if (!response.ok) throw new Error(`The daemon answered ${response.status}.`);
      const detail = (await response.json()) as StreamDetail;
      update({ ...view, state: addFetchedScores(view.state, { run, stream: name, scores: detail.scores }) });
      fetching.delete(name);
      fetchHistories();
    } catch {
      // The line then only holds what came live, until a later try; `name` stays taken so that it is not hammered.
      clearTimeout(historyTimer);
      historyTimer = setTimeout(() => {
        fetching.clear();
        fetchHistories();
      }, HISTORY_RETRY_MS);
    }
  };

  const connection = startLiveConnection(
    {
      origin: options.origin,
      resumePoint: () => {
        const { state } = view;
        if (state.kind === "empty") return null;
        return { since: state.eventSeq, message: snapshotNeeded ? null : { run: state.run, seq: state.seq } };
      },
      onMessage: (message) => {
        const nowMs = Date.now();
        const reduction = reduceMessage(view.state, message, nowMs);
        update({ ...view, state: reduction.state, lastMessageAtMs: nowMs });
        snapshotNeeded = reduction.step === "gap";
        if (message.type === "snapshot") fetchHistories();
        return reduction.step;
      },
      onConnection: (next) => update({ ...view, connection: next }),
    },
    ending.signal,
  );

  const close = async (): Promise<void> => {
    ending.abort();
    clearTimeout(historyTimer);
    listeners.clear();
    await connection.close();
  };
  signal?.addEventListener("abort", () => void close(), { once: true });

  return {
    getView: () => view,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    retryNow: () => connection.retryNow(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
