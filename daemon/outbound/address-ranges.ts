/** What kind of network an IP address belongs to (IANA special-purpose registries), whatever way it is written or wrapped. Pure. */
import { BlockList, isIP, isIPv4 } from "node:net";

export type AddressRange = "public" | "unspecified" | "loopback" | "private" | "shared" | "link-local" | "metadata" | "multicast" | "documentation" | "reserved";

/** First match wins. Addresses of cloud metadata services come first: two of them lie in ranges that may well be allowed. */
const IPV4: readonly (readonly [subnet: string, range: AddressRange])[] = [
  ["169.254.169.254/32", "metadata"],
  ["169.254.170.2/32", "metadata"],
  ["100.100.100.200/32", "metadata"],
  ["168.63.129.16/32", "metadata"],
  ["192.0.0.192/32", "metadata"],
  ["0.0.0.0/8", "unspecified"],
  ["127.0.0.0/8", "loopback"],
  ["10.0.0.0/8", "private"],
  ["172.16.0.0/12", "private"],
  ["192.168.0.0/16", "private"],
  ["100.64.0.0/10", "shared"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/4", "multicast"],
  ["192.0.2.0/24", "documentation"],
  ["198.51.100.0/24", "documentation"],
  ["203.0.113.0/24", "documentation"],
  ["192.0.0.0/24", "reserved"],
  ["192.88.99.0/24", "reserved"],
  ["198.18.0.0/15", "reserved"],
  ["240.0.0.0/4", "reserved"],
];

const IPV6: readonly (readonly [subnet: string, range: AddressRange])[] = [
  ["fd00:ec2::254/128", "metadata"],
  ["fd20:ce::254/128", "metadata"],
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["fc00::/7", "private"],
  ["fe80::/10", "link-local"],
  ["fec0::/10", "private"],
  ["ff00::/8", "multicast"],
  ["2001:db8::/32", "documentation"],
  ["3fff::/20", "documentation"],
  // Protocol assignments; holds Teredo, whose addresses lead to an IPv4 address of the sender's choosing.
  ["2001::/23", "reserved"],
];

/** Only this block is handed out as global unicast; everything else is refused without being named. */
const GLOBAL_UNICAST = listOf(["2000::/3"]);
const TABLES = { ipv4: tableOf(IPV4), ipv6: tableOf(IPV6) };

/** Prefixes that carry an IPv4 address, and the byte at which it begins. */
const WRAPPED: readonly { readonly list: BlockList; readonly at: number }[] = [
  { list: listOf(["::ffff:0:0/96"]), at: 12 }, // mapped
  { list: listOf(["::ffff:0:0:0/96"]), at: 12 }, // translated
  { list: listOf(["64:ff9b::/96"]), at: 12 }, // NAT64
  { list: listOf(["2002::/16"]), at: 2 }, // 6to4
  { list: listOf(["::/96"]), at: 12 }, // compatible; `::` and `::1` have been told apart before
];
const ISATAP_MARK = [0x5e, 0xfe];

/** @param address a literal as `net.isIP` takes it, without brackets; a zone (`%eth0`) does not count. */
export function rangeOf(address: string): AddressRange {
  const plain = withoutZone(address);
  if (isIP(plain) === 0) return "reserved";
  if (isIPv4(plain)) return lookUp(TABLES.ipv4, plain) ?? "public";
  const special = lookUp(TABLES.ipv6, plain);
  if (special !== null) return special;
  const inner = wrappedIpv4(plain);
  if (inner !== null) return rangeOf(inner);
  return GLOBAL_UNICAST.check(plain, "ipv6") ? "public" : "reserved";
}

/** The IPv4 address that a mapped, translated, NAT64, 6to4, compatible or ISATAP address leads to. */
export function wrappedIpv4(address: string): string | null {
  const plain = withoutZone(address);
  if (isIP(plain) !== 6) return null;
  const bytes = ipv6Bytes(plain);
  const wrapper = WRAPPED.find(({ list }) => list.check(plain, "ipv6"));
  if (wrapper) return bytes.slice(wrapper.at, wrapper.at + 4).join(".");
  return bytes[10] === ISATAP_MARK[0] && bytes[11] === ISATAP_MARK[1] ? bytes.slice(12).join(".") : null;
}

function withoutZone(address: string): string {
  return address.split("%", 1)[0] ?? "";
}

/** @param address valid IPv6 */
function ipv6Bytes(address: string): number[] {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hexed = dotted === null ? address : address.slice(0, dotted.index) + [1, 3].map((i) => (Number(dotted[i]) * 256 + Number(dotted[i + 1])).toString(16)).join(":");
  const [head = "", tail] = hexed.split("::");
  const groups = (text: string): number[] => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
  const before = groups(head);
  const after = groups(tail ?? "");
  const words = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return words.flatMap((word) => [word >> 8, word & 0xff]);
}

interface Row {
  readonly list: BlockList;
  readonly range: AddressRange;
}

function tableOf(entries: typeof IPV4): readonly Row[] {
  return entries.map(([subnet, range]) => ({ list: listOf([subnet]), range }));
}

function lookUp(table: readonly Row[], address: string): AddressRange | null {
  return table.find(({ list }) => list.check(address, isIPv4(address) ? "ipv4" : "ipv6"))?.range ?? null;
}

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = "", bits = ""] = subnet.split("/");
    list.addSubnet(network, Number(bits), isIPv4(network) ? "ipv4" : "ipv6");
  }
  return list;
}
