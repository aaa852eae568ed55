import { describe, expect, test } from "vitest";
import { trustedProxies } from "./client-address.ts";

describe("without trusted proxies", () => {
  const proxies = trustedProxies([]);
  test("the peer is the client, whatever it says", () => {
    expect(proxies.clientOf("192.0.2.1", { "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" })).toEqual({ address: "192.0.2.1", isSecure: false, isForwarded: true });
    expect(proxies.clientOf("::ffff:192.0.2.1", {})).toEqual({ address: "192.0.2.1", isSecure: false, isForwarded: false });
    expect(proxies.clientOf(undefined, {}).address).toBe("unknown");
  });
});

describe("with trusted proxies", () => {
  const proxies = trustedProxies(["10.0.0.0/8", "127.0.0.1", "fd00::/8"]);
  test.each([
    ["10.1.2.3", "198.51.100.7", "198.51.100.7"],
    ["10.1.2.3", "203.0.113.5, 198.51.100.7", "198.51.100.7"],
    ["10.1.2.3", "203.0.113.5, 198.51.100.7, 10.9.9.9", "198.51.100.7"],
    ["127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
    ["10.1.2.3", "198.51.100.7:4711", "198.51.100.7"],
    ["10.1.2.3", "[2001:db8::1]:4711", "2001:db8::1"],
    ["fd00::1", "::ffff:198.51.100.7", "198.51.100.7"],
    ["::ffff:10.1.2.3", "198.51.100.7", "198.51.100.7"],
    ["10.1.2.3", "198.51.100.7, garbage", "10.1.2.3"],
    ["10.1.2.3", "", "10.1.2.3"],
    ["192.0.2.1", "198.51.100.7", "192.0.2.1"],
  ])("from %s, forwarded for %j: %s", (peer, forwarded, address) => {
    expect(proxies.clientOf(peer, { "x-forwarded-for": forwarded }).address).toBe(address);
  });

  test("HTTPS is believed of a trusted proxy alone", () => {
    expect(proxies.clientOf("10.1.2.3", { "x-forwarded-proto": "https" }).isSecure).toBe(true);
    expect(proxies.clientOf("10.1.2.3", { "x-forwarded-proto": "https, http" }).isSecure).toBe(false);
    expect(proxies.clientOf("192.0.2.1", { "x-forwarded-proto": "https" }).isSecure).toBe(false);
  });
});

test.each(["10.0.0.0/33", "::/129", "localhost", "10.0.0.0/", "10.0.0.0/x", "10.0.0"])("%s is no proxy that can be trusted", (entry) => {
  expect(() => trustedProxies([entry])).toThrow(expect.objectContaining({ code: "config-invalid", message: expect.stringContaining(entry) as string }));
});
