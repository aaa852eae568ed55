/** Whether and where a page may publish. */
import { expect, test } from "vitest";
import { problemOfEndpoint, streamEndpoint, whipEndpoint } from "./whip-endpoint.ts";

const local = { protocol: "http:", hostname: "localhost", isSecureContext: true, hasMediaDevices: true };
const far = { protocol: "https:", hostname: "truecast.example", isSecureContext: true, hasMediaDevices: true };

test("a page on the same machine or behind a TLS proxy publishes where the daemon says", () => {
  expect(whipEndpoint("http://127.0.0.1:8481/whip", local)).toEqual({ kind: "usable", url: "http://127.0.0.1:8481/whip" });
  expect(whipEndpoint("https://truecast.example/whip", far)).toEqual({ kind: "usable", url: "https://truecast.example/whip" });
  expect(streamEndpoint("http://127.0.0.1:8481/whip", "studio")).toBe("http://127.0.0.1:8481/whip/studio");
});

test("a listener bound to every address is reached by the name of the page", () => {
  expect(whipEndpoint("http://0.0.0.0:8481/whip", local)).toEqual({ kind: "usable", url: "http://localhost:8481/whip" });
  expect(whipEndpoint("http://[::]:8481/whip", { ...local, hostname: "[::1]" })).toEqual({ kind: "usable", url: "http://localhost:8481/whip" });
});

test("every obstacle is named, with something to do about it", () => {
  const obstacles = [
    whipEndpoint(null, local),
    whipEndpoint("http://192.0.2.7:8481/whip", { ...far, protocol: "http:", isSecureContext: false, hasMediaDevices: false }),
    whipEndpoint("http://192.0.2.7:8481/whip", far),
    whipEndpoint("http://127.0.0.1:8481/whip", { ...local, hasMediaDevices: false }),
  ];
  expect(obstacles).toEqual((["whip-off", "insecure-page", "insecure-endpoint", "no-devices"] as const).map((why) => ({ kind: "unusable", why })));
});

test("an HTTPS page that cannot reach plain HTTP is told the setting that mends it", () => {
  expect(problemOfEndpoint("insecure-endpoint").advice).toContain("whip.publicUrl");
});
