/**
 * The one gate for every address that a user, a server or a playlist names: resolves a name once, refuses what leads
 * inside, and gives back the address that the connection must use, so that a second answer of the name server is never asked.
 */
import { lookup as systemLookup } from "node:dns/promises";
import { BlockList, isIP, isIPv4 } from "node:net";
import { TruecastError } from "../../pipelines/errors.ts";
import { rangeOf, wrappedIpv4 } from "./address-ranges.ts";

export interface PinnedHost {
  /** As it was asked for, without brackets; for Host headers and certificates. */
  readonly name: string;
  /** Literal address to connect to. */
  readonly address: string;
  readonly family: 4 | 6;
}

export type Lookup = (name: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export interface OutboundGuardOptions {
  /** Addresses and CIDR blocks that may be reached although they are not public. */
  readonly allow: readonly string[];
  /** Resolves a name to all its addresses; the system's by default. */
  readonly lookup?: Lookup;
  readonly lookupTimeoutMs?: number;
}

export interface OutboundGuard {
  /**
   * @param host name or literal, IPv6 with or without brackets
   * @throws TruecastError address-refused when no address of the host may be reached; unreachable when it has none
   */
  pin(host: string): Promise<PinnedHost>;
  /** For literals only, at once. @throws TruecastError address-refused */
  checkLiteral(host: string): void;
}

const LOOKUP_TIMEOUT_MS = 5_000;

/** @throws TruecastError config-invalid for an entry of `allow` that is no address or block */
export function createOutboundGuard({ allow, lookup = lookUpAll, lookupTimeoutMs = LOOKUP_TIMEOUT_MS }: OutboundGuardOptions): OutboundGuard {
  const blocks = new BlockList();
  const single = new Set<string>();
  for (const entry of allow) addAllowed(entry, { blocks, single });

  /** Why the address is refused, or null. */
  const objection = (address: string): string | null => {
    const range = rangeOf(address);
    if (range === "public") return null;
    const inner = wrappedIpv4(address);
    // A block that happens to hold a metadata service does not open it: it hands out the machine's credentials.
    const allowed = [address, ...(inner === null ? [] : [inner])].some((each) => single.has(each) || (range !== "metadata" && contains(blocks, each)));
    return allowed ? null : range;
  };
  const refuse = (host: string, range: string): TruecastError =>
    new TruecastError("address-refused", `${host} is or leads to a ${range} address; where that is meant, add it to outbound.allow in the configuration.`);

  return {
    async pin(host) {
      const name = bare(host);
      if (isIP(name) !== 0) {
        const range = objection(name);
        if (range !== null) throw refuse(name, range);
        return { name, address: name, family: isIPv4(name) ? 4 : 6 };
      }
      if (!/^[\p{L}\p{N}._-]{1,253}$/u.test(name)) throw new TruecastError("address-refused", "The host is neither a name nor an address.");
      const found = await withDeadline(lookup(name), { name, timeoutMs: lookupTimeoutMs });
      const permitted = found.find(({ address }) => isIP(address) !== 0 && objection(address) === null);
      if (permitted) return { name, address: permitted.address, family: isIPv4(permitted.address) ? 4 : 6 };
      const [first] = found;
      if (!first) throw new TruecastError("unreachable", `The name ${name} has no address.`);
      throw refuse(name, objection(first.address) ?? "reserved");
    },
    checkLiteral(host) {
      const name = bare(host);
      const range = isIP(name) === 0 ? null : objection(name);
      if (range !== null) throw refuse(name, range);
    },
  };
}

function bare(host: string): string {
  return (host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host).replace(/\.$/, "");
}

async function lookUpAll(name: string): Promise<readonly { readonly address: string; readonly family: number }[]> {
  // Octal, hexadecimal and decimal forms of IPv4 are names to Node and numbers to the resolver: its answer is what is judged.
  return systemLookup(name, { all: true, verbatim: true });
}

async function withDeadline<T>(work: Promise<T>, { name, timeoutMs }: { name: string; timeoutMs: number }): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new TruecastError("unreachable", `The name ${name} was not resolved within ${timeoutMs / 1000} s.`)), timeoutMs);
  try {
    return await Promise.race([work, late.promise]);
  } catch (error) {
    if (error instanceof TruecastError) throw error;
    throw new TruecastError("unreachable", `The name ${name} cannot be resolved (${errorName(error)}).`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The system's code for an error: unlike its message, it never quotes a URL. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

function addAllowed(entry: string, { blocks, single }: { blocks: BlockList; single: Set<string> }): void {
  const [network = "", bits, ...more] = entry.split("/");
  const family = isIP(network);
  const most = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? most : Number(bits);
  if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > most || bits === "" || more.length > 0) {
    throw new TruecastError("config-invalid", `outbound.allow holds ${JSON.stringify(entry)} but must hold addresses or CIDR blocks`);
  }
  blocks.addSubnet(network, prefix, family === 4 ? "ipv4" : "ipv6");
  if (prefix === most) single.add(network);
}

function contains(blocks: BlockList, address: string): boolean {
  const plain = address.split("%", 1)[0] ?? "";
  return blocks.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
}
