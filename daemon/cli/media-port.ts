/** What `truecast doctor` says of WHIP's UDP port: whether it can be bound, and whether publishers can reach what they are told. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { candidatesOf } from "../ingest/whip/candidates.ts";
import { rangeOf } from "../outbound/address-ranges.ts";

export interface MediaPortOptions {
  readonly host: string;
  readonly udpPort: number;
  readonly advertisedAddresses: readonly string[];
}

/** @throws Error that says what is wrong and what to do; TruecastError config-invalid */
export async function checkMediaPort(options: MediaPortOptions): Promise<string> {
  await bindOnce(options.host, options.udpPort);
  return reachability(options, new Set(Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address))));
}

/**
 * @param own addresses of this machine
 * @throws Error when no publisher can reach what it is told
 */
export function reachability(options: MediaPortOptions, own: ReadonlySet<string>): string {
  const { host } = options;
  const candidates = candidatesOf(options);
  const where = candidates.map(({ address, port }) => (isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`)).join(", ");
  const beyond = candidates.filter(({ address }) => rangeOf(address) !== "loopback");
  if (rangeOf(host) === "loopback") {
    if (beyond.length > 0) throw new Error(`publishers are told to send to ${where}, but whip.host ${host} takes packets of this machine only; set whip.host: 0.0.0.0`);
    return `free; publishers on this machine only (${where}); whip.host: 0.0.0.0 lets others in`;
  }
  const foreign = beyond.filter(({ address }) => !own.has(address));
  if (foreign.length > 0) return `free; publishers are told to send to ${where}: not of this machine, so NAT or the container must pass that UDP port on to ${options.udpPort} here`;
  const isPublic = beyond.some(({ address }) => rangeOf(address) === "public");
  return `free; publishers are told to send to ${where}; UDP must be open there${isPublic ? "" : ". No public address: publishers beyond this network need whip.advertisedAddresses"}`;
}

async function bindOnce(host: string, port: number): Promise<void> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  try {
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const where = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
    if (code === "EADDRINUSE") throw new Error(`UDP ${where} is taken by another process; stop it or set another whip.udpPort`, { cause: error });
    if (code === "EADDRNOTAVAIL") throw new Error(`${host} is not an address of this machine; set whip.host to one, or to 0.0.0.0`, { cause: error });
    if (code === "EACCES") throw new Error(`not permitted to use UDP ${where}; set a whip.udpPort from 1024 on`, { cause: error });
    throw error;
  } finally {
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }
}
