/** Where publishers are told to send their media: as configured, else at the bound address, else at every address of the machine. */
import { isIP, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { TruecastError } from "../../../pipelines/errors.ts";
import type { Remote } from "./stun.ts";

export interface CandidateOptions {
  /** Of the UDP socket. */
  readonly host: string;
  readonly udpPort: number;
  /** `address`, `address:port` or `[address]:port` each. */
  readonly advertisedAddresses: readonly string[];
}

/** @throws TruecastError config-invalid */
export function candidatesOf({ host, udpPort, advertisedAddresses }: CandidateOptions): readonly Remote[] {
  if (advertisedAddresses.length > 0) return advertisedAddresses.map((text) => advertised(text, udpPort));
  if (host !== "0.0.0.0" && host !== "::") return [{ address: host, port: udpPort }];
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const reachable = all.filter(({ family, scopeid }) => (family === "IPv4" || host === "::") && !scopeid);
  // Loopback last: it only serves a publisher on this machine.
  return reachable.toSorted((a, b) => Number(a.internal) - Number(b.internal)).map((entry) => ({ address: entry.address, port: udpPort }));
}

function advertised(text: string, udpPort: number): Remote {
  const match = /^(?:\[([0-9a-f:]+)\]|([0-9.]+))(?::(\d{1,5}))?$/i.exec(text);
  const address = match?.[1] ?? match?.[2] ?? (isIPv6(text) ? text : "");
  if (isIP(address) === 0) throw new TruecastError("config-invalid", `whip.advertisedAddresses has "${text}", which is no address.`);
  const port = match?.[3] === undefined ? udpPort : Number(match[3]);
  if (port > 65_535) throw new TruecastError("config-invalid", `whip.advertisedAddresses has "${text}", whose port is past 65535.`);
  return { address, port };
}
