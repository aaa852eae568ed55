/** Who may do what over HTTP: each route with each role, and a token of one stream on everything that speaks of streams. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccessTokenCreated, ROLES, type Role } from "../access-protocol.ts";
import type { Alert } from "../protocol.ts";
import { renderOpenApi } from "./openapi.ts";
import { ROUTE_ROLES, routeAccess } from "./route-roles.ts";
import { ALERT, fakeSource, stream } from "./testing/fake-source.ts";
import { ask } from "./testing/requests.ts";
import { startTestServer, type TestServer } from "./testing/start.ts";

const ADMIN = { actor: "test", name: "test", address: "127.0.0.1" };
/** Not described in the document: the page, and what only browsers are sent to. */
const UNDOCUMENTED = ["GET /", "GET /:file", "GET /assets/*", "GET /api/v1/openapi.json"];

interface Operation {
  readonly "x-required-role"?: string;
  readonly "x-required-scope"?: string;
  readonly security?: unknown[];
  readonly responses: Record<string, unknown>;
}

describe("the table of roles", () => {
  test("has every route of the OpenAPI document and no other, and the document says what the table says", async () => {
    const { paths } = JSON.parse(await renderOpenApi()) as { paths: Record<string, Record<string, Operation>> };
    const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`, operation })));
    expect([...operations.map(({ route }) => route), ...UNDOCUMENTED].toSorted()).toEqual(Object.keys(ROUTE_ROLES).toSorted());
    for (const { route, operation } of operations) {
      const access = ROUTE_ROLES[route];
      const isPublic = access?.role === "public";
      expect([route, operation["x-required-role"], operation["x-required-scope"], operation.security]).toEqual([route, access?.role, access?.allStreams ? "all-streams" : undefined, isPublic ? [] : undefined]);
      expect([route, "401" in operation.responses]).toEqual([route, !isPublic || route === "POST /api/v1/session"]);
    }
  });

  test("a route without a role does not start", () => {
    expect(() => routeAccess("GET", "/api/v1/secrets")).toThrow(expect.objectContaining({ code: "internal", message: expect.stringContaining("GET /api/v1/secrets") as string }));
    expect(() => routeAccess(["GET", "PUT"], "/api/v1/streams/:name/source")).toThrow(/no one role/);
  });
});

test("streams or an end that are not what the schema says make no token, least of all one of all streams without end", async () => {
  await using server = await startTestServer();
  const post = (change: object) => ask(server.http.url, "/api/v1/tokens", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "guest", role: "viewer", ...change }) });
  for (const change of [{ streams: "" }, { streams: 0 }, { streams: false }, { streams: [] }, { streams: "studio-a" }, { streams: [1] }, { expiresAt: "" }, { expiresAt: false }, { expiresAt: "1" }, { name: 7 }]) {
    expect([change, (await post(change)).status]).toEqual([change, 400]);
  }
  expect(server.access.tokens.list()).toEqual([]);
  expect((await post({ streams: null, expiresAt: null })).status).toBe(201);
});

describe("with a token of each role", () => {
  let server: TestServer;
  const secrets = new Map<Role, string>();
  beforeAll(async () => {
    server = await startTestServer();
    for (const role of ROLES) secrets.set(role, server.access.tokens.create({ name: role, role, streams: role === "publisher" ? ["studio-a"] : null }, ADMIN).secret);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const LETS_IN: Readonly<Record<string, readonly Role[]>> = {
    public: ROLES,
    any: ROLES,
    viewer: ["viewer", "reviewer", "admin"],
    reviewer: ["reviewer", "admin"],
    publisher: ["publisher", "admin"],
    admin: ["admin"],
  };

  test.each(Object.entries(ROUTE_ROLES))("%s lets in exactly those that %j says", async (route, access) => {
    const [method = "", url = ""] = route.split(" ");
    const path = url.replace(":name", "studio-a").replace(":id", ALERT.id).replace(":file", "favicon.svg").replace("*", "none.js");
    const anonymous = await ask(server.http.url, path, { method });
    expect(anonymous.status === 401 && route !== "POST /api/v1/session").toBe(access.role !== "public");
    for (const role of ROLES) {
      // An empty body is refused with 400 once the gate is passed.
      const { status, text } = await ask(server.http.url, path, { method, headers: { authorization: `Bearer ${secrets.get(role) ?? ""}` } });
      const refusedForRole = status === 403 && text.includes('"role-insufficient"');
      expect([role, refusedForRole]).toEqual([role, !(LETS_IN[access.role] ?? []).includes(role)]);
      expect([role, status]).not.toEqual([role, 401]);
    }
  });

  test("a method that is not offered asks for what the path asks for", async () => {
    const post = (secret?: string) => ask(server.http.url, "/api/v1/audit", { method: "POST", headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` } });
    expect((await post()).status).toBe(401);
    expect((await post(secrets.get("viewer"))).status).toBe(403);
    expect((await post(secrets.get("admin"))).status).toBe(405);
  });
});

