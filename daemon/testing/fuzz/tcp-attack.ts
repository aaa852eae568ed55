/** One TCP connection that sends what it is told and outlives whatever the other side does. */
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../seeded-random.ts";
import { NotServed } from "./fuzz-case.ts";

export interface TcpAttack {
  readonly open: boolean;
  /** The first bytes of the answer. */
  received(): Buffer;
  send(bytes: Buffer): void;
  /** Sends, and gives the other side the time of a round trip; false when the connection is over. */
  sendAndLook(bytes: Buffer): Promise<boolean>;
  /** Ends this side and waits until the connection is gone. */
  finish(): Promise<void>;
}

/** Far longer than any server keeps a client that has ended its side. */
const CLOSE_TIMEOUT_MS = 15_000;
const KEPT_BYTES = 16 * 1024;
/** A message on loopback is read long before. */
const LOOK_MS = 2;

/** Rejects when the connection is refused: nobody listens any more, or the process is too busy for the length of a time-out. */
export async function openTcpAttack(port: number): Promise<TcpAttack> {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const chunks: Buffer[] = [];
  let bytes = 0;
  let open = true;
  socket.on("error", () => {}); // A reset is an allowed answer; `closed` tells.
  socket.on("data", (chunk: Buffer) => {
    if (bytes < KEPT_BYTES) chunks.push(chunk);
    bytes += chunk.length;
  });
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      open = false;
      resolve();
    });
  });
  await Promise.race([once(socket, "connect"), closed]);

  return {
    get open() {
      return open;
    },
    received: () => Buffer.concat(chunks),
    send(data) {
      if (open) socket.write(data);
    },
    async sendAndLook(data) {
      if (!open) return false;
      socket.write(data);
      await delay(LOOK_MS);
      return open;
    },
    async finish() {
      socket.end();
      const timer = setTimeout(() => socket.destroy(new NotServed("timeout")), CLOSE_TIMEOUT_MS);
      const startedMs = performance.now();
      await closed;
      clearTimeout(timer);
      if (performance.now() - startedMs >= CLOSE_TIMEOUT_MS) throw new NotServed(`port ${port} kept a connection whose client had ended for ${CLOSE_TIMEOUT_MS / 1_000} s`);
    },
  };
}

/** Sends all bytes, some of the time cut into pieces that arrive apart, and waits for the end. */
export async function attackOnce(port: number, bytes: Buffer, random: Random): Promise<Buffer> {
  const attack = await openTcpAttack(port);
  for (const piece of random.chance(0.2) ? cutAnywhere(bytes, random) : [bytes]) {
    if (!(await attack.sendAndLook(piece))) break;
  }
  await attack.finish();
  return attack.received();
}

function cutAnywhere(bytes: Buffer, random: Random): Buffer[] {
  const cuts = Array.from({ length: 1 + random.below(4) }, () => random.below(bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length));
}
