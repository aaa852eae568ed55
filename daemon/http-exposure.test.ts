/** Beyond loopback the daemon demands a token, made and printed at its first start. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDaemonProcess } from "./testing/daemon-process.ts";

test("bound to all addresses, everything but liveness asks for the generated token", { timeout: 60_000 }, async () => {
  await using daemon = await startDaemonProcess({ http: { host: "0.0.0.0", port: 0 } });
  const url = `http://127.0.0.1:${new URL(daemon.httpUrl).port}`;
  const token = readFileSync(join(daemon.dataDir, "token"), "utf8").trim();
  for (const path of ["/api/v1/streams", "/metrics", "/readyz"]) expect((await fetch(`${url}${path}`)).status, path).toBe(401);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/api/v1/streams`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  expect(JSON.stringify(daemon.log)).not.toContain(token);
});

test("without a configuration there is one stream, `studio`, with a generated key", { timeout: 60_000 }, async () => {
  await using daemon = await startDaemonProcess({});
  const { streams } = await daemon.get<{ streams: { name: string }[] }>("/api/v1/streams");
  expect(streams.map(({ name }) => name)).toEqual(["studio"]);
  expect(readFileSync(join(daemon.dataDir, "studio.key"), "utf8")).toMatch(/^[A-Za-z0-9_-]{24}\n$/);
});