describe("tokens over HTTP", () => {
  test("an administrator makes, lists and revokes them; the secret is told once", async () => {
    await using server = await startTestServer({ token: "configured-token-1234" });
    const { url } = server.http;
    const as = (secret: string) => ({ authorization: `Bearer ${secret}`, "content-type": "application/json" });
    const admin = as("configured-token-1234");
    const made = await ask(url, "/api/v1/tokens", { method: "POST", headers: admin, body: JSON.stringify({ name: "grafana", role: "viewer", expiresAt: Date.now() + 60_000 }) });
    expect([made.status, made.headers["cache-control"]]).toEqual([201, "no-store"]);
    const { token, secret } = made.json() as AccessTokenCreated;
    expect((await ask(url, "/metrics", { headers: as(secret) })).status).toBe(200);
    const list = await ask(url, "/api/v1/tokens", { headers: admin });
    expect(list.json()).toMatchObject({ tokens: [{ id: token.id, name: "grafana", createdBy: "configured-token", state: "active" }] });
    expect(list.text).not.toContain(secret);
    expect((await ask(url, `/api/v1/tokens/${token.id}`, { method: "DELETE", headers: { authorization: admin.authorization } })).status).toBe(204);
    expect((await ask(url, "/metrics", { headers: as(secret) })).status).toBe(401);
    expect((await ask(url, `/api/v1/tokens/${token.id}`, { method: "DELETE", headers: { authorization: admin.authorization } })).status).toBe(404);
    const audit = await ask(url, "/api/v1/audit?limit=10", { headers: admin });
    expect(audit.json()).toMatchObject({ entries: [{ action: "token.revoked", actor: "configured-token", address: "127.0.0.1" }, { action: "token.created" }], nextBefore: null });
  });

  test.each([
    [{ role: "viewer" }, "name"],
    [{ name: "x", role: "root" }, 'body parameter "role" is "root": must be one of viewer, reviewer, admin, publisher'],
    [{ name: "x\u001b[2J", role: "viewer" }, "name"],
    [{ name: "x", role: "viewer", streams: ["../x"] }, "streams"],
    [{ name: "x", role: "viewer", streams: [] }, "streams"],
    [{ name: "x", role: "publisher" }, "name those it may publish"],
    [{ name: "x", role: "viewer", expiresAt: 1 }, "must lie ahead"],
  ])("%j makes none, and is told why", async (body, why) => {
    await using server = await startTestServer();
    const answer = await ask(server.http.url, "/api/v1/tokens", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    expect(answer.status).toBe(400);
    expect(answer.text.replaceAll('\\"', '"')).toContain(why);
    expect(server.access.tokens.list()).toEqual([]);
  });
});

describe("a token of one stream", () => {
  const OTHER: Alert = { ...ALERT, id: "00000000-0000-4000-8000-000000000002", stream: "studio-b" };
  let server: TestServer;
  let get: (path: string, init?: { method?: string; etag?: string }) => ReturnType<typeof ask>;
  beforeAll(async () => {
    const source = fakeSource({ streams: () => [stream("studio-a"), stream("studio-b")], thumbnail: () => ({ jpeg: Buffer.from("ffd8ffd9", "hex"), ptsMs: 1 }) });
    server = await startTestServer({ source: { ...source, alert: (id) => [ALERT, OTHER].find((alert) => alert.id === id) ?? null } });
    const { secret } = server.access.tokens.create({ name: "guest", role: "viewer", streams: ["studio-a"] }, ADMIN);
    get = (path) => ask(server.http.url, path, { headers: { authorization: `Bearer ${secret}` } });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("sees that stream", async () => {
    expect((await get("/api/v1/streams")).json()).toMatchObject({ streams: [{ name: "studio-a" }] });
    for (const path of ["/api/v1/streams/studio-a", "/api/v1/streams/studio-a/thumbnail.jpg", "/api/v1/streams/studio-a/source", `/api/v1/alerts/${ALERT.id}`, "/api/v1/system", "/api/v1/model", "/readyz"]) expect([path, (await get(path)).status]).toEqual([path, 200]);
  });

  test("cannot tell another stream from one that does not exist", async () => {
    for (const part of ["", "/thumbnail.jpg", "/source"]) {
      const [other, none] = await Promise.all([get(`/api/v1/streams/studio-b${part}`), get(`/api/v1/streams/studio-z${part}`)]);
      expect([part, other.status]).toEqual([part, 404]);
      expect(other.text.replace("studio-b", "studio-z")).toBe(none.text);
    }
    expect((await get("/api/v1/streams")).text).not.toContain("studio-b");
    const [other, none] = await Promise.all([get(`/api/v1/alerts/${OTHER.id}`), get("/api/v1/alerts/00000000-0000-4000-8000-000000000009")]);
    expect([other.status, other.text.replace(OTHER.id, "")]).toEqual([404, none.text.replace("00000000-0000-4000-8000-000000000009", "")]);
  });

  test("gets no figures about all streams", async () => {
    const answer = await get("/metrics");
    expect([answer.status, (answer.json() as { code: string }).code]).toEqual([403, "role-insufficient"]);
  });
});

describe("a publisher", () => {
  test("reads the key of its streams, and nothing else of them", async () => {
    await using server = await startTestServer();
    const { secret } = server.access.tokens.create({ name: "encoder", role: "publisher", streams: ["studio-a"] }, ADMIN);
    const get = (path: string) => ask(server.http.url, path, { headers: { authorization: `Bearer ${secret}` } });
    expect((await get("/api/v1/streams/studio-a/publish")).json()).toEqual({ stream: "studio-a", key: "studio-a-key-1", rtmpUrl: "rtmp://127.0.0.1:1935/live", rtmpsUrl: null, whipUrl: "http://127.0.0.1:8481/whip/studio-a" });
    expect((await get("/api/v1/streams/studio-b/publish")).status).toBe(404);
    expect((await get("/api/v1/streams/studio-a")).status).toBe(403);
  });
});
