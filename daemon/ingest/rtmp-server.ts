/** The RTMP listener: admits publishers by key, one a path, and reports what becomes of them. */
import { once } from "node:events";
import { type Socket, createServer } from "node:net";
import logger from "node-media-server/src/core/logger.js";
import { type ErrorCode, TruecastError } from "../../pipelines/errors.ts";
import { INGEST_LIMITS, type IngestLimits } from "./limits.ts";
import type { IngestCommand, IngestEvent, IngestOptions } from "./messages.ts";
import { type Publication, createPublication } from "./publication.ts";
import { type RtmpConnection, openRtmpConnection, remoteAddress } from "./rtmp-connection.ts";
import { createStreamKeys } from "./stream-keys.ts";

export interface RtmpServer extends AsyncDisposable {
  readonly port: number;
  apply(command: IngestCommand): void;
  close(): Promise<void>;
}

/** A longer gap between two ticks means that this process stood still: silence meanwhile is not the publishers'. */
const MAX_TICK_GAP_MS = 1_000;

/** @throws TruecastError port-in-use, config-invalid */
export async function startRtmpServer(options: IngestOptions & { readonly onEvent: (event: IngestEvent) => void }, signal?: AbortSignal): Promise<RtmpServer> {
  signal?.throwIfAborted();
  const { host = "127.0.0.1", app = "live", onEvent } = options;
  const limits: IngestLimits = { ...INGEST_LIMITS, ...options.limits };
  let keys = createStreamKeys(options.streams);
  // Its lines name paths, and paths here are keys.
  logger.log = () => {};

  const connections = new Set<RtmpConnection>();
  const publishers = new Map<string, { readonly connection: RtmpConnection; readonly publication: Publication }>();
  const refusals: Partial<Record<ErrorCode, number>> = {};
  let refusalReports = 0;
  let clockMs = 0;
  let lastTickMs = performance.now();
  const clock = () => clockMs + Math.min(performance.now() - lastTickMs, MAX_TICK_GAP_MS);

  const count = (code: ErrorCode): void => {
    refusals[code] = (refusals[code] ?? 0) + 1;
  };
  const refused = (code: ErrorCode, message: string, remote: string): void => {
    count(code);
    refusalReports += 1;
    if (refusalReports <= limits.maxRefusalReportsPerSecond) onEvent({ type: "connection-refused", code, message, remote });
  };

  const admit = (connection: RtmpConnection, name: string): Publication => {
    const stream = keys.streamOf(name);
    const current = publishers.get(stream.name);
    if (current !== undefined) {
      if (!current.publication.stalled) throw new TruecastError("publisher-exists", `Another publisher holds stream "${stream.name}".`);
      current.connection.end("publisher-stalled", "The publisher sent no media and another one took its path.");
    } else if (publishers.size >= limits.maxPublishers) {
      throw new TruecastError("capacity-reached", `${limits.maxPublishers} publishers are connected; no more are admitted.`);
    }
    return createPublication({ stream, sessionId: connection.sessionId, limits, clock, onEvent });
  };

  const accept = (socket: Socket): void => {
    if (connections.size >= limits.maxConnections) {
      refused("capacity-reached", `${limits.maxConnections} connections are open.`, remoteAddress(socket));
      socket.on("error", () => {}); // The refusal is the report; a reset by the refused client adds nothing.
      socket.destroy();
      return;
    }
    const connection = openRtmpConnection({
      socket,
      app,
      limits,
      clock,
      admit,
      onPublishing(publisher, publication) {
        publishers.set(publication.session.stream, { connection: publisher, publication });
        onEvent({ type: "published", ...publication.session, protocol: "rtmp", videoCodec: null, connectedAt: Date.now(), remote: publisher.remote });
      },
      onEnd(ended, { code, message }, publication) {
        if (publication === null) {
          if (code !== "closed") refused(code, message, ended.remote);
          return;
        }
        if (code !== "closed") count(code);
        publication.close();
        publishers.delete(publication.session.stream);
        onEvent({ type: "publisher-lost", ...publication.session, code, message });
      },
      onClosed: (closed) => connections.delete(closed),
    });
    connections.add(connection);
  };

  const server = createServer(accept);
  await listen(server, { host, port: options.port ?? 1935 });
  // From here on an error is a socket that could not be accepted, for want of file descriptors.
  server.on("error", (error: NodeJS.ErrnoException) => refused("capacity-reached", `A connection could not be accepted (${error.code ?? error.name}).`, "unknown"));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TruecastError("internal", "The RTMP listener has no port.");

  const ticker = setInterval(() => {
    const nowMs = performance.now();
    clockMs += Math.min(nowMs - lastTickMs, MAX_TICK_GAP_MS);
    lastTickMs = nowMs;
    for (const connection of connections) connection.tick();
  }, limits.tickMs);
  const reporter = setInterval(() => {
    refusalReports = 0;
    const streams = [...publishers.values()].map(({ connection, publication }) => publication.stats(connection.bytesIn));
    onEvent({ type: "stats", streams, connections: connections.size, rssBytes: process.memoryUsage.rss(), refusals: { ...refusals } });
  }, limits.statsIntervalMs);

  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      clearInterval(ticker);
      clearInterval(reporter);
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.destroy();
      await closed;
    })();
    return closing;
  };
  signal?.addEventListener("abort", () => void close(), { once: true });

  return {
    port: address.port,
    apply(command) {
      switch (command.type) {
        case "route": {
          const publisher = publishers.get(command.stream);
          if (publisher?.publication.session.sessionId === command.sessionId) publisher.publication.routeTo(command.socketPath);
          else onEvent({ type: "route-lost", stream: command.stream, sessionId: command.sessionId, message: "The session has ended." });
          return;
        }
        case "kick":
          publishers.get(command.stream)?.connection.end(command.code, command.message ?? "The publisher was ended by the operator.");
          return;
        case "setKeys":
          try {
            keys = createStreamKeys(command.streams);
          } catch (error) {
            if (!(error instanceof TruecastError)) throw error;
            onEvent({ type: "keys-refused", code: error.code, message: error.message });
            return;
          }
          for (const { connection, publication } of publishers.values()) {
            if (!keys.holds(publication.stream)) connection.end("key-unknown", "The stream or its key is no longer configured.");
          }
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: ReturnType<typeof createServer>, address: { readonly host: string; readonly port: number }): Promise<void> {
  server.listen(address);
  try {
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    const where = `${address.host}:${address.port}`;
    if (code === "EADDRINUSE") throw new TruecastError("port-in-use", `RTMP cannot listen on ${where}: another process holds the port.`, { cause: error });
    throw new TruecastError("config-invalid", `RTMP cannot listen on ${where} (${code}).`, { cause: error });
  }
}
