/** TLS through the guard: the pinned address is connected to, the certificate must be trusted and bear the name that was asked for. */
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { rootCertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { guardedConnect } from "./guarded-connect.ts";
import { createGuardedHttp, readBody } from "./guarded-http.ts";
import { createOutboundGuard } from "./outbound-guard.ts";
import { CERTIFICATE, KEY } from "./testing/certificate.ts";

const server = createServer({ key: KEY, cert: CERTIFICATE }, (_request, response) => void response.end("secret picture"));
const guard = createOutboundGuard({ allow: ["127.0.0.1"], lookup: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]) });
const http = createGuardedHttp(guard, { answerTimeoutMs: 3_000, idleTimeoutMs: 3_000 });
const { signal } = new AbortController();
let port = 0;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => setDefaultCACertificates([...rootCertificates]));
afterAll(() => server.close().closeAllConnections());

const get = (host: string) => http.request({ url: new URL(`https://${host}:${port}/`), signal });
const connect = (host: string) => guardedConnect(guard, { host, port, tls: true, timeoutMs: 3_000, signal });

test("a certificate that nobody vouches for is refused", async () => {
  await expect(get("camera.example")).rejects.toMatchObject({ code: "unreachable", message: expect.stringContaining("SELF_SIGNED") as string });
  await expect(connect("camera.example")).rejects.toMatchObject({ code: "unreachable" });
});

test("a trusted one is taken for its own name, and for no other", async () => {
  setDefaultCACertificates([CERTIFICATE]);
  expect((await readBody(await get("camera.example"), { maxBytes: 100, what: "it" })).toString()).toBe("secret picture");
  (await connect("camera.example")).destroy();
  await expect(get("other.example")).rejects.toMatchObject({ code: "unreachable" });
  await expect(connect("other.example")).rejects.toMatchObject({ code: "unreachable" });
  await expect(get("127.0.0.1")).rejects.toMatchObject({ code: "unreachable" });
});
