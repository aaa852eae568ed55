/** A small stand-in for the daemon in tests: serves the built dashboard under the strictest policy, and says what the test scripts. */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { AlertEvent, ScorePoint, ServerMessage } from "../../daemon/protocol.ts";

export type Snapshot = Omit<Extract<ServerMessage, { type: "snapshot" }>, "type" | "seq">;
type Numbered = Exclude<ServerMessage, { type: "snapshot" | "resumed" | "missed" }>;
/** A delta as a test writes it; the daemon numbers it. */
export type Delta = Numbered extends infer M ? (M extends Numbered ? Omit<M, "seq"> : never) : never;

/** `down`: nothing under /api answers, as if the daemon were gone after the page was loaded. */
export type Access = "open" | "unauthorized" | "forbidden" | "down";

export interface ScriptedDaemon extends AsyncDisposable {
  readonly url: string;
  /** Changes what new clients see, as a new run of the daemon: all clients are cut off. */
  restart(snapshot: Snapshot): void;
  push(delta: Delta): void;
  /** Numbers a message and keeps it from everyone, as if it had been lost. */
  skip(): void;
  /** Events that a client gets which asks for those after a number. */
  setEvents(events: readonly AlertEvent[]): void;
  setScores(stream: string, scores: readonly ScorePoint[]): void;
  setAccess(access: Access): void;
  /** How the connections so far were made: with a snapshot or resumed. */
  readonly greetings: readonly ("snapshot" | "resumed")[];
  readonly clients: () => number;
  close(): Promise<void>;
}

export interface ScriptedDaemonOptions {
  /** Folder of the built dashboard; null serves the API alone. */
  readonly dashboardDir: string | null;
  readonly snapshot: Snapshot;
  readonly thumbnail: (stream: string) => Buffer | undefined;
}

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CONTENT_TYPES: Readonly<Record<string, string>> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const KEPT_MESSAGES = 2000;
const REFUSAL_STATUS = { unauthorized: 401, forbidden: 403 } as const;

export async function startScriptedDaemon(options: ScriptedDaemonOptions): Promise<ScriptedDaemon> {
  let snapshot = options.snapshot;
  let seq = 0;
  let kept: Numbered[] = [];
  let access: Access = "open";
  let events: readonly AlertEvent[] = [];
  const scores = new Map<string, readonly ScorePoint[]>();
  const greetings: ("snapshot" | "resumed")[] = [];
  const connections = new Set<Duplex>();
  const sockets = new WebSocketServer({ noServer: true });

  const server = createServer((request, response) => void answer(request, response));
  server.on("connection", (connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
  });
  server.on("upgrade", (request, connection, head) => {
    // A page that goes away resets its connection; that is no fault of the test.
    connection.on("error", () => connection.destroy());
    if (access === "down") connection.destroy();
    else if (access !== "open") connection.end(`HTTP/1.1 ${REFUSAL_STATUS[access]} Refused\r\nConnection: close\r\n\r\n`);
    else sockets.handleUpgrade(request, connection, head, (client) => greet(client, new URL(request.url ?? "/", "http://localhost")));
  });

  const greet = (client: WebSocket, url: URL): void => {
    const heard = Number(url.searchParams.get("message") ?? Number.NaN);
    if (url.searchParams.get("run") === snapshot.run && heard <= seq && heard >= seq - kept.length) {
      greetings.push("resumed");
      client.send(JSON.stringify({ type: "resumed", run: snapshot.run, seq: heard } satisfies ServerMessage));
      for (const message of kept.slice(kept.length - (seq - heard))) client.send(JSON.stringify(message));
      return;
    }
    const since = url.searchParams.get("since");
    if (since !== null) {
      const missed = events.filter((event) => event.seq > Number(since));
      client.send(JSON.stringify({ type: "missed", events: missed, gap: false, oldest: 1, newest: events.at(-1)?.seq ?? 0, last: true } satisfies ServerMessage));
    }
    greetings.push("snapshot");
    client.send(JSON.stringify({ type: "snapshot", seq, ...snapshot } satisfies ServerMessage));
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (!url.pathname.startsWith("/api/")) {
      await answerFile(url.pathname, response);
    } else if (access === "down") {
      request.socket.destroy();
    } else if (access !== "open") {
      response.writeHead(REFUSAL_STATUS[access], { "content-type": "application/problem+json" }).end("{}");
    } else {
      answerApi(url.pathname, response);
    }
  };

  const answerApi = (pathname: string, response: ServerResponse): void => {
    if (pathname === "/api/v1/system") {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(snapshot.system));
      return;
    }
    const [, name, picture] = /^\/api\/v1\/streams\/([^/]+)(\/thumbnail\.jpg)?$/.exec(pathname) ?? [];
    const stream = snapshot.streams.find((candidate) => candidate.name === decodeURIComponent(name ?? ""));
    const jpeg = stream === undefined ? undefined : options.thumbnail(stream.name);
    if (stream !== undefined && picture === undefined) response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ stream, scores: scores.get(stream.name) ?? [] }));
    else if (jpeg !== undefined) response.writeHead(200, { "content-type": "image/jpeg", "cache-control": "no-store" }).end(jpeg);
    else response.writeHead(404, { "content-type": "application/problem+json" }).end("{}");
  };

  const answerFile = async (pathname: string, response: ServerResponse): Promise<void> => {
    const path = normalize(pathname === "/" ? "/index.html" : pathname);
    try {
      const body = await readFile(join(options.dashboardDir ?? "/nonexistent", path));
      response.writeHead(200, { "content-type": CONTENT_TYPES[extname(path)] ?? "application/octet-stream", "content-security-policy": POLICY, "x-content-type-options": "nosniff" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  };

  const cutAll = (): void => {
    for (const client of sockets.clients) client.terminate();
    for (const connection of connections) connection.destroy();
  };

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const close = async (): Promise<void> => {
    cutAll();
    sockets.close();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${port}`,
    restart: (next) => {
      snapshot = next;
      seq = 0;
      kept = [];
      for (const client of sockets.clients) client.terminate();
    },
    push: (delta) => {
      seq += 1;
      const message = { ...delta, seq } as Numbered;
      kept = [...kept, message].slice(-KEPT_MESSAGES);
      snapshot = withDelta(snapshot, delta);
      const text = JSON.stringify(message);
      for (const client of sockets.clients) client.send(text);
    },
    skip: () => {
      seq += 1;
      kept = [];
    },
    setEvents: (next) => {
      events = next;
    },
    setScores: (stream, points) => void scores.set(stream, points),
    setAccess: (next) => {
      access = next;
      if (next !== "open") cutAll();
    },
    greetings,
    clients: () => sockets.clients.size,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What a client that connects after the delta would see. */
function withDelta(snapshot: Snapshot, delta: Delta): Snapshot {
  switch (delta.type) {
    case "stream":
      return snapshot.streams.some(({ name }) => name === delta.stream.name)
        ? { ...snapshot, streams: snapshot.streams.map((stream) => (stream.name === delta.stream.name ? delta.stream : stream)) }
        : { ...snapshot, streams: [...snapshot.streams, delta.stream] };
    case "stream-removed":
      return { ...snapshot, streams: snapshot.streams.filter(({ name }) => name !== delta.name) };
    case "alert":
      return { ...snapshot, alerts: [delta.alert, ...snapshot.alerts.filter((alert) => alert.id !== delta.alert.id)] };
    case "model":
      return { ...snapshot, model: delta.model };
    case "system":
      return { ...snapshot, system: delta.system };
    case "score":
      return snapshot;
  }
}
