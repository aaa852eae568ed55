import { describe, expect, test } from "vitest";
import { type AccessRules, checkExposure, isHostAllowed, isLoopback, isLoopbackHost, isOriginAllowed, isOwnOrigin } from "./access.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const loopback: AccessRules = { boundHost: "127.0.0.1", allowedHosts: [], allowedOrigins: [] };
const everywhere: AccessRules = { ...loopback, boundHost: "0.0.0.0" };

describe("Host", () => {
  test.each(["localhost", "localhost:8480", "LOCALHOST:8480", "localhost.", "127.0.0.1:8480", "127.8.9.10", "[::1]:8480", "[0:0:0:0:0:0:0:1]"])("%s is loopback and allowed", (host) => {
    expect(isHostAllowed(host, loopback)).toBe(true);
  });

  test.each(["evil.example", "evil.example:8480", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.5:8480", "user@localhost", "localhost/", "localhost:99999", "local host", "", "[::1", "0.0.0.0"])(
    "%j is refused on a loopback port",
    (host) => {
      expect(isHostAllowed(host, loopback)).toBe(false);
    },
  );

  test("a missing Host is refused", () => {
    expect(isHostAllowed(undefined, loopback)).toBe(false);
  });

  test("the bound address is allowed, another address is not", () => {
    const rules = { ...everywhere, boundHost: "192.168.1.5" };
    expect(isHostAllowed("192.168.1.5:8480", rules)).toBe(true);
    expect(isHostAllowed("192.168.1.6:8480", rules)).toBe(false);
    expect(isHostAllowed("[fe80::1]:8480", { ...everywhere, boundHost: "fe80::1" })).toBe(true);
  });

  test("bound to every address, literal addresses are allowed and names are not, for rebinding needs a name", () => {
    expect(isHostAllowed("192.168.1.5:8480", everywhere)).toBe(true);
    expect(isHostAllowed("[2001:db8::1]", { ...everywhere, boundHost: "::" })).toBe(true);
    expect(isHostAllowed("evil.example", everywhere)).toBe(false);
  });

  test("an allowed name is taken with any port, or with its own when it gives one", () => {
    const rules = { ...everywhere, allowedHosts: ["Truecast.Example", "proxy.example:8443"] };
    expect(isHostAllowed("truecast.example:8480", rules)).toBe(true);
    expect(isHostAllowed("proxy.example:8443", rules)).toBe(true);
    expect(isHostAllowed("proxy.example:8444", rules)).toBe(false);
  });
});

describe("Origin", () => {
  test.each([
    ["http://localhost:8480", "localhost:8480", true],
    ["https://truecast.example", "truecast.example", true],
    ["http://[::1]:8480", "[::1]:8480", true],
    ["http://localhost:3000", "localhost:8480", false],
    ["http://evil.example", "localhost:8480", false],
    ["http://localhost:8480.evil.example", "localhost:8480", false],
    ["null", "localhost:8480", false],
    ["file://localhost:8480", "localhost:8480", false],
    ["not an origin", "localhost:8480", false],
    ["", "localhost:8480", false],
  ])("%j to the host %j: allowed %s", (origin, host, allowed) => {
    expect(isOriginAllowed(origin, host, loopback)).toBe(allowed);
  });

  test("a client that sends none is no page", () => {
    expect(isOriginAllowed(undefined, "localhost:8480", loopback)).toBe(true);
  });

  test("an origin of the list is allowed, whatever its scheme", () => {
    const rules = { ...loopback, allowedOrigins: ["https://ops.example", "chrome-extension://abcdefgh"] };
    expect(isOriginAllowed("https://ops.example", "localhost:8480", rules)).toBe(true);
    expect(isOriginAllowed("chrome-extension://abcdefgh", "localhost:8480", rules)).toBe(true);
    expect(isOriginAllowed("http://ops.example", "localhost:8480", rules)).toBe(false);
  });
});

describe("a page of this very server", () => {
  const host = "truecast.example";
  test.each([
    [{ host, origin: "https://truecast.example" }, true],
    [{ host, origin: "https://truecast.example", "sec-fetch-site": "same-origin" }, true],
    [{ host, "sec-fetch-site": "same-origin" }, true],
    [{ host }, false],
    [{ host, origin: "https://evil.example" }, false],
    [{ host, origin: "null" }, false],
    [{ host, origin: "https://truecast.example:8443" }, false],
    [{ host, origin: "https://truecast.example", "sec-fetch-site": "cross-site" }, false],
    [{ host, "sec-fetch-site": "same-site" }, false],
    [{ host, "sec-fetch-site": "none" }, false],
  ])("%j: %s", (headers, own) => {
    expect(isOwnOrigin(headers)).toBe(own);
  });

  test("only a Host that names this machine is local", () => {
    expect(["localhost:8480", "127.0.0.1", "[::1]:1"].map(isLoopbackHost)).toEqual([true, true, true]);
    expect(["truecast.example", undefined, "192.168.1.5"].map(isLoopbackHost)).toEqual([false, false, false]);
  });
});

describe("binding", () => {
  test.each(["127.0.0.1", "localhost", "::1", "127.1.2.3"])("%s needs no token", (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(() => checkExposure(host, null)).not.toThrow();
  });

  test.each(["0.0.0.0", "::", "192.168.1.5", "truecast.example"])("%s demands a token, and a long one", (host) => {
    expect(() => checkExposure(host, null)).toThrow(expect.objectContaining({ code: "config-invalid" }));
    expect(() => checkExposure(host, "short")).toThrow(expect.objectContaining({ code: "config-invalid" }));
    expect(() => checkExposure(host, TOKEN)).not.toThrow();
  });

  test("a token that no bearer header can carry is refused", () => {
    expect(() => checkExposure("127.0.0.1", "with space")).toThrow(expect.objectContaining({ code: "config-invalid" }));
  });
});
