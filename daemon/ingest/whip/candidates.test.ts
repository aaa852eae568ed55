/** Where publishers are told to send their media. */
import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { candidatesOf } from "./candidates.ts";

const at = (host: string, ...advertisedAddresses: string[]) => candidatesOf({ host, udpPort: 8481, advertisedAddresses });

test("configured addresses stand for all others, each with its own port or the socket's", () => {
  expect(at("0.0.0.0", "203.0.113.7", "203.0.113.7:9000", "2001:db8::7", "[2001:db8::7]:9000")).toEqual([
    { address: "203.0.113.7", port: 8481 },
    { address: "203.0.113.7", port: 9000 },
    { address: "2001:db8::7", port: 8481 },
    { address: "2001:db8::7", port: 9000 },
  ]);
});

test("a bound address stands for itself, and all of them for what the machine has, loopback last", () => {
  expect(at("192.0.2.7")).toEqual([{ address: "192.0.2.7", port: 8481 }]);
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []).filter(({ family }) => family === "IPv4");
  const all = at("0.0.0.0").map(({ address }) => address);
  expect(new Set(all)).toEqual(new Set(own.map(({ address }) => address)));
  expect(all.at(-1)).toBe("127.0.0.1");
});

test.each(["203.0.113", "999.0.0.1", "[::1", "example", "203.0.113.7:70000"])("%s is refused by name", (text) => {
  expect(() => at("0.0.0.0", text)).toThrow(text);
});
