/** The WebSocket to the daemon: connects, resumes, notices silence, and reconnects with back-off and jitter. */
import type { ServerMessage } from "../../daemon/protocol.ts";

export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** Reconnecting by itself at `retryAtMs`. */
  | { readonly kind: "lost"; readonly sinceMs: number; readonly retryAtMs: number }
  /** The daemon answers, and refuses this page: only a person can change that. */
  | { readonly kind: "refused"; readonly reason: "unauthorized" | "forbidden" };

/** What the page has seen. */
export interface ResumePoint {
  /** Number of the last alert event: what was told since then comes first. */
  readonly since: number;
  /** Where to go on in the daemon's run, or null for a snapshot. */
  readonly message: { readonly run: string; readonly seq: number } | null;
}

export interface LiveConnectionOptions {
  /** `http://host:port` of the daemon. */
  readonly origin: string;
  /** Null before the first snapshot. */
  readonly resumePoint: () => ResumePoint | null;
  /** Takes a message in; `gap` renews the connection. */
  readonly onMessage: (message: ServerMessage) => "ok" | "gap";
  readonly onConnection: (connection: Connection) => void;
  readonly random?: () => number;
}

export interface LiveConnection extends AsyncDisposable {
  /** Connects at once instead of waiting for the back-off; nothing while open. */
  retryNow(): void;
  close(): Promise<void>;
}

const OPEN_TIMEOUT_MS = 10_000;
/** Live streams speak four times a second and the daemon at least now and then: silence this long asks whether it is there. */
const SILENCE_MS = 20_000;
const PROBE_TIMEOUT_MS = 5000;
/** A connection that held this long starts the back-off anew. */
const SETTLED_MS = 10_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 15_000;

/** Half fixed, half random, so that a room full of dashboards does not return in one instant. */
export function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt);
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}

export function startLiveConnection(options: LiveConnectionOptions, signal?: AbortSignal): LiveConnection {
  const random = options.random ?? Math.random;
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let lostSinceMs: number | null = null;
  let closed = false;

  const after = (delayMs: number, action: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(action, delayMs);
  };

  /** Forgets the socket first, so that none of its later events are taken for the next one's. */
  const drop = (): void => {
    const dropped = socket;
    socket = null;
    clearTimeout(timer);
    dropped?.close();
  };

  const connect = (): void => {
    drop();
    const url = new URL("/api/v1/live", options.origin);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const resume = options.resumePoint();
    if (resume !== null) {
      url.searchParams.set("since", String(resume.since));
      if (resume.message !== null) {
        url.searchParams.set("run", resume.message.run);
        url.searchParams.set("message", String(resume.message.seq));
      }
    }
    const current = new WebSocket(url);
    socket = current;
    let openedAtMs: number | null = null;

    current.addEventListener("message", (event) => {
      if (socket !== current) return;
      const message = parseMessage(event.data);
      if (message === null) return;
      const step = options.onMessage(message);
      if (step === "gap") {
        lose();
        return;
      }
      if (openedAtMs === null) {
        openedAtMs = performance.now();
        lostSinceMs = null;
        options.onConnection({ kind: "open" });
      }
      if (performance.now() - openedAtMs > SETTLED_MS) attempt = 0;
      after(SILENCE_MS, watchSilence);
    });
    current.addEventListener("close", () => {
      if (socket !== current) return;
      // A refused upgrade does not tell its status to a script: ask by HTTP.
      if (openedAtMs === null) void loseOrGiveUp();
      else lose();
    });
    after(OPEN_TIMEOUT_MS, lose);
  };

  const lose = (): void => {
    drop();
    lostSinceMs ??= Date.now();
    const delayMs = backoffMs(attempt, random);
    attempt += 1;
    options.onConnection({ kind: "lost", sinceMs: lostSinceMs, retryAtMs: Date.now() + delayMs });
    after(delayMs, connect);
  };

  const loseOrGiveUp = async (): Promise<void> => {
    drop();
    const answer = await probe(options.origin);
    if (closed || socket !== null) return;
    if (answer === "unauthorized" || answer === "forbidden") options.onConnection({ kind: "refused", reason: answer });
    else lose();
  };

  const watchSilence = (): void => {
    const watched = socket;
    void probe(options.origin).then((answer) => {
      if (socket !== watched || closed) return;
      if (answer === "ok") after(SILENCE_MS, watchSilence);
      else lose();
    });
  };

  const close = (): Promise<void> => {
    closed = true;
    drop();
    return Promise.resolve();
  };
  signal?.addEventListener("abort", () => void close(), { once: true });

  options.onConnection({ kind: "connecting" });
  connect();
  return {
    retryNow: () => {
      if (closed || socket !== null) return;
      connect();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Asks the daemon whether it is there and takes this page. Never throws. */
async function probe(origin: string): Promise<"ok" | "unauthorized" | "forbidden" | "unreachable"> {
  try {
    const response = await fetch(new URL("/api/v1/system", origin), { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS), cache: "no-store" });
    if (response.status === 401) return "unauthorized";
    if (response.status === 403) return "forbidden";
    return response.ok ? "ok" : "unreachable";
  } catch {
    return "unreachable";
  }
}

function parseMessage(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null;
  try {
    const value: unknown = JSON.parse(data);
    const isMessage = typeof value === "object" && value !== null && "type" in value;
    // The daemon of the same origin wrote it from the same schema; only the envelope is checked.
    return isMessage ? (value as ServerMessage) : null;
  } catch {
    return null;
  }
}
