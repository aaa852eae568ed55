/** A WebSocket client for tests: keeps what it hears and lets a test await a condition on it. */
import { EventEmitter, once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";
import type { ServerMessage } from "../../protocol.ts";

export interface LiveClient {
  readonly socket: WebSocket;
  readonly texts: string[];
  readonly messages: ServerMessage[];
  /** Resolves once the condition holds; checked after each message. */
  until(condition: () => boolean): Promise<void>;
  readonly closed: Promise<number>;
}

/** Resolves when the handshake is over. */
export async function connectLive(url: string, query = "", options: ClientOptions = {}): Promise<LiveClient> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/v1/live${query}`, options);
  const texts: string[] = [];
  const messages: ServerMessage[] = [];
  const heard = new EventEmitter();
  socket.on("message", (data: Buffer) => {
    texts.push(data.toString());
    messages.push(JSON.parse(data.toString()) as ServerMessage);
    heard.emit("message");
  });
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  await once(socket, "open");
  // A connection cut without a close frame is an error to the client; `closed` tells of it.
  socket.on("error", () => undefined);
  return {
    socket,
    texts,
    messages,
    async until(condition) {
      while (!condition()) await once(heard, "message");
    },
    closed,
  };
}

/** The status with which a handshake is refused, and the body. */
export function refusedHandshake(url: string, path: string, options: ClientOptions = {}): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}${path}`, options);
  return new Promise((resolve, reject) => {
    socket.once("open", () => {
      socket.terminate();
      reject(new Error("the handshake was accepted"));
    });
    socket.once("error", reject);
    socket.once("unexpected-response", (_request, response) => {
      let text = "";
      response.on("data", (part: Buffer) => {
        text += part.toString();
      });
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
  });
}
