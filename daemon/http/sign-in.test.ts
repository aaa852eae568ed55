/** Sign-in to the dashboard: cookie, forged requests, guessing, and what stands behind a proxy. */
import { describe, expect, test } from "vitest";
import { createAttemptLimiter } from "../access/attempt-limiter.ts";
import type { Session } from "../access-protocol.ts";
import { connectLive, refusedHandshake } from "./testing/live-client.ts";
import { type Answer, ask } from "./testing/requests.ts";
import { startTestServer, type TestServer } from "./testing/start.ts";

const TOKEN = "a-secret-that-people-chose";
const JSON_TYPE = { "content-type": "application/json" };

const signIn = (server: TestServer, token: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(server.http.url, "/api/v1/session", { method: "POST", headers: { ...JSON_TYPE, origin: server.http.url, ...headers }, body: JSON.stringify({ token }) });
const cookieOf = (answer: Answer): string => answer.headers["set-cookie"]?.[0]?.split(";", 1)[0] ?? "";

async function signedIn(server: TestServer): Promise<{ cookie: string; csrf: string }> {
  const answer = await signIn(server, TOKEN);
  expect(answer.status).toBe(201);
  return { cookie: cookieOf(answer), csrf: (answer.json() as Session).csrfToken ?? "" };
}

describe("signing in", () => {
  test("gives a cookie that no script and no other site can use, and says who it is", async () => {
    await using server = await startTestServer({ token: TOKEN });
    const answer = await signIn(server, TOKEN);
    expect([answer.status, answer.json()]).toEqual([201, { actor: "configured-token", name: "configured token", role: "admin", streams: null, by: "session", expiresAt: expect.any(Number) as number, csrfToken: expect.stringMatching(/^[\w-]{43}$/) as string }]);
    expect(answer.headers["set-cookie"]).toEqual([expect.stringMatching(/^truecast_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800$/)]);
    expect(answer.text + String(answer.headers["set-cookie"])).not.toContain(TOKEN);
    const who = await ask(server.http.url, "/api/v1/session", { headers: { cookie: cookieOf(answer) } });
    expect(who.json()).toEqual(answer.json());
    expect((await ask(server.http.url, "/api/v1/streams", { headers: { cookie: `theme=dark; ${cookieOf(answer)}; other=1` } })).status).toBe(200);
  });

  test("is refused to a wrong token, to a publisher, and from another page", async () => {
    await using server = await startTestServer({ token: TOKEN });
    const publisher = server.access.tokens.create({ name: "encoder", role: "publisher", streams: ["studio-a"] }, { actor: "test", name: "test", address: null });
    const outcomes = await Promise.all([signIn(server, "wrong"), signIn(server, publisher.secret), signIn(server, TOKEN, { origin: "https://evil.example" }), signIn(server, TOKEN, { "sec-fetch-site": "cross-site" }), signIn(server, "")]);
    expect(outcomes.map((answer) => [answer.status, (answer.json() as { code: string }).code, answer.headers["set-cookie"]])).toEqual([
      [401, "unauthorized", undefined],
      [403, "role-insufficient", undefined],
      [403, "forbidden", undefined],
      [403, "forbidden", undefined],
      [401, "unauthorized", undefined],
    ]);
  });

  test("by a link is for opening: as a picture in somebody's page it is not looked at, and uses up nothing", async () => {
    await using server = await startTestServer({ token: TOKEN });
    for (let round = 0; round < 20; round++) {
      const answer = await ask(server.http.url, "/?token=wrong", { headers: { "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site" } });
      expect([answer.status, (answer.json() as { code: string }).code]).toEqual([403, "forbidden"]);
    }
    const opened = await ask(server.http.url, `/?token=${TOKEN}`, { headers: { "sec-fetch-dest": "document", "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site" } });
    expect([opened.status, opened.headers.location, cookieOf(opened)]).toEqual([302, "/", expect.stringMatching(/^truecast_session=/) as string]);
  });

  test("behind HTTPS a cookie without the prefix, which a neighbouring host can plant, counts for nothing", async () => {
    await using server = await startTestServer({ token: TOKEN, allowedHosts: ["truecast.example.org"], trustedProxies: ["127.0.0.1"] });
    const { cookie } = await signedIn(server);
    const proxied = { host: "truecast.example.org", "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https" };
    const prefixed = `__Host-${cookie}`;
    const statuses = await Promise.all([cookie, prefixed, `${cookie.replace(/=.*/, "=planted")}; ${prefixed}`].map(async (value) => (await ask(server.http.url, "/api/v1/streams", { headers: { ...proxied, cookie: value } })).status));
    expect(statuses).toEqual([401, 200, 200]);
    expect((await ask(server.http.url, "/api/v1/streams", { headers: { cookie: prefixed } })).status).toBe(401);
  });

  test("signing out ends the session on the server and takes the cookie away", async () => {
    await using server = await startTestServer({ token: TOKEN });
    const { cookie, csrf } = await signedIn(server);
    const out = await ask(server.http.url, "/api/v1/session", { method: "DELETE", headers: { cookie, origin: server.http.url, "x-csrf-token": csrf } });
    expect([out.status, out.headers["set-cookie"]?.every((text) => / Max-Age=0/.test(text))]).toEqual([204, true]);
    expect((await ask(server.http.url, "/api/v1/streams", { headers: { cookie } })).status).toBe(401);
  });

  test("on a port that is open to this machine one is already somebody, and can sign out of nothing", async () => {
    await using server = await startTestServer();
    expect((await ask(server.http.url, "/api/v1/session")).json()).toMatchObject({ actor: "loopback", by: "loopback", role: "admin", csrfToken: null });
    expect((await ask(server.http.url, "/api/v1/session", { method: "DELETE" })).status).toBe(204);
  });
});

describe("a forged request", () => {
  test.each<[string, (server: TestServer, csrf: string) => Record<string, string>, number]>([
    ["from the dashboard", (server, csrf) => ({ origin: server.http.url, "x-csrf-token": csrf }), 204],
    ["from the dashboard, by Sec-Fetch-Site", (_server, csrf) => ({ "sec-fetch-site": "same-origin", "x-csrf-token": csrf }), 204],
    ["without the token", (server) => ({ origin: server.http.url }), 403],
    ["with a wrong token", (server, csrf) => ({ origin: server.http.url, "x-csrf-token": csrf.replace(/^./, (first) => (first === "A" ? "B" : "A")) }), 403],
    ["without an Origin", (_server, csrf) => ({ "x-csrf-token": csrf }), 403],
    ["from another origin", (_server, csrf) => ({ origin: "https://evil.example", "x-csrf-token": csrf }), 403],
    ["from an allowed origin elsewhere", (_server, csrf) => ({ origin: "https://ops.example", "x-csrf-token": csrf }), 403],
    ["from another port of this host", (_server, csrf) => ({ origin: "http://127.0.0.1:1", "x-csrf-token": csrf }), 403],
    ["from a sandboxed frame", (_server, csrf) => ({ origin: "null", "x-csrf-token": csrf }), 403],
    ["with an Origin that Sec-Fetch-Site belies", (server, csrf) => ({ origin: server.http.url, "sec-fetch-site": "same-site", "x-csrf-token": csrf }), 403],
  ])("that carries the cookie %s is let through only from the dashboard", async (_from, headers, status) => {
    await using server = await startTestServer({ token: TOKEN, allowedOrigins: ["https://ops.example"] });
    const { cookie, csrf } = await signedIn(server);
    const answer = await ask(server.http.url, "/api/v1/streams/studio-a/source", { method: "DELETE", headers: { cookie, ...headers(server, csrf) } });
    expect(answer.status).toBe(status);
  });

  test("needs none of it with a bearer token, which no browser sends by itself", async () => {
    await using server = await startTestServer({ token: TOKEN });
    expect((await ask(server.http.url, "/api/v1/streams/studio-a/source", { method: "DELETE", headers: { authorization: `Bearer ${TOKEN}` } })).status).toBe(204);
  });

  test("the token of one session is not that of another", async () => {
    await using server = await startTestServer({ token: TOKEN });
    const [one, two] = [await signedIn(server), await signedIn(server)];
    const answer = await ask(server.http.url, "/api/v1/session", { method: "DELETE", headers: { cookie: one.cookie, origin: server.http.url, "x-csrf-token": two.csrf } });
    expect(answer.status).toBe(403);
  });

  test("a WebSocket by cookie is opened for the dashboard's own page alone", async () => {
    await using server = await startTestServer({ token: TOKEN, allowedOrigins: ["https://ops.example"] });
    const { cookie } = await signedIn(server);
    const client = await connectLive(server.http.url, "", { headers: { cookie, origin: server.http.url } });
    client.socket.terminate();
    for (const headers of [{ cookie }, { cookie, origin: "https://ops.example" }]) expect((await refusedHandshake(server.http.url, "/api/v1/live", { headers })).status).toBe(403);
  });
});

describe("guessing", () => {
  test("is answered 429 with the time to wait, on every way in", async () => {
    const limiter = createAttemptLimiter({ burst: 3, refillMs: 30_000, globalBurst: 1_000, globalRefillMs: 1, maxAddresses: 10 });
    await using server = await startTestServer({ token: TOKEN, access: { limiter } });
    const { url } = server.http;
    const wrong = { authorization: "Bearer wrong" };
    expect([(await ask(url, "/api/v1/streams", { headers: wrong })).status, (await signIn(server, "wrong")).status, (await refusedHandshake(url, "/api/v1/live", { headers: wrong })).status]).toEqual([401, 401, 401]);
    const answers = [await ask(url, "/api/v1/streams", { headers: wrong }), await signIn(server, TOKEN), await ask(url, `/?token=${TOKEN}`), await refusedHandshake(url, "/api/v1/live", { headers: wrong })];
    for (const { status, headers, text } of answers) {
      expect([status, JSON.parse(text)]).toEqual([429, expect.objectContaining({ code: "too-many-attempts" })]);
      expect(Number(headers["retry-after"])).toBeGreaterThan(20);
    }
    expect((await ask(url, "/api/v1/streams")).status).toBe(401);
    expect(server.events.filter((event) => event.kind === "refused" && event.reason === "attempts")).toHaveLength(4);
  });

  test("counts by the address that a trusted proxy names, and by nothing that a client makes up", async () => {
    const options = { token: TOKEN, access: { limiter: createAttemptLimiter({ burst: 1, refillMs: 60_000, globalBurst: 1_000, globalRefillMs: 1, maxAddresses: 10 }) } };
    const statuses = async (server: TestServer) => {
      const found: number[] = [];
      for (const from of ["198.51.100.1", "198.51.100.1", "198.51.100.2"]) found.push((await ask(server.http.url, "/api/v1/streams", { headers: { authorization: "Bearer wrong", "x-forwarded-for": from } })).status);
      return found;
    };
    await using trusting = await startTestServer({ ...options, trustedProxies: ["127.0.0.0/8"] });
    expect(await statuses(trusting)).toEqual([401, 429, 401]);
    await using trustless = await startTestServer({ ...options, access: { limiter: createAttemptLimiter({ burst: 1, refillMs: 60_000, globalBurst: 1_000, globalRefillMs: 1, maxAddresses: 10 }) } });
    expect(await statuses(trustless)).toEqual([401, 429, 429]);
  });
});

describe("behind a proxy that speaks HTTPS", () => {
  test("the cookie is Secure and bound to its host, and is taken again", async () => {
    await using server = await startTestServer({ token: TOKEN, allowedHosts: ["truecast.example"], trustedProxies: ["127.0.0.1"] });
    const proxied = { host: "truecast.example", "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "https" };
    const answer = await signIn(server, TOKEN, { ...proxied, origin: "https://truecast.example" });
    expect(answer.headers["set-cookie"]).toEqual([expect.stringMatching(/^__Host-truecast_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800; Secure$/)]);
    const { csrfToken } = answer.json() as Session;
    expect((await ask(server.http.url, "/api/v1/streams/studio-a/source", { method: "DELETE", headers: { ...proxied, cookie: cookieOf(answer), origin: "https://truecast.example", "x-csrf-token": csrfToken ?? "" } })).status).toBe(204);
    expect(server.store.auditPage({ limit: 1 }).entries[0]).toMatchObject({ action: "session.begun", address: "198.51.100.1" });
  });
});
