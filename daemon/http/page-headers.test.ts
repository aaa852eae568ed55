/** What the dashboard's page may do beyond itself. */
import { expect, test } from "vitest";
import { pageHeaders } from "./page-headers.ts";

const connectSources = (whipUrl: string | null, host = "localhost:8480") => /connect-src ([^;]*);/.exec(pageHeaders({ whipUrl, host })["content-security-policy"] ?? "")?.[1];

test("the page may call the WHIP listener and no other address than its own", () => {
  expect(connectSources("http://127.0.0.1:8481/whip")).toBe("'self' http://127.0.0.1:8481");
  expect(connectSources("https://truecast.example/whip")).toBe("'self' https://truecast.example");
  expect(connectSources(null)).toBe("'self'");
});

test("a WHIP listener bound to every address is named as the page was asked for", () => {
  expect(connectSources("http://0.0.0.0:8481/whip", "192.0.2.7:8480")).toBe("'self' http://192.0.2.7:8481");
  expect(connectSources("http://[::]:8481/whip", "[::1]:8480")).toBe("'self' http://localhost:8481");
});

test("camera and screen are for this page alone, and the microphone for none", () => {
  expect(pageHeaders({ whipUrl: null, host: "localhost" })["permissions-policy"]).toBe("camera=(self), display-capture=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=()");
});
