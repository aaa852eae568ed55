/** Takes crops from the analysis processes over a Unix socket and answers each with its scores. */
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
  let protocolErrors = 0;

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A client that goes away is an end like any other; its crops are answered into the void.
    socket.on("error", (error) => log.debug({ err: error }, "inference client's connection failed"));
    const reader = new MessageReader(cropBytes + MAX_OVERHEAD_BYTES);
    const send = (message: ServerMessage): void => {
      if (!socket.writable) return;
      socket.write(encodeServerMessage(message));
      if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
    };
    send({ kind: "hello", version: WIRE_VERSION, model: engine.info.name, inputSizePx: engine.info.inputSizePx });
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) handle(engine, decodeClientMessage(message, cropBytes), send);
      } catch (error) {
        if (errorCodeOf(error) !== "protocol-violation") throw error;
        protocolErrors += 1;
        log.warn({ err: error }, "inference client sent what it must not; its connection is closed");
        socket.destroy();
      }
    });
  });
  server.maxConnections = MAX_CLIENTS;

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

function handle(engine: InferenceEngine, message: ClientMessage, send: (message: ServerMessage) => void): void {
  if (message.kind === "end-track") {
    engine.endTrack(message.track);
    return;
  }
  const { id } = message;
  engine.submit(message.request).then(
    (reply) => send({ kind: "reply", id, reply }),
    (error: unknown) => send({ kind: "failed", id, message: error instanceof Error ? error.message : String(error) }),
  );
}
