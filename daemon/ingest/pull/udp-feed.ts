/** MPEG-TS over UDP: bound to exactly the address of the URL, joined to its group when that is multicast. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { errorName } from "../../outbound/outbound-guard.ts";
import { rangeOf } from "../../outbound/address-ranges.ts";
import { TruecastError } from "../../../pipelines/errors.ts";
import type { Feed, FeedContext } from "./feed.ts";

/** Datagrams that wait for ffmpeg; beyond it the newest are dropped, as the network would. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const RTP_HEADER_BYTES = 12;
const TS_SYNC = 0x47;

/** @throws TruecastError address-refused, unreachable */
export async function openUdpFeed({ host, port }: { readonly host: string; readonly port: number }, { guard, signal }: FeedContext): Promise<Feed> {
  const { address, family } = await guard.pin(host);
  signal.throwIfAborted();
  const socket = createSocket({ type: family === 4 ? "udp4" : "udp6", reuseAddr: true });
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let wake = Promise.withResolvers<void>();
  let failure: unknown = null;
  socket.on("error", (error) => {
    failure = new TruecastError("unreachable", `UDP port ${port} failed (${errorName(error)}).`, { cause: error });
    wake.resolve();
  });
  socket.on("message", (datagram) => {
    const payload = withoutRtp(datagram);
    if (waitingBytes + payload.length > MAX_WAITING_BYTES) return;
    waitingBytes += payload.length;
    waiting.push(payload);
    wake.resolve();
  });
  const close = (): void => {
    failure ??= new TruecastError("unreachable", "The UDP socket was closed.");
    wake.resolve();
    try {
      socket.close();
    } catch {
      // Node throws when it is closed already, which is what is wanted.
    }
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    socket.bind({ address, port });
    await once(socket, "listening", { signal });
    if (rangeOf(address) === "multicast") socket.addMembership(address);
  } catch (error) {
    close();
    signal.throwIfAborted();
    throw new TruecastError("unreachable", `UDP port ${port} cannot be opened (${errorName(error)}).`, { cause: error });
  }

  async function* bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      while (true) {
        const chunk = Buffer.concat(waiting.splice(0));
        waitingBytes = 0;
        if (chunk.length > 0) yield chunk;
        else if (failure !== null) throw failure;
        else {
          await wake.promise;
          wake = Promise.withResolvers<void>();
        }
      }
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
  }
  return { format: "mpegts", pace: "live", bytes: bytes() };
}

/** Some encoders wrap the transport stream into RTP (RFC 2250): a fixed header before the first packet. */
function withoutRtp(datagram: Buffer): Buffer {
  return datagram[0] !== TS_SYNC && datagram.length > RTP_HEADER_BYTES && datagram[RTP_HEADER_BYTES] === TS_SYNC ? datagram.subarray(RTP_HEADER_BYTES) : datagram;
}
