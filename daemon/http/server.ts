/** The HTTP port of the daemon: API, WebSocket, metrics and dashboard, closed to other machines unless a token guards it. */
import type { AddressInfo } from "node:net";
import { isIPv6 } from "node:net";
import { resolve } from "node:path";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import type { AccessRules } from "./access.ts";
import { buildApp } from "./app.ts";
import type { Authority } from "./authority.ts";
import { trustedProxies } from "./client-address.ts";
import type { Gate } from "./gate.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "./limits.ts";
import { type LiveStats, startLive } from "./live.ts";
import type { HttpEvent, HttpSource, LiveUpdate } from "./source.ts";
import { handleUpgrade } from "./upgrade.ts";

export interface HttpServerOptions {
  /** Address to bind; only requests to a loopback one can be local. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly authority: Authority;
  readonly allowedHosts?: readonly string[];
  readonly allowedOrigins?: readonly string[];
  /** Addresses and CIDR blocks of proxies whose X-Forwarded headers are believed. */
  readonly trustedProxies?: readonly string[];
  /** Where `vite build` puts the dashboard. */
  readonly dashboardDir: string;
  readonly log: Logger;
  readonly source: HttpSource;
  readonly onEvent: (event: HttpEvent) => void;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpServer extends AsyncDisposable {
  /** Where it listens, `http://host:port`. */
  readonly url: string;
  readonly port: number;
  /** Names this run in WebSocket messages. */
  readonly run: string;
  /** Tells every WebSocket client; never waits for one. */
  broadcast(update: LiveUpdate): void;
  liveStats(): LiveStats;
  /** Ends WebSocket clients with 1001, lets requests under way finish for a moment, then closes every socket. */
  close(): Promise<void>;
}

/** @throws TruecastError config-invalid, port-in-use */
export async function startHttpServer(options: HttpServerOptions, signal?: AbortSignal): Promise<HttpServer> {
  const { authority, log, source, onEvent } = options;
  const limits: HttpLimits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  signal?.throwIfAborted();
  // Given the name, fastify would open a second server on ::1, and that one takes no WebSocket.
  const host = options.host === "localhost" ? "127.0.0.1" : options.host;
  const rules: AccessRules = { boundHost: host, allowedHosts: options.allowedHosts ?? [], allowedOrigins: options.allowedOrigins ?? [] };
  const gate: Gate = { rules, proxies: trustedProxies(options.trustedProxies ?? []), authority };
  const live = startLive({ source, isCurrent: (principal) => authority.isCurrent(principal), limits, log, onEvent });
  const app = await buildApp({ gate, authority, dashboardDir: resolve(options.dashboardDir), limits, log, source, run: live.run, onEvent }).catch(async (error: unknown) => {
    await live.close();
    throw error;
  });
  app.server.maxConnections = limits.maxLiveClients + limits.maxRequestConnections;
  app.server.on("drop", () => onEvent({ kind: "refused", reason: "connections" }));
  app.server.on("upgrade", (request, socket, head) => handleUpgrade({ request, socket, head }, { gate, live, onEvent }));

  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      signal?.removeEventListener("abort", closeOnAbort);
      const cut = setTimeout(() => app.server.closeAllConnections(), limits.drainTimeoutMs);
      try {
        await Promise.all([live.close(), app.close()]);
      } finally {
        clearTimeout(cut);
      }
    })();
    return closed;
  };
  const closeOnAbort = (): void => {
    close().catch((error: unknown) => log.error({ err: error }, "the HTTP server did not close cleanly"));
  };

  try {
    await app.listen({ host, port: options.port });
  } catch (error) {
    await close();
    throw listenError(error, `${bracketed(host)}:${options.port}`);
  }
  if (signal?.aborted === true) {
    await close();
    signal.throwIfAborted();
  }
  signal?.addEventListener("abort", closeOnAbort, { once: true });

  const { port } = app.server.address() as AddressInfo;
  const url = `http://${bracketed(host)}:${port}`;
  log.info({ url }, "HTTP server listens");
  return { url, port, run: live.run, broadcast: (update) => live.broadcast(update), liveStats: () => live.stats(), close, [Symbol.asyncDispose]: close };
}

function listenError(error: unknown, where: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return new TruecastError("port-in-use", `http: ${where} is taken by another process`, { cause: error });
    case "EACCES":
      return new TruecastError("config-invalid", `http: not permitted to listen on ${where}`, { cause: error });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new TruecastError("config-invalid", `http: ${where} is not an address of this machine`, { cause: error });
    default:
      return error;
  }
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
