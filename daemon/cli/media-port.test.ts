/** What doctor says of WHIP's UDP port. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, test } from "vitest";
import { checkMediaPort, reachability } from "./media-port.ts";

const own = new Set(["127.0.0.1", "192.168.1.5", "198.51.101.9"]);
const told = (host: string, ...advertisedAddresses: string[]) => reachability({ host, udpPort: 8481, advertisedAddresses }, own);

test("loopback serves this machine, and says how to let others in", () => {
  expect(told("127.0.0.1")).toBe("free; publishers on this machine only (127.0.0.1:8481); whip.host: 0.0.0.0 lets others in");
});

test("an announced address that no packet can reach is a fault", () => {
  expect(() => told("127.0.0.1", "203.0.113.7")).toThrow("publishers are told to send to 203.0.113.7:8481, but whip.host 127.0.0.1 takes packets of this machine only; set whip.host: 0.0.0.0");
});

test("a private address asks for advertisedAddresses, a public one for an open firewall", () => {
  expect(told("192.168.1.5")).toContain("192.168.1.5:8481; UDP must be open there. No public address: publishers beyond this network need whip.advertisedAddresses");
  expect(told("198.51.101.9")).toBe("free; publishers are told to send to 198.51.101.9:8481; UDP must be open there");
});

test("an address of a NAT in front asks for its port to be passed on", () => {
  expect(told("192.168.1.5", "203.0.113.7:9000")).toContain("203.0.113.7:9000: not of this machine, so NAT or the container must pass that UDP port on to 8481 here");
});

test("a taken port and a foreign address are named, with what to do", async () => {
  const holder = createSocket("udp4").bind(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address();
  await expect(checkMediaPort({ host: "127.0.0.1", udpPort: port, advertisedAddresses: [] })).rejects.toThrow(`UDP 127.0.0.1:${port} is taken by another process; stop it or set another whip.udpPort`);
  holder.close();
  await once(holder, "close");
  expect(await checkMediaPort({ host: "127.0.0.1", udpPort: port, advertisedAddresses: [] })).toContain(`127.0.0.1:${port}`);
  await expect(checkMediaPort({ host: "203.0.113.7", udpPort: 0, advertisedAddresses: [] })).rejects.toThrow("203.0.113.7 is not an address of this machine");
});
