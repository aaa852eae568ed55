/**
 * Takes crops from the analysis processes over a Unix socket and answers each with its scores.
 * A track lives no longer than the connection that feeds it: whoever connects anew counts slots and faces anew.
 */
import { chmod, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { InferenceEngine } from "./engine.ts";
import { type ClientMessage, decodeClientMessage, encodeServerMessage, MAX_OVERHEAD_BYTES, MessageReader, type ServerMessage, WIRE_VERSION } from "./wire.ts";

export interface CropServerOptions {
  readonly socketPath: string;
  readonly engine: InferenceEngine;
  readonly log: Logger;
}

export interface CropServer extends AsyncDisposable {
  readonly clients: number;
  /** Connections destroyed because of what they sent, since the start. */
  readonly protocolErrors: number;
  /** Stops listening and ends the connections; replies already given are still written. */
  close(): Promise<void>;
}

const MAX_CLIENTS = 64;
/** Replies are a few hundred bytes; a client this far behind does not read. */
const MAX_UNREAD_BYTES = 1 << 20;

export async function startCropServer({ socketPath, engine, log }: CropServerOptions): Promise<CropServer> {
  const cropBytes = engine.info.inputSizePx ** 2 * 3;
  const sockets = new Set<Socket>();
  const tracks = new TrackOwners(engine);
  let protocolErrors = 0;

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      tracks.endAll(socket);
    });
    // A client that goes away is an end like any other; its crops are answered into the void.
    socket.on("error", (error) => log.debug({ err: error }, "inference client's connection failed"));
    const reader = new MessageReader(cropBytes + MAX_OVERHEAD_BYTES);
    send(socket, { kind: "hello", version: WIRE_VERSION, model: engine.info.name, inputSizePx: engine.info.inputSizePx });
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) handle(decodeClientMessage(message, cropBytes), socket);
      } catch (error) {
        if (errorCodeOf(error) !== "protocol-violation") throw error;
        protocolErrors += 1;
        log.warn({ err: error }, "inference client sent what it must not; its connection is closed");
        socket.destroy();
      }
    });
  });
  server.maxConnections = MAX_CLIENTS;

  const handle = (message: ClientMessage, socket: Socket): void => {
    if (message.kind === "end-track") {
      tracks.end(message.track, socket);
      return;
    }
    const { id, request } = message;
    tracks.take(request.track, socket);
    engine.submit(request).then(
      (reply) => send(socket, { kind: "reply", id, reply }),
      (error: unknown) => send(socket, { kind: "failed", id, message: error instanceof Error ? error.message : String(error) }),
    );
  };

  // A predecessor that was killed leaves its socket file behind.
  await rm(socketPath, { force: true });
  server.listen(socketPath);
  await once(server, "listening");
  await chmod(socketPath, 0o600);

  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroySoon();
    await closed;
  };
  const close = (): Promise<void> => (closing ??= end());
  return {
    get clients() {
      return sockets.size;
    },
    get protocolErrors() {
      return protocolErrors;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function send(socket: Socket, message: ServerMessage): void {
  if (!socket.writable) return;
  socket.write(encodeServerMessage(message));
  if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
}

/** Which connection feeds which track. What a client ends it no longer holds, so this is as long as the list of faces in all pictures. */
class TrackOwners {
  readonly #engine: InferenceEngine;
  readonly #owners = new Map<string, Socket>();

  constructor(engine: InferenceEngine) {
    this.#engine = engine;
  }

  /** A track that another connection fed until now begins anew; that connection's end no longer concerns it. */
  take(track: string, socket: Socket): void {
    const owner = this.#owners.get(track);
    if (owner === socket) return;
    if (owner !== undefined) this.#engine.endTrack(track);
    this.#owners.set(track, socket);
  }

  end(track: string, socket: Socket): void {
    if (this.#owners.get(track) !== socket) return;
    this.#owners.delete(track);
    this.#engine.endTrack(track);
  }

  endAll(socket: Socket): void {
    for (const [track, owner] of this.#owners) if (owner === socket) this.end(track, socket);
  }
}
