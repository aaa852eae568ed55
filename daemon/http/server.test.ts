import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import type { TSchema } from "typebox";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pino } from "pino";
import { ERROR_CODES, TruecastError } from "../../pipelines/errors.ts";
import { Alert, AlertEventPage, AlertPage, type AlertQuery, Liveness, ModelCard, Problem, Readiness, StreamDetail, StreamList, SystemStatus } from "../protocol.ts";
import { ALERT, fakeSource, stream } from "./testing/fake-source.ts";
import { connectLive } from "./testing/live-client.ts";
import { type Answer, ask, expectMatches } from "./testing/requests.ts";
import { startTestServer, temporaryFolder, type TestServer } from "./testing/start.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

function expectProblem(answer: Answer, status: number, code: keyof typeof ERROR_CODES): string {
  expect([answer.status, answer.headers["content-type"]]).toEqual([status, "application/problem+json; charset=utf-8"]);
  const body = answer.json() as Problem;
  expectMatches(Problem, body);
  expect([body.status, body.code]).toEqual([status, code]);
  return body.detail;
}

describe("routes", () => {
  const queries: AlertQuery[] = [];
  let server: TestServer;
  let url: string;
  beforeAll(async () => {
    const source = fakeSource();
    server = await startTestServer({
      source: {
        ...source,
        alerts: (query) => {
          queries.push(query);
          return source.alerts(query);
        },
      },
    });
    url = server.http.url;
  });
  afterAll(() => server.http.close());

  test.each<[string, TSchema]>([
    ["/api/v1/streams", StreamList],
    ["/api/v1/streams/studio-a", StreamDetail],
    ["/api/v1/alerts", AlertPage],
    ["/api/v1/alerts?stream=studio-a&state=firing&since=1700000000000&limit=500&cursor=second", AlertPage],
    [`/api/v1/alerts/${ALERT.id}`, Alert],
    ["/api/v1/alerts?rule=no-usable-face", AlertPage],
    ["/api/v1/events", AlertEventPage],
    ["/api/v1/events?after=1&limit=500", AlertEventPage],
    ["/api/v1/model", ModelCard],
    ["/api/v1/system", SystemStatus],
    ["/healthz", Liveness],
    ["/readyz", Readiness],
  ])("GET %s answers by its schema and is never stored", async (path, schema) => {
    const answer = await ask(url, path);
    expect([answer.status, answer.headers["content-type"], answer.headers["cache-control"]]).toEqual([200, "application/json; charset=utf-8", "no-store"]);
    expectMatches(schema, answer.json());
  });

  test("every answer, good or bad, carries the protective headers", async () => {
    for (const path of ["/", "/api/v1/streams", "/api/v1/nothing", "/%zz", "/metrics"]) {
      const { headers } = await ask(url, path);
      expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/);
      expect(headers["content-security-policy"]).not.toMatch(/unsafe/);
      expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-origin" });
    }
  });

  test("the thumbnail is a JPEG that is not stored, with an ETag for its picture", async () => {
    const first = await ask(url, "/api/v1/streams/studio-a/thumbnail.jpg?pts=9900");
    expect(first.status).toBe(200);
    expect(first.headers).toMatchObject({ "content-type": "image/jpeg", "cache-control": "no-store" });
    expect(first.body.toString("hex")).toBe("ffd8ffd9");
    const etag = first.headers.etag ?? "";
    expect(etag).toMatch(/-9900"$/);
    const again = await ask(url, "/api/v1/streams/studio-a/thumbnail.jpg", { headers: { "if-none-match": etag } });
    expect([again.status, again.body.length]).toEqual([304, 0]);
  });

  test("the metrics come with the exposition's own content type", async () => {
    const answer = await ask(url, "/metrics");
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(answer.text).toContain("truecast_up 1\n");
  });

  test("HEAD answers as GET without a body", async () => {
    const answer = await ask(url, "/api/v1/streams", { method: "HEAD" });
    expect([answer.status, answer.body.length]).toEqual([200, 0]);
  });

  test.each([
    ["/api/v1/streams/nobody", "nobody"],
    ["/api/v1/streams/studio-b/thumbnail.jpg", "studio-b"],
    ["/api/v1/streams/nobody/thumbnail.jpg", "nobody"],
    ["/api/v1/alerts/unknown", "unknown"],
    ["/api/v1/nothing?secret=1", "/api/v1/nothing"],
    ["/api/v2/streams", "/api/v2/streams"],
    ["/api/v1/streams/", '""'],
    ["/nothing.js", "/nothing.js"],
  ])("GET %s is not found, and the answer names it", async (path, named) => {
    const detail = expectProblem(await ask(url, path), 404, "not-found");
    expect(detail).toContain(named);
    expect(detail).not.toContain("secret");
  });

  test.each([
    ["limit=0", 'query parameter "limit" is 0: must be >= 1'],
    ["limit=501", 'query parameter "limit" is 501: must be <= 500'],
    ["limit=many", 'query parameter "limit" is "many": must be integer'],
    ["limit=1&limit=2", 'query parameter "limit" is ["1","2"]: must be integer'],
    ["state=over", 'query parameter "state" is "over": must be one of pending, firing, resolved'],
    ["since=-1", 'query parameter "since" is -1: must be >= 0'],
    ["since=yesterday", 'query parameter "since" is "yesterday": must be integer'],
    ["stream=", 'query parameter "stream" is "": must NOT have fewer than 1 characters'],
    ["strem=a", 'query parameter "strem" is "a": there is no such parameter; known are stream, state, rule, since, limit, cursor'],
    ["cursor=forged", 'query parameter "cursor" is "forged": must be a nextCursor given out before'],
  ])("GET /api/v1/alerts?%s names parameter, value and rule", async (query, detail) => {
    expect(expectProblem(await ask(url, `/api/v1/alerts?${query}`), 400, "request-invalid")).toBe(detail);
  });

  test("the filters arrive as the source takes them, with the default page size", async () => {
    queries.length = 0;
    await ask(url, "/api/v1/alerts");
    await ask(url, "/api/v1/alerts?stream=a%20b&state=resolved&since=5&limit=7");
    expect(queries).toEqual([{ limit: 100 }, { stream: "a b", state: "resolved", since: 5, limit: 7 }]);
  });

  test.each(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("%s on a route is refused with the methods that are offered", async (method) => {
    const answer = await ask(url, "/api/v1/streams", { method });
    expectProblem(answer, 405, "request-invalid");
    expect(answer.headers.allow).toBe("GET, HEAD");
  });

  test("a body is not read, whatever it claims to be", async () => {
    expectProblem(await ask(url, "/api/v1/streams", { method: "POST", body: "x".repeat(100_000), headers: { "content-type": "application/json" } }), 405, "request-invalid");
  });

  test("a path that cannot be decoded and a name that is too long are refused", async () => {
    expectProblem(await ask(url, "/api/v1/streams/%zz"), 400, "request-invalid");
    expectProblem(await ask(url, `/api/v1/streams/${"x".repeat(101)}`), 414, "request-invalid");
  });

  test("the WebSocket's path asks for an upgrade when reached without one", async () => {
    const answer = await ask(url, "/api/v1/live");
    expectProblem(answer, 426, "request-invalid");
    expect(answer.headers.upgrade).toBe("websocket");
  });

  test("an upgrade to any other protocol is ignored and the request answered", async () => {
    const answer = await ask(url, "/api/v1/model", { headers: { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" } });
    expect(answer.status).toBe(200);
  });

  test("requests are reported by route, never by address", async () => {
    server.events.length = 0;
    await ask(url, "/api/v1/streams/studio-a");
    await ask(url, "/api/v1/made-up");
    await vi.waitUntil(() => server.events.length === 2);
    expect(server.events).toMatchObject([
      { kind: "request", route: "/api/v1/streams/:name", method: "GET", status: 200 },
      { kind: "request", route: "unmatched", method: "GET", status: 404 },
    ]);
  });
});

describe("what goes wrong inside", () => {
  test("not ready is 503 with its reasons", async () => {
    await using server = await startTestServer({ source: fakeSource({ readiness: () => ({ ready: false, reasons: ["The inference process is starting."] }) }) });
    const answer = await ask(server.http.url, "/readyz");
    expect([answer.status, answer.json()]).toEqual([503, { ready: false, reasons: ["The inference process is starting."] }]);
  });

  test("a defect is answered without its message, which goes to the log once", async () => {
    const lines: string[] = [];
    const source = fakeSource({
      streams: () => {
        throw new Error("the secret is 42");
      },
      metrics: () => Promise.reject(new TruecastError("store-failed", "The alert store could not commit: disk full.")),
    });
    await using server = await startTestServer({ source, log: pino({}, { write: (line: string) => void lines.push(line) }) });
    expect(expectProblem(await ask(server.http.url, "/api/v1/streams"), 500, "internal")).toBe(ERROR_CODES.internal);
    expect(lines.filter((line) => line.includes("the secret is 42"))).toHaveLength(1);
    expect(expectProblem(await ask(server.http.url, "/metrics"), 503, "store-failed")).toContain("disk full");
  });

  test("a handler that never answers is given up", async () => {
    await using server = await startTestServer({ source: fakeSource({ metrics: () => new Promise(() => undefined) }), limits: { handlerTimeoutMs: 100 } });
    expectProblem(await ask(server.http.url, "/metrics"), 503, "overload");
  });
});

describe("with a token", () => {
  const lines: string[] = [];
  let server: TestServer;
  let url: string;
  beforeAll(async () => {
    server = await startTestServer({ token: TOKEN, log: pino({ level: "trace" }, { write: (line: string) => void lines.push(line) }) });
    url = server.http.url;
  });
  afterAll(() => server.http.close());

  test.each(["/api/v1/streams", "/api/v1/streams/studio-a", "/api/v1/streams/studio-a/thumbnail.jpg", "/api/v1/alerts", `/api/v1/alerts/${ALERT.id}`, "/api/v1/model", "/api/v1/system", "/api/v1/live", "/api/v1/openapi.json", "/readyz", "/metrics", "/api/v1/nothing"])(
    "%s is closed without it and with a wrong one",
    async (path) => {
      const without = await ask(url, path);
      expectProblem(without, 401, "unauthorized");
      expect(without.headers["www-authenticate"]).toMatch(/^Bearer/);
      expectProblem(await ask(url, path, { headers: { authorization: "Bearer wrong" } }), 401, "unauthorized");
      expectProblem(await ask(url, `${path}?token=${TOKEN}`), 401, "unauthorized");
      expect((await ask(url, path, { headers: { authorization: `Bearer ${TOKEN}` } })).status).not.toBe(401);
    },
  );

  test("only the probe of the process and the page without data are open", async () => {
    expect((await ask(url, "/healthz")).status).toBe(200);
    expect((await ask(url, "/")).text).toContain("The dashboard is not built");
  });

  test("the dashboard's link sets a cookie that opens the API, and takes the token out of the address", async () => {
    const link = await ask(url, `/?token=${TOKEN}`);
    expect([link.status, link.headers.location, link.headers["cache-control"]]).toEqual([302, "/", "no-store"]);
    const cookie = link.headers["set-cookie"]?.[0] ?? "";
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/);
    expect((await ask(url, "/api/v1/streams", { headers: { cookie: cookie.split(";", 1)[0] ?? "" } })).status).toBe(200);
  });

  test("a wrong link gives no cookie and is counted", async () => {
    server.events.length = 0;
    for (const query of ["token=wrong", "token=", `token=${TOKEN}&token=${TOKEN}`]) {
      const answer = await ask(url, `/?${query}`);
      expect([answer.status, answer.headers["set-cookie"]]).toEqual([401, undefined]);
    }
    expect(server.events.filter((event) => event.kind === "refused" && event.reason === "token")).toHaveLength(3);
  });

  test("the token never reaches the log", () => {
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join("")).not.toContain(TOKEN);
  });
});

describe("Host and Origin", () => {
  test("a rebinding name is refused on every route, the page included, before the token is looked at", async () => {
    await using server = await startTestServer({ token: TOKEN });
    for (const path of ["/", "/healthz", "/api/v1/streams", "/nothing"]) {
      const answer = await ask(server.http.url, path, { headers: { host: "evil.example" } });
      expect(expectProblem(answer, 403, "forbidden")).toContain("evil.example");
    }
    expect(server.events.filter((event) => event.kind === "refused" && event.reason === "host")).toHaveLength(4);
  });

  test("loopback names and allowed names are taken", async () => {
    await using server = await startTestServer({ allowedHosts: ["truecast.example"] });
    for (const host of ["localhost", "127.0.0.1", "[::1]", "truecast.example:443"]) expect((await ask(server.http.url, "/api/v1/model", { headers: { host } })).status).toBe(200);
  });

  test("a request that would change something is refused from another origin, and only then as a wrong method", async () => {
    await using server = await startTestServer({ allowedOrigins: ["https://ops.example"] });
    const post = (origin: string) => ask(server.http.url, "/api/v1/streams", { method: "POST", headers: { origin } });
    expectProblem(await post("https://evil.example"), 403, "forbidden");
    expectProblem(await post("null"), 403, "forbidden");
    expectProblem(await post("https://ops.example"), 405, "request-invalid");
    expectProblem(await post(server.http.url), 405, "request-invalid");
  });
});

describe("the dashboard's files", () => {
  const root = temporaryFolder();
  const dashboardDir = join(root, "dist");
  let server: TestServer;
  let url: string;
  beforeAll(async () => {
    mkdirSync(join(dashboardDir, "assets"), { recursive: true });
    writeFileSync(join(root, "secret.txt"), "secret");
    writeFileSync(join(dashboardDir, "index.html"), "<!doctype html><title>Truecast</title>");
    writeFileSync(join(dashboardDir, "favicon.svg"), "<svg/>");
    writeFileSync(join(dashboardDir, ".env"), "SECRET=1");
    writeFileSync(join(dashboardDir, "assets", "index-BqK3x9_a.js"), "export {};");
    writeFileSync(join(dashboardDir, "assets", "plain.css"), "body{}");
    server = await startTestServer({ dashboardDir });
    url = server.http.url;
  });
  afterAll(async () => {
    await server.http.close();
    rmSync(root, { recursive: true });
  });

  test.each([
    ["/", "text/html; charset=utf-8", "no-cache"],
    ["/index.html", "text/html; charset=utf-8", "no-cache"],
    ["/favicon.svg", "image/svg+xml", "no-cache"],
    ["/assets/index-BqK3x9_a.js", "application/javascript; charset=utf-8", "public, max-age=31536000, immutable"],
    ["/assets/plain.css", "text/css; charset=utf-8", "no-cache"],
  ])("%s is %s, %s", async (path, type, cache) => {
    const answer = await ask(url, path);
    expect([answer.status, answer.headers["content-type"], answer.headers["cache-control"]]).toEqual([200, type, cache]);
  });

  test.each(["/../secret.txt", "/assets/../../secret.txt", "/assets/..%2f..%2fsecret.txt", "/..%2fsecret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/assets/..%5c..%5csecret.txt", "/.env", "/assets/", "/assets/none-BqK3x9_a.js", "/index.html%00.png"])(
    "%s leads nowhere and is not cached",
    async (path) => {
      const answer = await ask(url, path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      expect(answer.headers["cache-control"]).toBe("no-store");
      expect(answer.text).not.toContain("SECRET");
    },
  );

  test("a dashboard that is built while the daemon runs appears", async () => {
    const later = join(root, "later");
    await using other = await startTestServer({ dashboardDir: later });
    const before = await ask(other.http.url, "/");
    expect([before.status, before.headers["content-type"]]).toEqual([503, "text/html; charset=utf-8"]);
    expect(before.text).toContain("npm run build");
    symlinkSync(dashboardDir, later);
    expect((await ask(other.http.url, "/")).text).toContain("<title>Truecast</title>");
  });
});

describe("the port", () => {
  test("anything but loopback demands a token", async () => {
    await expect(startTestServer({ host: "0.0.0.0" })).rejects.toMatchObject({ code: "config-invalid", message: expect.stringContaining("0.0.0.0") as string });
  });

  test("a busy port is reported with its address within two seconds", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as { port: number };
    const startedAtMs = performance.now();
    await expect(startTestServer({ port })).rejects.toMatchObject({ code: "port-in-use", message: expect.stringContaining(`127.0.0.1:${port}`) as string });
    expect(performance.now() - startedAtMs).toBeLessThan(2000);
    holder.close();
  });

  test("an address of another machine is a mistake in the configuration", async () => {
    await expect(startTestServer({ host: "192.0.2.1", token: TOKEN })).rejects.toMatchObject({ code: "config-invalid" });
  });

  test("`localhost` takes requests and WebSockets", async () => {
    await using server = await startTestServer({ host: "localhost" });
    expect(server.http.url).toBe(`http://127.0.0.1:${server.http.port}`);
    const client = await connectLive(server.http.url);
    client.socket.terminate();
  });

  test("connections past the cap are dropped and counted, and room is made again", async () => {
    await using server = await startTestServer({ limits: { maxLiveClients: 1, maxRequestConnections: 1 } });
    const held = [await plainSocket(server), await plainSocket(server)];
    await expect(ask(server.http.url, "/healthz")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(server.events).toContainEqual({ kind: "refused", reason: "connections" });
    for (const socket of held) socket.destroy();
    await vi.waitUntil(() => ask(server.http.url, "/healthz").then(({ status }) => status === 200, () => false));
  });

  test("a request whose headers do not come in time is ended", async () => {
    await using server = await startTestServer({ limits: { headersTimeoutMs: 200 } });
    const socket = await plainSocket(server);
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const text = await readAll(socket);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(text).toContain('"code":"request-invalid"');
  });

  test.each([
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400],
    ["headers past the cap", `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["no Host", "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    ["no Host in HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", 403],
  ])("%s is refused and the next request is served", async (_what, bytes, status) => {
    await using server = await startTestServer();
    const socket = await plainSocket(server);
    socket.write(bytes);
    expect(await readAll(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect((await ask(server.http.url, "/healthz")).status).toBe(200);
  });
});

describe("closing", () => {
  test("takes under two seconds with every kind of connection open, and can be asked for twice", async () => {
    const server = await startTestServer({ source: fakeSource({ metrics: () => new Promise(() => undefined) }) });
    const silent = await plainSocket(server);
    const halfway = await plainSocket(server);
    halfway.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half:");
    const hanging = ask(server.http.url, "/metrics").catch((error: NodeJS.ErrnoException) => error.code);
    const idle = await plainSocket(server);
    idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(idle, "data");
    const live = await connectLive(server.http.url);
    const deaf = await connectLive(server.http.url);
    deaf.socket.pause();

    const startedAtMs = performance.now();
    await Promise.all([server.http.close(), server.http.close()]);
    expect(performance.now() - startedAtMs).toBeLessThan(2000);
    expect(await live.closed).toBe(1001);
    expect(await hanging).toBe("ECONNRESET");
    await expect(ask(server.http.url, "/healthz")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    server.http.broadcast({ type: "stream", stream: stream("studio-a") });
    deaf.socket.terminate();
    for (const socket of [silent, halfway, idle]) socket.destroy();
  });

  test("an aborted signal closes it", async () => {
    const ending = new AbortController();
    const { http } = await startTestServer({}, ending.signal);
    const client = await connectLive(http.url);
    ending.abort();
    expect(await client.closed).toBe(1001);
    await http.close();
    await expect(startTestServer({}, ending.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});

async function plainSocket(server: TestServer): Promise<Socket> {
  const socket = connect(server.http.port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined);
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (part: Buffer) => {
    text += part.toString();
  });
  await once(socket, "close");
  return text;
}
