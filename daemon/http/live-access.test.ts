/** The WebSocket and who may listen: ended access closes it, and a client of some streams hears of those alone. */
import { expect, test } from "vitest";
import type { ServerMessage } from "../protocol.ts";
import type { TestServer } from "./testing/start.ts";
import { ALERT, fakeSource, MODEL, POINT, stream } from "./testing/fake-source.ts";
import { connectLive, refusedHandshake } from "./testing/live-client.ts";
import { ask } from "./testing/requests.ts";
import { startTestServer } from "./testing/start.ts";

const AUTHOR = { actor: "test", name: "test", address: null };
const withToken = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } });
const make = (server: TestServer, streams: string[] | null = null, expiresAt: number | null = null) => server.access.tokens.create({ name: "listener", role: "viewer", streams, expiresAt }, AUTHOR);
const numbers = (messages: readonly ServerMessage[]): [string, number][] => messages.map((message) => [message.type, message.type === "missed" ? Number.NaN : message.seq]);

test("revoking a token closes its WebSockets within two seconds, and no other", async () => {
  await using server = await startTestServer();
  const [one, two] = [make(server), make(server)];
  const closing = await connectLive(server.http.url, "", withToken(one.secret));
  const staying = await connectLive(server.http.url, "", withToken(two.secret));
  const revokedAtMs = performance.now();
  server.access.tokens.revoke(one.token.id, AUTHOR);
  expect(await closing.closed).toBe(1008);
  expect(performance.now() - revokedAtMs).toBeLessThan(2_000);
  expect((await refusedHandshake(server.http.url, "/api/v1/live", withToken(one.secret))).status).toBe(401);
  server.http.broadcast({ type: "model", model: MODEL });
  await staying.until(() => staying.messages.length === 2);
  expect(server.events).toContainEqual({ kind: "live-closed", reason: "access" });
  staying.socket.terminate();
});

test("an expired token and an ended session close theirs too", async () => {
  let nowMs = 1_700_000_000_000;
  await using server = await startTestServer({ access: { now: () => nowMs }, limits: { accessCheckMs: 20 } });
  const { secret } = make(server, null, nowMs + 60_000);
  const byToken = await connectLive(server.http.url, "", withToken(secret));
  const answer = await ask(server.http.url, "/api/v1/session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token: make(server).secret }) });
  const cookie = answer.headers["set-cookie"]?.[0]?.split(";", 1)[0] ?? "";
  const bySession = await connectLive(server.http.url, "", { headers: { cookie, origin: server.http.url } });
  nowMs += 60_000;
  expect(await byToken.closed).toBe(1008);
  const { csrfToken } = answer.json() as { csrfToken: string };
  await ask(server.http.url, "/api/v1/session", { method: "DELETE", headers: { cookie, origin: server.http.url, "x-csrf-token": csrfToken } });
  expect(await bySession.closed).toBe(1008);
});

test("the first token that is made ends what a port open to this machine had let in", async () => {
  await using server = await startTestServer({ limits: { accessCheckMs: 20 } });
  const client = await connectLive(server.http.url);
  make(server);
  expect(await client.closed).toBe(1008);
});

test("a client of one stream is told of that one alone, in numbers without gaps", async () => {
  const other = { ...ALERT, id: "00000000-0000-4000-8000-000000000002", stream: "studio-b" };
  const source = fakeSource();
  await using server = await startTestServer({ source: { ...source, snapshotAlerts: (visible) => [ALERT, other].filter(({ stream: name }) => visible === null || visible.includes(name)) } });
  const scoped = await connectLive(server.http.url, "", withToken(make(server, ["studio-a"]).secret));
  const all = await connectLive(server.http.url, "", withToken(make(server).secret));
  for (const name of ["studio-b", "studio-a", "studio-b"]) {
    server.http.broadcast({ type: "score", stream: name, point: POINT });
    server.http.broadcast({ type: "alert", alert: { ...ALERT, stream: name }, event: null });
    server.http.broadcast({ type: "stream", stream: stream(name) });
    server.http.broadcast({ type: "stream-removed", name });
  }
  server.http.broadcast({ type: "model", model: MODEL });
  const last = (messages: readonly ServerMessage[]): boolean => messages.at(-1)?.type === "model";
  await Promise.all([scoped.until(() => last(scoped.messages)), all.until(() => last(all.messages))]);
  expect(all.messages.length).toBeGreaterThan(10);
  expect(numbers(scoped.messages)).toEqual([["snapshot", 0], ["score", 1], ["alert", 2], ["stream", 3], ["stream-removed", 4], ["model", 5]]);
  expect(scoped.texts.join("")).not.toContain("studio-b");
  const [snapshot] = scoped.messages;
  expect(snapshot).toMatchObject({ streams: [{ name: "studio-a" }], alerts: [{ id: ALERT.id }] });
  scoped.socket.terminate();
  all.socket.terminate();
});

test("a client of one stream comes back to what it missed, and its numbers mean nothing to a client of another", async () => {
  await using server = await startTestServer();
  const [a, b] = [make(server, ["studio-a"]), make(server, ["studio-b"])];
  const before = await connectLive(server.http.url, "", withToken(a.secret));
  await before.until(() => before.messages.length === 1);
  const run = before.messages[0]?.type === "snapshot" ? before.messages[0].run : "";
  expect(run).not.toBe(server.http.run);
  before.socket.close();
  await before.closed;
  server.http.broadcast({ type: "score", stream: "studio-b", point: POINT });
  server.http.broadcast({ type: "score", stream: "studio-a", point: POINT });
  const back = await connectLive(server.http.url, `?run=${run}&message=0`, withToken(a.secret));
  await back.until(() => back.messages.length === 2);
  expect(numbers(back.messages)).toEqual([["resumed", 0], ["score", 1]]);
  for (const secret of [b.secret, make(server).secret]) {
    const stranger = await connectLive(server.http.url, `?run=${run}&message=0`, withToken(secret));
    await stranger.until(() => stranger.messages.length === 1);
    expect(stranger.messages[0]?.type).toBe("snapshot");
    stranger.socket.terminate();
  }
  back.socket.terminate();
});

test("past the cap of groups a handshake is answered 503, and a group that is left makes room", async () => {
  await using server = await startTestServer({ limits: { maxScopes: 1 } });
  const [a, b] = [make(server, ["studio-a"]), make(server, ["studio-b"])];
  const first = await connectLive(server.http.url, "", withToken(a.secret));
  expect((await refusedHandshake(server.http.url, "/api/v1/live", withToken(b.secret))).status).toBe(503);
  first.socket.close();
  await first.closed;
  const second = await connectLive(server.http.url, "", withToken(b.secret));
  second.socket.terminate();
});

test("a client of one stream that was away is told of that stream's alerts alone", async () => {
  await using server = await startTestServer();
  const [a, b] = [make(server, ["studio-a"]), make(server, ["studio-b"])];
  for (const [{ secret }, seen] of [[a, 1], [b, 0]] as const) {
    const back = await connectLive(server.http.url, "?since=0", withToken(secret));
    await back.until(() => back.messages.length === 2);
    expect(back.messages).toMatchObject([{ type: "missed", last: true }, { type: "snapshot" }]);
    expect(back.messages[0]?.type === "missed" ? back.messages[0].events.length : null).toBe(seen);
    const page = await ask(server.http.url, "/api/v1/events?after=0", withToken(secret));
    expect((page.json() as { events: unknown[] }).events).toHaveLength(seen);
    back.socket.terminate();
  }
});
