import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { TruecastError } from "../../pipelines/errors.ts";
import { type AlertEvent, ServerMessage } from "../protocol.ts";
import type { LiveUpdate } from "./source.ts";
import { ALERT, EVENT, fakeSource, MODEL, POINT, stream, SYSTEM } from "./testing/fake-source.ts";
import { connectLive, refusedHandshake } from "./testing/live-client.ts";
import { expectMatches } from "./testing/requests.ts";
import { startTestServer, type TestServer } from "./testing/start.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const score = (at: number): LiveUpdate => ({ type: "score", stream: "studio-a", point: { ...POINT, at } });
/** A score message of about this many bytes. */
const bulky = (bytes: number): LiveUpdate => ({ type: "score", stream: "s".repeat(bytes), point: POINT });
const seqs = (messages: readonly ServerMessage[]): number[] => messages.flatMap((message) => (message.type === "missed" ? [] : [message.seq]));
const ended = (server: TestServer): string[] => server.events.flatMap((event) => (event.kind === "live-closed" ? [event.reason] : []));

describe("messages", () => {
  test("a client gets a snapshot, then every kind of delta with numbers that rise by one, as the golden file has them", async () => {
    await using server = await startTestServer();
    server.http.broadcast(score(1));
    const client = await connectLive(server.http.url);
    server.http.broadcast({ type: "stream", stream: stream("studio-a") });
    server.http.broadcast(score(2));
    server.http.broadcast({ type: "alert", alert: ALERT, event: { seq: EVENT.seq, id: EVENT.id, kind: EVENT.kind, at: EVENT.at } });
    server.http.broadcast({ type: "model", model: MODEL });
    server.http.broadcast({ type: "system", system: SYSTEM });
    server.http.broadcast({ type: "stream-removed", name: "studio-b" });
    await client.until(() => client.messages.length === 7);
    for (const message of client.messages) expectMatches(ServerMessage, message);
    expect(seqs(client.messages)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const back = await connectLive(server.http.url, `?run=${server.http.run}&message=7`);
    await back.until(() => back.messages.length === 1);
    const golden = [...client.texts, ...back.texts].map((text) => text.replace(server.http.run, "00000000-0000-4000-8000-000000000000"));
    await expect(`${golden.join("\n")}\n`).toMatchFileSnapshot("testing/wire-messages.golden.jsonl");
    client.socket.terminate();
    back.socket.terminate();
  });

  test("what happens between two snapshots is in the second one's number", async () => {
    await using server = await startTestServer();
    for (let at = 0; at < 5; at += 1) server.http.broadcast(score(at));
    const client = await connectLive(server.http.url);
    await client.until(() => client.messages.length === 1);
    expect(client.messages[0]).toMatchObject({ type: "snapshot", seq: 5, run: server.http.run });
    client.socket.terminate();
  });

  test("updates of a stream are thinned out per stream, the newest is never lost, and nothing else waits", async () => {
    await using server = await startTestServer();
    const client = await connectLive(server.http.url);
    for (let decoded = 1; decoded <= 100; decoded += 1) {
      server.http.broadcast({ type: "stream", stream: stream("studio-a", { frames: { decoded, discarded: 0, lost: 0 } }) });
    }
    server.http.broadcast({ type: "stream", stream: stream("studio-b") });
    server.http.broadcast(score(1));
    const decoded = (): number[] => client.messages.flatMap((message) => (message.type === "stream" && message.stream.name === "studio-a" ? [message.stream.frames.decoded] : []));
    await client.until(() => decoded().includes(100));
    expect(decoded()).toEqual([1, 100]);
    expect(client.messages.map(({ type }) => type)).toEqual(["snapshot", "stream", "stream", "score", "stream"]);
    client.socket.terminate();
  });

  test("a client gets its snapshot while the pages of alerts cannot be read", async () => {
    const alerts = () => {
      throw new TruecastError("store-failed", "disk gone");
    };
    await using server = await startTestServer({ source: fakeSource({ alerts }) });
    const client = await connectLive(server.http.url);
    await client.until(() => client.messages.length === 1);
    expect(client.messages).toMatchObject([{ type: "snapshot", alerts: [{ state: "firing" }] }]);
    client.socket.terminate();
  });

  test("a snapshot that cannot be made ends that client with 1011 and leaves the server in place", async () => {
    let broken = true;
    const source = fakeSource();
    await using server = await startTestServer({
      source: {
        ...source,
        model: () => {
          if (broken) throw new Error("no model");
          return source.model();
        },
      },
    });
    expect(await (await connectLive(server.http.url)).closed).toBe(1011);
    broken = false;
    const client = await connectLive(server.http.url);
    await client.until(() => client.messages.length === 1);
    client.socket.terminate();
  });
});

describe("coming back", () => {
  test("a client that names its run and number gets exactly what it missed", async () => {
    await using server = await startTestServer();
    const before = await connectLive(server.http.url);
    server.http.broadcast(score(1));
    await before.until(() => before.messages.length === 2);
    before.socket.close();
    await before.closed;
    for (const at of [2, 3, 4]) server.http.broadcast(score(at));
    const after = await connectLive(server.http.url, `?run=${server.http.run}&message=1`);
    server.http.broadcast(score(5));
    await after.until(() => after.messages.length === 5);
    expect(after.messages[0]).toEqual({ type: "resumed", run: server.http.run, seq: 1 });
    expect(seqs(after.messages)).toEqual([1, 2, 3, 4, 5]);
    expect(server.events.filter(({ kind }) => kind === "live-opened")).toEqual([
      { kind: "live-opened", resumed: false },
      { kind: "live-opened", resumed: true },
    ]);
    after.socket.terminate();
  });

  test.each([
    ["the gap is larger than what is kept", (run: string) => `?run=${run}&message=1`],
    ["the run is another one", () => "?run=00000000-0000-4000-8000-000000000000&message=9"],
    ["the number was never given out", (run: string) => `?run=${run}&message=11`],
    ["the run is missing", () => "?message=9"],
    ["the number is missing", (run: string) => `?run=${run}`],
  ])("it gets a new snapshot when %s", async (_when, query) => {
    await using server = await startTestServer({ limits: { maxRingMessages: 3 } });
    for (let at = 1; at <= 10; at += 1) server.http.broadcast(score(at));
    const client = await connectLive(server.http.url, query(server.http.run));
    await client.until(() => client.messages.length === 1);
    expect(client.messages[0]).toMatchObject({ type: "snapshot", seq: 10 });
    client.socket.terminate();
  });

  test.each(["since", "message"])("a %s that is no number is refused by name", async (name) => {
    await using server = await startTestServer();
    const { status, text } = await refusedHandshake(server.http.url, `/api/v1/live?run=${server.http.run}&${name}=-1`);
    expect([status, JSON.parse(text)]).toEqual([400, expect.objectContaining({ code: "request-invalid", detail: expect.stringContaining(`"${name}" is "-1"`) as string })]);
  });
});

describe("events that were missed", () => {
  /** A store's events as the daemon has them; `tell` commits one and sends it. */
  function outbox(count: number) {
    const events: AlertEvent[] = Array.from({ length: count }, (_, index) => ({ ...EVENT, seq: index + 1 }));
    const pages: number[] = [];
    let onPage = (): void => {};
    const source = fakeSource({
      events({ after, limit }) {
        pages.push(after);
        onPage();
        return { events: events.slice(after, after + limit), gap: false, oldest: 1, newest: events.length };
      },
      newestEvent: () => events.length,
    });
    return {
      source,
      pages,
      commit: (): AlertEvent => {
        const event = { ...EVENT, seq: events.length + 1 };
        events.push(event);
        return event;
      },
      whenAsked: (action: () => void) => {
        onPage = action;
      },
    };
  }
  const update = ({ seq, id, kind, at, alert }: AlertEvent): LiveUpdate => ({ type: "alert", alert, event: { seq, id, kind, at } });
  const eventSeqs = (messages: readonly ServerMessage[]): number[] =>
    messages.flatMap((message) => (message.type === "missed" ? message.events.map(({ seq }) => seq) : message.type === "alert" && message.event?.seq ? [message.event.seq] : []));
  const upTo = (count: number, from = 1): number[] => Array.from({ length: count - from + 1 }, (_, index) => index + from);

  test("come first, in order, then a snapshot, then live ones", async () => {
    const { source, commit } = outbox(5);
    await using server = await startTestServer({ source });
    const client = await connectLive(server.http.url, "?since=3");
    await client.until(() => client.messages.length === 2);
    server.http.broadcast(update(commit()));
    await client.until(() => client.messages.length === 3);
    for (const message of client.messages) expectMatches(ServerMessage, message);
    expect(client.messages.map(({ type }) => type)).toEqual(["missed", "snapshot", "alert"]);
    expect(client.messages[0]).toMatchObject({ gap: false, oldest: 1, newest: 5, last: true });
    expect(client.messages[1]).toMatchObject({ eventSeq: 5 });
    expect(eventSeqs(client.messages)).toEqual([4, 5, 6]);
    client.socket.terminate();
  });

  test("come exactly once, also those that are told while the pages are on their way", async () => {
    const { source, commit, whenAsked, pages } = outbox(450);
    await using server = await startTestServer({ source });
    whenAsked(() => {
      // Between one page and the next the daemon tells one more.
      if (pages.length < 4) server.http.broadcast(update(commit()));
    });
    const client = await connectLive(server.http.url, "?since=0");
    await client.until(() => client.messages.some(({ type }) => type === "snapshot"));
    server.http.broadcast(update(commit()));
    await client.until(() => client.messages.at(-1)?.type === "alert");
    expect(eventSeqs(client.messages)).toEqual(upTo(454));
    expect(client.messages.filter(({ type }) => type === "missed").map((message) => message.type === "missed" && message.last)).toEqual([false, false, false, false, true]);
    client.socket.terminate();
  });

  test("wait in the store, not in memory, for a client that does not read, and the others hear on", async () => {
    const { source, pages } = outbox(40_000);
    await using server = await startTestServer({ source });
    const slow = await connectLive(server.http.url, "?since=0");
    slow.socket.pause();
    const other = await connectLive(server.http.url);
    server.http.broadcast(score(1));
    await other.until(() => other.messages.length === 2);
    // Far fewer pages than there are: what is on its way fills the sockets, and no more is read.
    expect(pages.length).toBeLessThan(300);
    expect(server.http.liveStats().maxBufferedBytes).toBeLessThan(262_144);
    slow.socket.resume();
    await slow.until(() => slow.messages.some(({ type }) => type === "snapshot"));
    expect(eventSeqs(slow.messages)).toEqual(upTo(40_000));
    slow.socket.terminate();
    other.socket.terminate();
  });

  test("are not sent where the messages of the run are still kept: those hold them", async () => {
    const { source, commit } = outbox(5);
    await using server = await startTestServer({ source });
    server.http.broadcast(score(1));
    server.http.broadcast(update(commit()));
    const client = await connectLive(server.http.url, `?since=5&run=${server.http.run}&message=1`);
    await client.until(() => client.messages.length === 2);
    expect(client.messages.map(({ type }) => type)).toEqual(["resumed", "alert"]);
    expect(eventSeqs(client.messages)).toEqual([6]);
    client.socket.terminate();
  });

  test("say that some are no longer kept", async () => {
    const source = fakeSource({ events: () => ({ events: [EVENT], gap: true, oldest: 7, newest: 7 }) });
    await using server = await startTestServer({ source });
    const client = await connectLive(server.http.url, "?since=1");
    await client.until(() => client.messages.length === 2);
    expect(client.messages[0]).toMatchObject({ type: "missed", gap: true, oldest: 7 });
    client.socket.terminate();
  });

  test("keep nobody from what happens now while the store cannot be read", async () => {
    const events = () => {
      throw new TruecastError("store-failed", "disk gone");
    };
    await using server = await startTestServer({ source: fakeSource({ events }) });
    const client = await connectLive(server.http.url, "?since=1");
    await client.until(() => client.messages.length === 2);
    expect(client.messages).toMatchObject([{ type: "missed", events: [], gap: true, last: true }, { type: "snapshot" }]);
    client.socket.terminate();
  });
});

describe("clients that misbehave", () => {
  test("one that does not read is closed with 1013 while another hears everything and memory stays bounded", async () => {
    const cap = 262_144;
    const messageBytes = 65_536;
    await using server = await startTestServer({ limits: { maxClientBufferBytes: cap, maxRingBytes: cap, closeTimeoutMs: 20_000 } });
    const slow = await connectLive(server.http.url);
    slow.socket.pause();
    const fast = new WebSocket(`${server.http.url.replace("http", "ws")}/api/v1/live`);
    let heard = 0;
    fast.on("message", () => {
      heard += 1;
    });
    await once(fast, "message");

    const memory = (): number => process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const before = memory();
    let peakBuffered = 0;
    let sent = 0;
    let sentWhenDropped = 0;
    // 100 MiB in all, far past what the kernel's socket buffers take.
    for (; sent < 1600; sent += 1) {
      server.http.broadcast(bulky(messageBytes));
      peakBuffered = Math.max(peakBuffered, server.http.liveStats().maxBufferedBytes);
      if (sentWhenDropped === 0 && peakBuffered > cap) sentWhenDropped = sent;
      if (sent % 2 === 1) await vi.waitUntil(() => heard === sent + 2, { interval: 1 });
    }
    expect(heard).toBe(1 + sent);
    expect(sentWhenDropped).toBeGreaterThan(0);
    expect(sentWhenDropped).toBeLessThan(sent / 2);
    expect(peakBuffered).toBeLessThan(cap + 2 * messageBytes);
    expect(memory() - before).toBeLessThan(64 * 1024 * 1024);

    // It learns why once it reads again.
    slow.socket.resume();
    expect(await slow.closed).toBe(1013);
    expect(fast.readyState).toBe(WebSocket.OPEN);
    await vi.waitUntil(() => ended(server).length === 1);
    expect(ended(server)).toEqual(["slow"]);
    fast.terminate();
  });

  test("one that never reads its close frame either is cut off", async () => {
    await using server = await startTestServer({ limits: { maxClientBufferBytes: 65_536, closeTimeoutMs: 100 } });
    const deaf = await connectLive(server.http.url);
    deaf.socket.pause();
    await vi.waitUntil(
      () => {
        server.http.broadcast(bulky(262_144));
        return server.http.liveStats().clients === 0;
      },
      { interval: 10, timeout: 10_000 },
    );
    expect(ended(server)).toEqual(["slow"]);
    deaf.socket.terminate();
  });

  test("one that answers no ping is dead, one that does stays", async () => {
    await using server = await startTestServer({ limits: { pingIntervalMs: 40 } });
    const dead = await connectLive(server.http.url, "", { autoPong: false });
    const alive = await connectLive(server.http.url);
    let pings = 0;
    alive.socket.on("ping", () => {
      pings += 1;
    });
    expect(await dead.closed).toBe(1006);
    await vi.waitUntil(() => pings >= 5);
    expect(ended(server)).toEqual(["dead"]);
    expect(server.http.liveStats().clients).toBe(1);
    alive.socket.terminate();
  });

  test("one that says something is closed with 1008, one that says much with 1009", async () => {
    await using server = await startTestServer();
    const talker = await connectLive(server.http.url);
    talker.socket.send("hello");
    expect(await talker.closed).toBe(1008);
    const flooder = await connectLive(server.http.url);
    flooder.socket.send("x".repeat(126));
    expect(await flooder.closed).toBe(1009);
    await vi.waitUntil(() => ended(server).length === 2);
    expect(ended(server)).toEqual(["protocol", "protocol"]);
  });

  test("one past the limit is refused and may come when another has left", async () => {
    await using server = await startTestServer({ limits: { maxLiveClients: 1 } });
    const first = await connectLive(server.http.url);
    const refused = await refusedHandshake(server.http.url, "/api/v1/live");
    expect([refused.status, refused.headers["retry-after"], JSON.parse(refused.text)]).toEqual([503, "5", expect.objectContaining({ code: "overload" })]);
    expect(server.events).toContainEqual({ kind: "refused", reason: "live-capacity" });
    first.socket.close();
    await first.closed;
    await vi.waitUntil(() => server.http.liveStats().clients === 0);
    const second = await connectLive(server.http.url);
    second.socket.terminate();
  });
});

describe("handshake", () => {
  test.each([
    ["another path", "/api/v1/other", {}, 404, "not-found"],
    ["a rebinding Host", "/api/v1/live", { headers: { host: "evil.example" } }, 403, "forbidden"],
    ["another Origin", "/api/v1/live", { origin: "https://evil.example" }, 403, "forbidden"],
    ["an opaque Origin", "/api/v1/live", { origin: "null" }, 403, "forbidden"],
  ])("from %s is refused", async (_what, path, options, status, code) => {
    await using server = await startTestServer();
    const refused = await refusedHandshake(server.http.url, path, options);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([status, expect.objectContaining({ code, status })]);
  });

  test("the own origin, an allowed origin and no origin are taken", async () => {
    await using server = await startTestServer({ allowedOrigins: ["https://ops.example"] });
    for (const options of [{ origin: server.http.url }, { origin: "https://ops.example" }, {}]) {
      const client = await connectLive(server.http.url, "", options);
      client.socket.terminate();
    }
  });

  test("with a token, bearer and cookie open it, and nothing else does", async () => {
    await using server = await startTestServer({ token: TOKEN });
    const link = await fetch(`${server.http.url}/?token=${TOKEN}`, { redirect: "manual" });
    const cookie = link.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
    for (const headers of [{ authorization: `Bearer ${TOKEN}` }, { cookie }]) {
      const client = await connectLive(server.http.url, "", { headers });
      client.socket.terminate();
    }
    for (const [path, headers] of [
      ["/api/v1/live", {}],
      [`/api/v1/live?token=${TOKEN}`, {}],
      ["/api/v1/live", { authorization: "Bearer wrong" }],
      ["/api/v1/live", { cookie: `truecast_session=${TOKEN}` }],
    ] as const) {
      expect((await refusedHandshake(server.http.url, path, { headers })).status).toBe(401);
    }
  });
});
