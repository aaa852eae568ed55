/** Where a request comes from: the peer of the connection, or what proxies say that the configuration trusts. */
import type { IncomingHttpHeaders } from "node:http";
import { BlockList, isIP, isIPv4 } from "node:net";
import { TruecastError } from "../../pipelines/errors.ts";

export interface ClientAddress {
  readonly address: string;
  /** The browser speaks HTTPS to a trusted proxy. */
  readonly isSecure: boolean;
  /** A proxy, trusted or not, says that it passes on somebody else's request. */
  readonly isForwarded: boolean;
}

export interface TrustedProxies {
  clientOf(peer: string | undefined, headers: IncomingHttpHeaders): ClientAddress;
}

/** @throws TruecastError config-invalid */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  const trusted = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/", 2);
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || !(prefix <= most)) throw new TruecastError("config-invalid", `http.trustedProxies has ${JSON.stringify(entry)} but must hold addresses or CIDR blocks, for example 10.0.0.0/8`);
    trusted.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  const isTrusted = (address: string): boolean => isIP(address) !== 0 && trusted.check(address, isIPv4(address) ? "ipv4" : "ipv6");

  return {
    clientOf(peer = "unknown", headers) {
      const isForwarded = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"].some((name) => headers[name] !== undefined);
      let address = plain(peer);
      if (!isTrusted(address)) return { address, isSecure: false, isForwarded };
      // From the right: what stands left of the last untrusted address, anybody may have written.
      for (const hop of listOf(headers["x-forwarded-for"]).toReversed()) {
        const next = plain(hop);
        if (isIP(next) === 0) break;
        address = next;
        if (!isTrusted(address)) break;
      }
      return { address, isSecure: listOf(headers["x-forwarded-proto"]).at(-1)?.toLowerCase() === "https", isForwarded };
    },
  };
}

function listOf(header: string | string[] | undefined): string[] {
  const text = Array.isArray(header) ? header.join(",") : (header ?? "");
  return text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
}

/** Without the port, brackets and zone that some proxies write, and IPv4 as itself. */
function plain(address: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? (/^\d+\.\d+\.\d+\.\d+:\d+$/.test(address) ? address.replace(/:\d+$/, "") : address);
  return bare.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}
