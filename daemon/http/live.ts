/** The WebSocket side: a snapshot, then numbered deltas to every client, none of which can slow another. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import { type ServerOptions, WebSocket, WebSocketServer } from "ws";
import { type ServerMessage, SLOW_CLIENT_CLOSE_CODE } from "../protocol.ts";
import { createCoalescer } from "./coalescer.ts";
import type { HttpLimits } from "./limits.ts";
import { createMessageRing } from "./ring.ts";
import type { HttpEvent, HttpSource, LiveEnd, LiveUpdate } from "./source.ts";

/** Clients have nothing to say; a close frame's reason is the longest thing they may send. */
const MAX_CLIENT_MESSAGE_BYTES = 125;
/** A client that answers none of this many pings in a row is dead. */
const MAX_MISSED_PONGS = 2;
/** RFC 6455 section 7.4.1. */
const CLOSE = { goingAway: 1001, policy: 1008, internal: 1011 } as const;

export interface LiveOptions {
  readonly source: HttpSource;
  readonly limits: HttpLimits;
  readonly log: Logger;
  readonly onEvent: (event: HttpEvent) => void;
}

/** What a client that comes back last saw. */
export interface ResumePoint {
  readonly run: string;
  readonly since: number;
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
  accept(upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer }, resume: ResumePoint | null): void;
  /** False when no further client is taken. */
  hasRoom(): boolean;
  stats(): LiveStats;
  close(): Promise<void>;
}

interface Client {
  readonly socket: WebSocket;
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
    for (const client of clients) send(client, message);
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

  function welcome(socket: WebSocket, resume: ResumePoint | null): void {
    const client: Client = { socket, missedPongs: 0, end: null };
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

    const missed = resume !== null && resume.run === run ? ring.after(resume.since, limits.maxClientBufferBytes / 2) : null;
    onEvent({ kind: "live-opened", resumed: missed !== null });
    if (resume === null || missed === null) return sendSnapshot(client);
    const resumed: ServerMessage = { type: "resumed", run, seq: resume.since };
    send(client, Buffer.from(JSON.stringify(resumed)));
    for (const message of missed) send(client, message);
  }

  function sendSnapshot(client: Client): void {
    try {
      const snapshot: ServerMessage = {
        type: "snapshot",
        run,
        seq: ring.lastSeq,
        system: source.system(),
        model: source.model(),
        streams: source.streams(),
        alerts: [...source.snapshotAlerts()],
      };
      send(client, Buffer.from(JSON.stringify(snapshot)));
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
