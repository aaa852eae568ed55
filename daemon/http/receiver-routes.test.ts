/** The routes of receivers, against a scripted daemon. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Problem, ReceiverList, ReceiverStatus, ReceiverTest } from "../protocol.ts";
import { RECEIVER } from "./testing/fake-source.ts";
import { type Answer, ask, expectMatches } from "./testing/requests.ts";
import { startTestServer, type TestServer } from "./testing/start.ts";

let server: TestServer;
beforeAll(async () => void (server = await startTestServer()));
afterAll(() => server.http.close());

const post = (path: string, headers: Record<string, string> = {}): Promise<Answer> => ask(server.http.url, path, { method: "POST", headers });
const codeOf = (answer: Answer): [number, string] => [answer.status, (answer.json() as Problem).code];

test("receivers are listed, tested and enabled", async () => {
  const list = (await ask(server.http.url, "/api/v1/receivers")).json();
  expect(list).toEqual({ receivers: [RECEIVER] });
  expectMatches(ReceiverList, list);
  const tested = await post("/api/v1/receivers/desk/test");
  expect([tested.status, tested.json()]).toEqual([200, { id: expect.any(String), delivered: false, message: "desk.example answered 500" }]);
  expectMatches(ReceiverTest, tested.json());
  const enabled = await post("/api/v1/receivers/desk/enable");
  expect([enabled.status, enabled.json()]).toEqual([200, { ...RECEIVER, state: "ready", reason: null }]);
  expectMatches(ReceiverStatus, enabled.json());
});

test("an unknown receiver, another method and a page elsewhere are refused", async () => {
  expect(codeOf(await post("/api/v1/receivers/nobody/test"))).toEqual([404, "not-found"]);
  expect(codeOf(await post("/api/v1/receivers/nobody/enable"))).toEqual([404, "not-found"]);
  const put = await ask(server.http.url, "/api/v1/receivers/desk/test", { method: "PUT" });
  expect([codeOf(put), put.headers.allow]).toEqual([[405, "request-invalid"], "POST"]);
  expect(codeOf(await post("/api/v1/receivers"))).toEqual([405, "request-invalid"]);
  expect(codeOf(await post("/api/v1/receivers/desk/test", { origin: "https://evil.example" }))).toEqual([403, "forbidden"]);
});

test("with a token configured, all of it demands it", async () => {
  await using guarded = await startTestServer({ token: "0123456789abcdef" });
  expect(codeOf(await ask(guarded.http.url, "/api/v1/receivers"))).toEqual([401, "unauthorized"]);
  for (const path of ["test", "enable"]) expect(codeOf(await ask(guarded.http.url, `/api/v1/receivers/desk/${path}`, { method: "POST" }))).toEqual([401, "unauthorized"]);
});
