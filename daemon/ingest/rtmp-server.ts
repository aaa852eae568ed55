/** The RTMP listener: takes publishers' connections and hands them to the register. */
import { once } from "node:events";
import { type Socket, createServer } from "node:net";
import logger from "node-media-server/src/core/logger.js";
import { TruecastError } from "../../pipelines/errors.ts";
import type { IngestLimits } from "./limits.ts";
import type { PublisherRegister } from "./publisher-register.ts";
import { type RtmpConnection, openRtmpConnection, remoteAddress } from "./rtmp-connection.ts";

export interface RtmpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly app: string;
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly register: PublisherRegister;
}

export interface RtmpServer extends AsyncDisposable {
  readonly port: number;
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
  const connections = new Set<RtmpConnection>();

  const accept = (socket: Socket): void => {
    if (connections.size >= limits.maxConnections) {
      register.refused("capacity-reached", `${limits.maxConnections} connections are open.`, remoteAddress(socket));
      socket.on("error", () => {}); // The refusal is the report; a reset by the refused client adds nothing.
      socket.destroy();
      return;
    }
    const connection = openRtmpConnection({
      socket,
      app,
      limits,
      clock,
      admit: (publisher, name) => register.admit(publisher, register.streamOf(name)),
      onPublishing: (publisher, publication) => register.begun(publisher, publication, "rtmp"),
      onEnd(ended, end, publication) {
        if (publication !== null) register.ended(publication, end);
        else if (end.code !== "closed") register.refused(end.code, end.message, ended.remote);
      },
      onClosed: (closed) => connections.delete(closed),
    });
    connections.add(connection);
  };

  const server = createServer(accept);
  await listen(server, options);
  // From here on an error is a socket that could not be accepted, for want of file descriptors.
  server.on("error", (error: NodeJS.ErrnoException) => register.refused("capacity-reached", `A connection could not be accepted (${error.code ?? error.name}).`, "unknown"));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TruecastError("internal", "The RTMP listener has no port.");

  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.destroy();
      await closed;
    })();
    return closing;
  };

  return {
    port: address.port,
    get connections() {
      return connections.size;
    },
    tick() {
      for (const connection of connections) connection.tick();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: ReturnType<typeof createServer>, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    const where = `${host}:${port}`;
    if (code === "EADDRINUSE") throw new TruecastError("port-in-use", `RTMP cannot listen on ${where}: another process holds the port.`, { cause: error });
    throw new TruecastError("config-invalid", `RTMP cannot listen on ${where} (${code}).`, { cause: error });
  }
}
