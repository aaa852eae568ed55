/** The WebSocket side: a snapshot, then numbered deltas to every client, none of which can slow another. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { type ServerOptions, WebSocket, WebSocketServer } from "ws";
import { type AlertEventPage, type ServerMessage, SLOW_CLIENT_CLOSE_CODE } from "../protocol.ts";
import { createCoalescer } from "./coalescer.ts";
import type { HttpLimits } from "./limits.ts";
import { createMessageRing } from "./ring.ts";
import type { HttpEvent, HttpSource, LiveEnd, LiveUpdate } from "./source.ts";

/** Clients have nothing to say; a close frame's reason is the longest thing they may send. */
const MAX_CLIENT_MESSAGE_BYTES = 125;
/** A client that answers none of this many pings in a row is dead. */
const MAX_MISSED_PONGS = 2;
/** Events in one message to a client that was away. */
const MISSED_PAGE = 100;
/** RFC 6455 section 7.4.1. */
const CLOSE = { goingAway: 1001, policy: 1008, internal: 1011 } as const;

export interface LiveOptions {
  readonly source: HttpSource;
  readonly limits: HttpLimits;
  readonly log: Logger;
  readonly onEvent: (event: HttpEvent) => void;
}

/** What a client that comes back last saw; nothing of either is a client that comes first. */
export interface ResumePoint {
  /** Number of an alert event. */
  readonly since: number | null;
  readonly message: { readonly run: string; readonly seq: number } | null;
}

export interface LiveStats {
  readonly clients: number;
  readonly seq: number;
  readonly ringMessages: number;
  readonly ringBytes: number;
  /** The most bytes that any client has left unread in this process. */
  readonly maxBufferedBytes: number;
}

export interface Live extends AsyncDisposable {
  /** Names this run of the daemon; numbers of another run mean nothing here. */
  readonly run: string;
  /** Numbers, serialises once and sends to all. `stream` updates are thinned out per stream; everything else goes at once. */
  broadcast(update: LiveUpdate): void;
  /** Takes over an upgrade request that has passed every check. */
  accept(upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer }, resume: ResumePoint): void;
  /** False when no further client is taken. */
  hasRoom(): boolean;
  stats(): LiveStats;
  close(): Promise<void>;
}

interface Client {
  readonly socket: WebSocket;
  /** False while it is told what it missed: the snapshot that follows holds everything else. */
  joined: boolean;
  missedPongs: number;
  /** Set by whatever ends the client; a client that ends by itself has left. */
  end: LiveEnd | null;
}

