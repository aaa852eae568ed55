/** The listeners of RTMP and RTMPS: take publishers' connections, under caps that count both, and hand them to the register. */
import { once } from "node:events";
import { type Server, type Socket, createServer } from "node:net";
import logger from "node-media-server/src/core/logger.js";
import { TruecastError } from "../../pipelines/errors.ts";
import type { IngestLimits } from "./limits.ts";
import type { PublishProtocol, RtmpsOptions } from "./messages.ts";
import type { PublisherRegister } from "./publisher-register.ts";
import { type RtmpConnection, openRtmpConnection, remoteAddress } from "./rtmp-connection.ts";
import type { CertificateNews, TlsTerminal } from "./tls-terminal.ts";

export interface RtmpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly rtmps: RtmpsOptions | null;
  readonly app: string;
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly register: PublisherRegister;
  readonly onCertificate: (news: CertificateNews) => void;
}

export interface RtmpServer extends AsyncDisposable {
  readonly port: number;
  readonly rtmpsPort: number | null;
  /** Open sockets, publishing or not. */
  readonly connections: number;
  /** Enforces the deadlines. */
  tick(): void;
  close(): Promise<void>;
}

/** @throws TruecastError port-in-use, config-invalid */
export async function startRtmpServer(options: RtmpServerOptions): Promise<RtmpServer> {
  const { app, limits, clock, register } = options;
  // Its lines name paths, and paths here are keys.
  logger.log = () => {};
  const sockets = new Set<Socket>();
  const connections = new Set<RtmpConnection>();

  const accept = (socket: Socket, take: (socket: Socket) => void): void => {
    // Whoever uses the socket hears of its end; a reset adds nothing.
    socket.on("error", () => {});
    if (sockets.size >= limits.maxConnections) {
      register.refused("capacity-reached", `${limits.maxConnections} connections are open.`, remoteAddress(socket));
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    take(socket);
  };

  const serve = (socket: Socket, protocol: PublishProtocol): void => {
    const connection = openRtmpConnection({
      socket,
      app,
      limits,
      clock,
      admit: (publisher, name) => register.admit(publisher, register.streamOf(name)),
      onPublishing: (publisher, publication) => register.begun(publisher, publication, protocol),
      onEnd(ended, end, publication) {
        if (publication !== null) register.ended(publication, end);
        else if (end.code !== "closed") register.refused(end.code, end.message, ended.remote);
      },
      onClosed: (closed) => connections.delete(closed),
    });
    connections.add(connection);
  };

  let terminal: TlsTerminal | null = null;
  const startTerminal = async (files: RtmpsOptions): Promise<TlsTerminal> => {
    // TLS adds a tenth to what this process loads at its start, for nothing where there is no certificate.
    const { startTlsTerminal } = await import("./tls-terminal.ts");
    return startTlsTerminal({
      files,
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
      certificateCheckMs: limits.certificateCheckMs,
      onSecured: (socket) => serve(socket, "rtmps"),
      onFailed(socket, { code }) {
        // One that only looks whether the port is open breaks no rule.
        if (code !== "ECONNRESET") register.refused("protocol-violation", `The TLS handshake failed (${code ?? "unknown"}).`, remoteAddress(socket));
      },
      onCertificate: options.onCertificate,
    });
  };

  const listeners: Server[] = [];
  const close = async (): Promise<void> => {
    terminal?.close();
    const closed = Promise.all(listeners.map((server) => once(server, "close")));
    for (const server of listeners) server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const open = async (name: string, port: number, take: (socket: Socket) => void): Promise<number> => {
    const server = createServer((socket) => accept(socket, take));
    const bound = await listen(server, { name, host: options.host, port });
    listeners.push(server);
    // From here on an error is a socket that could not be accepted, for want of file descriptors.
    server.on("error", (error: NodeJS.ErrnoException) => register.refused("capacity-reached", `A connection could not be accepted (${error.code ?? error.name}).`, "unknown"));
    return bound;
  };
  let port: number;
  let rtmpsPort: number | null = null;
  try {
    port = await open("RTMP", options.port, (socket) => serve(socket, "rtmp"));
    if (options.rtmps) {
      const secured = await startTerminal(options.rtmps);
      terminal = secured;
      rtmpsPort = await open("RTMPS", options.rtmps.port, (socket) => secured.take(socket));
    }
  } catch (error) {
    await close();
    throw error;
  }

  let closing: Promise<void> | null = null;
  const closeOnce = (): Promise<void> => (closing ??= close());

  return {
    port,
    rtmpsPort,
    get connections() {
      return sockets.size;
    },
    tick() {
      for (const connection of connections) connection.tick();
    },
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** Resolves to the port. */
async function listen(server: Server, { name, host, port }: { readonly name: string; readonly host: string; readonly port: number }): Promise<number> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    const where = `${host}:${port}`;
    if (code === "EADDRINUSE") throw new TruecastError("port-in-use", `${name} cannot listen on ${where}: another process holds the port.`, { cause: error });
    throw new TruecastError("config-invalid", `${name} cannot listen on ${where} (${code}).`, { cause: error });
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new TruecastError("internal", `The ${name} listener has no port.`);
  return address.port;
}
