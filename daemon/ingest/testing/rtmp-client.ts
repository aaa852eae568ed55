/** A raw RTMP client for tests: sends exactly the bytes it is told to, valid or not. */
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { connect as connectTls } from "node:tls";

export type AmfInput = string | number | boolean | null | readonly AmfInput[] | { readonly [name: string]: AmfInput };

export interface RtmpClient {
  readonly socket: Socket;
  /** Everything received so far. */
  received(): Buffer;
  /** Resolves when the received bytes contain `text`; rejects when the socket closes before. */
  until(text: string): Promise<void>;
  /** Resolves when the socket has closed, whoever closed it. */
  readonly closed: Promise<void>;
  send(bytes: Buffer): void;
  handshake(): Promise<void>;
  command(name: string, ...values: AmfInput[]): void;
  /** Handshake, connect, createStream and publish up to the server's status message. */
  publish(key: string, app?: string): Promise<void>;
  video(payload: Buffer, timestampMs?: number): void;
  audio(timestampMs?: number): void;
  destroy(): void;
}

export interface ConnectOptions {
  /** The certificate to trust: the connection is one of RTMPS. */
  readonly certificate?: string;
}

export async function connectRtmp(port: number, { certificate }: ConnectOptions = {}): Promise<RtmpClient> {
  const socket = certificate === undefined ? connect({ port, host: "127.0.0.1" }) : connectTls({ port, host: "127.0.0.1", ca: certificate, servername: "localhost" });
  const chunks: Buffer[] = [];
  let open = true;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const check of waiting) check();
  };
  socket.on("data", (bytes: Buffer) => {
    chunks.push(bytes);
    wake();
  });
  socket.on("error", () => {}); // A reset is one way of being closed, and `closed` tells.
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      open = false;
      resolve();
      wake();
    });
  });
  await once(socket, certificate === undefined ? "connect" : "secureConnect");

  const received = () => Buffer.concat(chunks);
  const wait = (satisfied: (bytes: Buffer) => boolean, what: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        const bytes = received();
        if (satisfied(bytes)) resolve();
        else if (!open) reject(new Error(`closed before ${what}`));
        else return;
        waiting.delete(check);
      };
      waiting.add(check);
      check();
    });

  const client: RtmpClient = {
    socket,
    received,
    closed,
    until: (text) => wait((bytes) => bytes.includes(text), text),
    send(bytes) {
      if (open) socket.write(bytes);
    },
    async handshake() {
      client.send(HANDSHAKE);
      await wait((bytes) => bytes.length >= 3_073, "the handshake");
    },
    command(name, ...values) {
      client.send(commandMessage(name, ...values));
    },
    async publish(key, app = "live") {
      await client.handshake();
      client.command("connect", 1, { app, type: "nonprivate", tcUrl: `rtmp://127.0.0.1/${app}` });
      client.command("createStream", 2, null);
      client.command("publish", 3, null, key, "live");
      await client.until("NetStream.");
    },
    video(payload, timestampMs = 0) {
      client.send(rtmpMessage({ chunkStream: 6, type: 9, payload, timestampMs }));
    },
    audio(timestampMs = 0) {
      client.send(rtmpMessage({ chunkStream: 4, type: 8, payload: Buffer.from("af0121", "hex"), timestampMs }));
    },
    destroy() {
      socket.destroy();
    },
  };
  return client;
}

/** C0, C1 and C2 in one. */
export const HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(3_072)]);

export interface RtmpMessage {
  readonly chunkStream: number;
  readonly type: number;
  readonly payload: Buffer;
  readonly timestampMs?: number;
  readonly chunkBytes?: number;
}

export function rtmpMessage({ chunkStream, type, payload, timestampMs = 0, chunkBytes = 128 }: RtmpMessage): Buffer {
  const extended = timestampMs >= 0xff_ff_ff;
  const header = Buffer.alloc(12);
  header.writeUInt8(chunkStream, 0);
  header.writeUIntBE(extended ? 0xff_ff_ff : timestampMs, 1, 3);
  header.writeUIntBE(payload.length, 4, 3);
  header.writeUInt8(type, 7);
  header.writeUInt32LE(type === 20 ? 0 : 1, 8);
  const extension = Buffer.alloc(extended ? 4 : 0);
  if (extended) extension.writeUInt32BE(timestampMs);
  const parts = [header, extension, payload.subarray(0, chunkBytes)];
  for (let offset = chunkBytes; offset < payload.length; offset += chunkBytes) {
    parts.push(Buffer.from([0xc0 | chunkStream]), extension, payload.subarray(offset, offset + chunkBytes));
  }
  return Buffer.concat(parts);
}

export function commandMessage(name: string, ...values: AmfInput[]): Buffer {
  return rtmpMessage({ chunkStream: 3, type: 20, payload: amf0(name, ...values) });
}

export const CONNECT = commandMessage("connect", 1, { app: "live", tcUrl: "rtmp://127.0.0.1/live" });

/** The shortest way from the handshake to a publisher. */
export function publishCommands(key: string): Buffer {
  return Buffer.concat([CONNECT, commandMessage("createStream", 2, null), commandMessage("publish", 3, null, key, "live")]);
}

export function amf0(...values: AmfInput[]): Buffer {
  return Buffer.concat(values.map(encode));
}

function encode(value: AmfInput): Buffer {
  if (value === null) return Buffer.from([5]);
  if (typeof value === "boolean") return Buffer.from([1, Number(value)]);
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === "string") {
    const text = Buffer.from(value);
    if (text.length <= 0xff_ff) return Buffer.concat([Buffer.from([2]), uint16(text.length), text]);
    const long = Buffer.alloc(5);
    long.writeUInt8(0x0c, 0);
    long.writeUInt32BE(text.length, 1);
    return Buffer.concat([long, text]);
  }
  if (Array.isArray(value)) {
    const count = Buffer.alloc(5);
    count.writeUInt8(0x0a, 0);
    count.writeUInt32BE(value.length, 1);
    return Buffer.concat([count, ...value.map(encode)]);
  }
  const properties = Object.entries(value).flatMap(([name, property]) => [uint16(Buffer.byteLength(name)), Buffer.from(name), encode(property)]);
  return Buffer.concat([Buffer.from([3]), ...properties, Buffer.from([0, 0, 9])]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