export function startLive({ source, limits, log, onEvent }: LiveOptions): Live {
  const run = randomUUID();
  const ring = createMessageRing({ maxMessages: limits.maxRingMessages, maxBytes: limits.maxRingBytes });
  const streams = createCoalescer<LiveUpdate>(limits.streamIntervalMs);
  const clients = new Set<Client>();
  // `closeTimeout` is missing from the types of ws; without it a peer that leaves half-way is kept for 30 s.
  const settings: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_CLIENT_MESSAGE_BYTES,
    closeTimeout: limits.closeTimeoutMs,
  };
  const sockets = new WebSocketServer(settings);
  let streamTimer: NodeJS.Timeout | null = null;
  let closed: Promise<void> | null = null;
  let whenEmpty: (() => void) | null = null;

  const pings = setInterval(() => {
    for (const client of clients) {
      if (client.missedPongs >= MAX_MISSED_PONGS) {
        client.end ??= "dead";
        client.socket.terminate();
        continue;
      }
      client.missedPongs += 1;
      if (client.socket.readyState === WebSocket.OPEN) client.socket.ping();
      dropIfSlow(client);
    }
  }, limits.pingIntervalMs);
  pings.unref();

  function broadcast(update: LiveUpdate): void {
    if (closed !== null) return;
    // Word of the stream that still waits would bring it back.
    if (update.type === "stream-removed") streams.drop(update.name);
    if (update.type !== "stream") return emit(update);
    const now = streams.offer(update.stream.name, update, performance.now());
    if (now !== null) emit(now);
    armStreamTimer();
  }

  function armStreamTimer(): void {
    const dueMs = streams.nextDueMs;
    if (streamTimer !== null || dueMs === null) return;
    streamTimer = setTimeout(() => {
      streamTimer = null;
      for (const update of streams.due(performance.now())) emit(update);
      armStreamTimer();
    }, Math.max(1, dueMs - performance.now()));
    streamTimer.unref();
  }

  function emit(update: LiveUpdate): void {
    const { type, ...rest } = update;
    const message = Buffer.from(JSON.stringify({ type, seq: ring.lastSeq + 1, ...rest }));
    ring.push(message);
    for (const client of clients) if (client.joined) send(client, message);
    onEvent({ kind: "live-message", type, bytes: message.length, clients: clients.size });
  }

  /** All clients share the one buffer; a slow one holds references, not copies. */
  function send(client: Client, message: Buffer): void {
    if (client.socket.readyState !== WebSocket.OPEN) return;
    client.socket.send(message, { binary: false });
    dropIfSlow(client);
  }

  function dropIfSlow(client: Client): void {
    if (client.socket.bufferedAmount > limits.maxClientBufferBytes) {
      end(client, { reason: "slow", code: SLOW_CLIENT_CLOSE_CODE, text: "reads too slowly", timeoutMs: limits.closeTimeoutMs });
    }
  }

  function end(client: Client, how: { reason: LiveEnd; code: number; text: string; timeoutMs: number }): void {
    if (client.end !== null) return;
    client.end = how.reason;
    client.socket.close(how.code, how.text);
    const timer = setTimeout(() => client.socket.terminate(), how.timeoutMs);
    client.socket.once("close", () => clearTimeout(timer));
  }

  function welcome(socket: WebSocket, resume: ResumePoint): void {
    const client: Client = { socket, joined: false, missedPongs: 0, end: null };
    clients.add(client);
    socket.on("pong", () => {
      client.missedPongs = 0;
    });
    // Each ping of a client is answered; one that pings and never reads must meet the same cap.
    socket.on("ping", () => dropIfSlow(client));
    socket.on("message", () => end(client, { reason: "protocol", code: CLOSE.policy, text: "clients send nothing", timeoutMs: limits.closeTimeoutMs }));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // Codes of ws name broken frames; anything else is the network's, and the client has left.
      if (error.code?.startsWith("WS_ERR") === true) client.end ??= "protocol";
    });
    socket.once("close", () => {
      clients.delete(client);
      onEvent({ kind: "live-closed", reason: client.end ?? "left" });
      if (client.end === "slow" || client.end === "dead") log.warn({ reason: client.end }, "dropped a WebSocket client");
      if (clients.size === 0) whenEmpty?.();
    });
    if (closed !== null) return end(client, { reason: "shutdown", code: CLOSE.goingAway, text: "shutting down", timeoutMs: limits.drainTimeoutMs });

    const missed = resume.message?.run === run ? ring.after(resume.message.seq, limits.maxClientBufferBytes / 2) : null;
    onEvent({ kind: "live-opened", resumed: missed !== null });
    if (resume.message !== null && missed !== null) {
      const resumed: ServerMessage = { type: "resumed", run, seq: resume.message.seq };
      send(client, Buffer.from(JSON.stringify(resumed)));
      for (const message of missed) send(client, message);
      client.joined = true;
    } else if (resume.since !== null) sendMissed(client, resume.since);
    else sendSnapshot(client);
  }

  /**
   * One page at a time, the next when the one before has left this process, so that a long absence fills no buffer. The
   * last page, the snapshot and joining happen in one turn: no event can fall between them, and none comes twice.
   */
  function sendMissed(client: Client, after: number): void {
    if (client.end !== null || client.socket.readyState !== WebSocket.OPEN) return;
    const page = eventsAfter(after);
    const newest = page.events.at(-1)?.seq;
    const last = newest === undefined || page.events.length < MISSED_PAGE;
    const message: ServerMessage = { type: "missed", ...page, last };
    client.socket.send(JSON.stringify(message), { binary: false }, (error) => {
      if (!last && !error) sendMissed(client, newest);
    });
    if (last) sendSnapshot(client);
  }

  /** A store that cannot be read keeps nobody from what happens now. */
  function eventsAfter(after: number): AlertEventPage {
    try {
      return source.events({ after, limit: MISSED_PAGE });
    } catch (error) {
      log.error({ err: error }, "a WebSocket client cannot be told what it missed");
      const newest = source.newestEvent();
      return { events: [], gap: true, oldest: newest + 1, newest };
    }
  }

  function sendSnapshot(client: Client): void {
    try {
      const snapshot: ServerMessage = {
        type: "snapshot",
        run,
        seq: ring.lastSeq,
        eventSeq: source.newestEvent(),
        system: source.system(),
        model: source.model(),
        streams: source.streams(),
        alerts: [...source.snapshotAlerts()],
      };
      send(client, Buffer.from(JSON.stringify(snapshot)));
      client.joined = true;
    } catch (error) {
      log.error({ err: error }, "no snapshot for a WebSocket client");
      end(client, { reason: "failed", code: CLOSE.internal, text: "no snapshot", timeoutMs: limits.closeTimeoutMs });
    }
  }

  function close(): Promise<void> {
    closed ??= new Promise((resolve) => {
      clearInterval(pings);
      if (streamTimer !== null) clearTimeout(streamTimer);
      whenEmpty = resolve;
      if (clients.size === 0) resolve();
      for (const client of clients) {
        // One that is being dropped already has had its chance to answer.
        if (client.end !== null) client.socket.terminate();
        else end(client, { reason: "shutdown", code: CLOSE.goingAway, text: "shutting down", timeoutMs: limits.drainTimeoutMs / 2 });
      }
    });
    return closed;
  }

  return {
    run,
    broadcast,
    accept: ({ request, socket, head }, resume) => sockets.handleUpgrade(request, socket, head, (client) => welcome(client, resume)),
    hasRoom: () => closed === null && clients.size < limits.maxLiveClients,
    stats: () => ({
      clients: clients.size,
      seq: ring.lastSeq,
      ringMessages: ring.count,
      ringBytes: ring.bytes,
      maxBufferedBytes: Math.max(0, ...Array.from(clients, (client) => client.socket.bufferedAmount)),
    }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
