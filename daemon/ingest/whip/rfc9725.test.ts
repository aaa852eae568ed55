/** The musts of RFC 9725, each named after its section, over real HTTP against the real ingest. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type IngestServer, startIngestServer } from "../ingest-server.ts";
import type { IngestEvent } from "../messages.ts";
import { AUDIO, CLIENT_PASSWORD, CLIENT_UFRAG, VIDEO, type WhipFetch, changed, makeOffer, whipClient } from "./testing/offer.ts";
import { bindingRequest } from "./testing/stun-client.ts";

const KEY = "secret-key-studio";
const OTHER_KEY = "secret-key-other";
const SDP = { "content-type": "application/sdp" };
const FRAGMENT = { "content-type": "application/trickle-ice-sdpfrag" };
const CANDIDATE = "a=candidate:1387637174 1 udp 2122260223 host-that-is-hidden.local 61764 typ host";

let ingest: IngestServer;
let whip: WhipFetch;
const events: IngestEvent[] = [];

beforeAll(async () => {
  ingest = await startIngestServer({
    port: 0,
    streams: [{ name: "studio", key: KEY }, { name: "other", key: OTHER_KEY }],
    whip: {
      host: "127.0.0.1",
      port: 0,
      udpPort: 0,
      advertisedAddresses: [],
      iceServers: [{ url: "stun:stun.example.net" }, { url: "turn:turn.example.net?transport=udp", username: "user", credential: 'a"quoted"pass' }],
      maxBitrateKbps: 2_000,
    },
    limits: { whipMaxSessionsPerAddress: 2 },
    onEvent: (event) => events.push(event),
  });
  whip = whipClient(ingest.info.whip?.port ?? 0, KEY);
});
afterAll(() => ingest.close());

const post = (body = makeOffer()) => whip({ method: "POST", path: "/whip/studio", headers: SDP, body });

async function withSession(use: (session: { readonly path: string; readonly etag: string; readonly answer: string }) => Promise<void>): Promise<void> {
  const response = await post();
  expect(response.status).toBe(201);
  const path = response.headers.get("location") ?? "";
  await use({ path, etag: response.headers.get("etag") ?? "", answer: await response.text() });
  await whip({ method: "DELETE", path });
}

const fragment = (...lines: readonly string[]) => [...lines, ""].join("\r\n");
const trickle = fragment(`a=ice-ufrag:${CLIENT_UFRAG}`, `a=ice-pwd:${CLIENT_PASSWORD}`, "m=audio 9 RTP/AVP 0", "a=mid:0", CANDIDATE);
const restart = fragment("a=ice-ufrag:ysXw", "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k");

describe("4.1 HTTP usage", () => {
  test.each([
    ["a path that is not WHIP's", { method: "POST", path: "/other", headers: SDP, body: "" }, 404, "not-found"],
    ["an offer that is no SDP", { method: "POST", path: "/whip/studio", headers: SDP, body: "hello" }, 400, "sdp-malformed"],
  ])("%s is answered with problem details", async (_what, request, status, code) => {
    const response = await whip(request);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({ status, code });
  });

  test("no answer redirects", async () => {
    for (const method of ["POST", "GET", "OPTIONS", "PUT", "DELETE"]) {
      const response = await whip({ method, path: "/whip/studio" });
      expect(response.status < 300 || response.status >= 400).toBe(true);
    }
  });
});

describe("4.2 ingest session set-up", () => {
  test("an offer is answered 201 with an SDP answer, a Location and an ETag", async () => {
    await withSession(async ({ path, etag, answer }) => {
      expect(path).toMatch(/^\/whip\/studio\/[A-Za-z0-9_-]{24}$/);
      expect(etag).toMatch(/^"[^"]+"$/);
      expect(answer).toMatch(/^v=0\r\n/);
    });
  });

  test("the answer only receives, in each media section of the offer and in its order", async () => {
    await withSession(async ({ answer }) => {
      const sections = answer.split(/^m=/m).slice(1);
      expect(sections.map((section) => section.split(" ")[0])).toEqual(["audio", "video"]);
      for (const section of sections) expect(section).toContain("\r\na=recvonly\r\n");
      for (const section of sections) expect(section).not.toMatch(/^\w+ 0 /);
    });
  });

  test("another content type than application/sdp is refused", async () => {
    const response = await whip({ method: "POST", path: "/whip/studio", headers: { "content-type": "application/json" }, body: makeOffer() });
    expect(response.status).toBe(415);
  });

  test.each([
    ["nothing", ""],
    ["bytes that are no line", makeOffer({ more: ["\u0000\u0001"] })],
    ["no media section", makeOffer({ audio: null, video: null })],
    ["no ICE credentials", makeOffer({ audio: changed(AUDIO, { [`a=ice-ufrag:${CLIENT_UFRAG}`]: undefined, [`a=ice-pwd:${CLIENT_PASSWORD}`]: undefined }) })],
    ["half of the ICE credentials", makeOffer({ audio: changed(AUDIO, { [`a=ice-pwd:${CLIENT_PASSWORD}`]: undefined }) })],
    ["no fingerprint", makeOffer({ audio: AUDIO.filter((line) => !line.startsWith("a=fingerprint")) })],
    ["3,000 lines", makeOffer({ more: Array.from({ length: 3_000 }, () => "a=x") })],
    ["60 media sections", makeOffer({ more: Array.from({ length: 60 }, () => "m=audio 9 UDP/TLS/RTP/SAVPF 0") })],
  ])("a malformed offer is refused with 400: %s", async (_what, offer) => {
    const response = await post(offer);
    expect({ status: response.status, code: ((await response.json()) as { code: string }).code }).toEqual({ status: 400, code: "sdp-malformed" });
  });

  test("an offer longer than the cap is refused with 413 and its connection closed", async () => {
    const response = await post(makeOffer({ more: [`a=x${"y".repeat(70_000)}`] }));
    expect(response.status).toBe(413);
  });

  test.each(["recvonly", "inactive"])("an offer that is %s is refused", async (direction) => {
    expect((await post(makeOffer({ video: changed(VIDEO, { "a=sendonly": `a=${direction}` }) }))).status).toBe(422);
  });

  test("sendrecv is taken for what it sends", async () => {
    const response = await post(makeOffer({ video: changed(VIDEO, { "a=sendonly": "a=sendrecv" }) }));
    expect(response.status).toBe(201);
    await whip({ method: "DELETE", path: response.headers.get("location") ?? "" });
  });

  test("DELETE ends the session, and its URL is gone", async () => {
    const response = await post();
    const path = response.headers.get("location") ?? "";
    expect((await whip({ method: "DELETE", path })).status).toBe(200);
    expect((await whip({ method: "DELETE", path })).status).toBe(404);
    expect((await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": "*" }, body: trickle })).status).toBe(404);
  });

  test("after DELETE consent is revoked: ICE checks are no longer answered", async () => {
    await using client = await startUdpClient();
    const response = await post();
    const answer = await response.text();
    const check = bindingRequest({ username: `${attribute(answer, "ice-ufrag")}:${CLIENT_UFRAG}`, password: attribute(answer, "ice-pwd") });
    client.send(check);
    expect((await client.next()).readUInt16BE(0)).toBe(0x0101);
    await whip({ method: "DELETE", path: response.headers.get("location") ?? "" });
    // A check of a living session, sent after it, is answered first and alone.
    const other = await post();
    const otherAnswer = await other.text();
    client.send(check);
    client.send(bindingRequest({ username: `${attribute(otherAnswer, "ice-ufrag")}:${CLIENT_UFRAG}`, password: attribute(otherAnswer, "ice-pwd"), transactionId: Buffer.alloc(12, 7) }));
    expect((await client.next()).subarray(8, 20)).toEqual(Buffer.alloc(12, 7));
    await whip({ method: "DELETE", path: other.headers.get("location") ?? "" });
  });

  test.each(["GET", "HEAD", "PUT"])("%s on the endpoint and on the session is 405 with Allow", async (method) => {
    await withSession(async ({ path }) => {
      for (const [url, allowed] of [["/whip/studio", "POST"], [path, "PATCH"]] as const) {
        const response = await whip({ method, path: url });
        expect(response.status).toBe(405);
        expect(response.headers.get("allow")).toContain(allowed);
      }
    });
  });

  test("POST on the session is 405", async () => {
    await withSession(async ({ path }) => expect((await whip({ method: "POST", path, headers: SDP, body: makeOffer() })).status).toBe(405));
  });

  test("OPTIONS needs no key, allows every origin and says what can be posted", async () => {
    await withSession(async ({ path }) => {
      for (const url of ["/whip/studio", path]) {
        const response = await whip({ method: "OPTIONS", path: url, key: null, headers: { origin: "https://page.example", "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type,if-match" } });
        expect(response.status).toBe(200);
        expect(response.headers.get("accept-post")).toBe("application/sdp");
        expect(response.headers.get("access-control-allow-origin")).toBe("*");
        for (const method of ["POST", "PATCH", "DELETE"]) expect(response.headers.get("access-control-allow-methods")).toContain(method);
        for (const header of ["Authorization", "Content-Type", "If-Match"]) expect(response.headers.get("access-control-allow-headers")).toContain(header);
      }
    });
  });

  test("pages of other origins may read Location, ETag and Link, of refusals too", async () => {
    for (const response of [await post("no"), await whip({ method: "OPTIONS", path: "/whip/studio" })]) {
      for (const header of ["Location", "ETag", "Link"]) expect(response.headers.get("access-control-expose-headers")).toContain(header);
    }
  });
});

describe("4.3.1 HTTP PATCH request usage", () => {
  test("another content type, a malformed fragment and one that asks for nothing are refused", async () => {
    await withSession(async ({ path, etag }) => {
      const patch = async (body: string, type = FRAGMENT) => (await whip({ method: "PATCH", path, headers: { ...type, "if-match": etag }, body })).status;
      expect(await patch(trickle, SDP)).toBe(415);
      expect(await patch("candidate")).toBe(400);
      expect(await patch(fragment("a=ice-ufrag:a", "a=ice-pwd:short"))).toBe(400);
      expect(await patch(fragment(...Array.from({ length: 100 }, () => CANDIDATE)))).toBe(400);
      expect(await patch(`a=x${"y".repeat(20_000)}`)).toBe(413);
      expect(await patch(fragment("m=audio 9 RTP/AVP 0", "a=mid:0"))).toBe(422);
      expect(await patch(fragment(`a=ice-ufrag:${CLIENT_UFRAG}`, "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k"))).toBe(422);
    });
  });

  test("without If-Match it is 428, with another entity-tag 412, and the session goes on", async () => {
    await withSession(async ({ path, etag }) => {
      const patch = async (headers: Record<string, string>) => (await whip({ method: "PATCH", path, headers: { ...FRAGMENT, ...headers }, body: trickle })).status;
      expect(await patch({})).toBe(428);
      expect(await patch({ "if-match": '"another"' })).toBe(412);
      expect(await patch({ "if-match": `W/${etag}` })).toBe(412);
      expect(await patch({ "if-match": etag })).toBe(204);
    });
  });
});

describe("4.3.2 trickle ICE", () => {
  test("the answer has all candidates of the server", async () => {
    await withSession(async ({ answer }) => {
      expect(answer).toMatch(new RegExp(`a=candidate:1 1 udp \\d+ 127\\.0\\.0\\.1 ${ingest.info.whip?.udpPort} typ host\\r\\n`));
      expect(answer).toContain("a=end-of-candidates");
    });
  });

  test("candidates are taken with 204 and no body, those that cannot be resolved silently so", async () => {
    await withSession(async ({ path, etag }) => {
      const response = await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": etag }, body: trickle });
      expect(response.status).toBe(204);
      expect(await response.text()).toBe("");
      const end = await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": etag }, body: fragment("m=audio 9 RTP/AVP 0", "a=mid:0", "a=end-of-candidates") });
      expect(end.status).toBe(204);
    });
  });
});

describe("4.3.3 ICE restarts", () => {
  test("new credentials are answered 200 with new credentials and a new ETag; the old tag no longer matches", async () => {
    await withSession(async ({ path, etag, answer }) => {
      const response = await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": "*" }, body: restart });
      const body = await response.text();
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/trickle-ice-sdpfrag");
      expect(response.headers.get("etag")).not.toBe(etag);
      expect(attribute(body, "ice-ufrag")).not.toBe(attribute(answer, "ice-ufrag"));
      expect(attribute(body, "ice-pwd")).not.toBe(attribute(answer, "ice-pwd"));
      expect((await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": etag }, body: trickle })).status).toBe(412);
    });
  });

  test("the earlier credentials are good until the new ones are used, for the answer may be lost", async () => {
    await using client = await startUdpClient();
    await withSession(async ({ path, answer }) => {
      const check = (sdp: string, id: number) => bindingRequest({ username: `${attribute(sdp, "ice-ufrag")}:${CLIENT_UFRAG}`, password: attribute(sdp, "ice-pwd"), transactionId: Buffer.alloc(12, id) });
      const body = await (await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": "*" }, body: restart })).text();
      client.send(check(answer, 1));
      expect((await client.next()).subarray(8, 20)).toEqual(Buffer.alloc(12, 1));
      client.send(check(body, 2));
      expect((await client.next()).subarray(8, 20)).toEqual(Buffer.alloc(12, 2));
      client.send(check(answer, 3));
      client.send(check(body, 4));
      expect((await client.next()).subarray(8, 20)).toEqual(Buffer.alloc(12, 4));
    });
  });

  test("a restart that cannot be satisfied does not end the session", async () => {
    await withSession(async ({ path, etag }) => {
      expect((await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": "*" }, body: fragment("a=ice-ufrag:new1") })).status).toBe(400);
      expect((await whip({ method: "PATCH", path, headers: { ...FRAGMENT, "if-match": etag }, body: trickle })).status).toBe(204);
    });
  });
});

describe("4.4 WebRTC constraints", () => {
  const refused = async (offer: string): Promise<unknown> => {
    const response = await post(offer);
    return { status: response.status, code: ((await response.json()) as { code: string }).code };
  };

  test("4.4.1 all media sections must be in one BUNDLE group, with RTCP multiplexed", async () => {
    const session = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"];
    for (const group of [[], ["a=group:BUNDLE 0"], ["a=group:BUNDLE 0", "a=group:BUNDLE 1"]]) expect(await refused(makeOffer({ session: [...session, ...group] }))).toEqual({ status: 422, code: "offer-refused" });
    expect(await refused(makeOffer({ video: changed(VIDEO, { "a=rtcp-mux": undefined }) }))).toEqual({ status: 422, code: "offer-refused" });
  });

  test("4.4.1 the answer bundles what was bundled, on one transport", async () => {
    await withSession(async ({ answer }) => {
      expect(answer).toContain("\r\na=group:BUNDLE 0 1\r\n");
      expect(answer.match(/a=rtcp-mux\r\n/g)).toHaveLength(2);
      expect(new Set(answer.match(/a=ice-ufrag:.*/g)).size).toBe(1);
    });
  });

  test("4.4.2 more than one stream, or more than one track of a kind, is refused", async () => {
    expect(await refused(makeOffer({ video: changed(VIDEO, { "a=msid:stream-1 track-v": "a=msid:stream-2 track-v" }) }))).toEqual({ status: 422, code: "offer-refused" });
    expect(await refused(makeOffer({ more: changed(VIDEO, { "a=mid:1": "a=mid:2" }) }))).toEqual({ status: 422, code: "offer-refused" });
  });

  test("4.4.3 an offer is taken whole or not at all: no usable codec, a data channel, no video", async () => {
    const noCodec = changed(VIDEO, { "a=rtpmap:96 VP8/90000": "a=rtpmap:96 H266/90000", "a=rtpmap:102 H264/90000": "a=rtpmap:102 H265/90000" });
    expect(await refused(makeOffer({ video: noCodec }))).toEqual({ status: 422, code: "codec-unsupported" });
    expect(await refused(makeOffer({ more: ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2"] }))).toEqual({ status: 422, code: "offer-refused" });
    expect(await refused(makeOffer({ video: null }))).toEqual({ status: 422, code: "offer-refused" });
  });

  test("4.4.4 actpass and active are answered passive; a client that would be the server is refused", async () => {
    await withSession(async ({ answer }) => expect(answer.match(/a=setup:passive\r\n/g)).toHaveLength(2));
    const active = await post(makeOffer({ video: changed(VIDEO, { "a=setup:actpass": "a=setup:active" }) }));
    expect(active.status).toBe(201);
    await whip({ method: "DELETE", path: active.headers.get("location") ?? "" });
    expect(await refused(makeOffer({ video: changed(VIDEO, { "a=setup:actpass": "a=setup:passive" }) }))).toEqual({ status: 422, code: "offer-refused" });
  });

  test("the answer takes the publisher's preferred codec, and promises only feedback that is sent", async () => {
    await withSession(async ({ answer }) => {
      expect(answer).toContain("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n");
      expect(answer.match(/a=rtcp-fb:.*/g)).toEqual(["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli"]);
    });
  });
});

test("4.5 past its capacity the endpoint answers 503 with Retry-After", async () => {
  const first = await post();
  const second = await whip({ method: "POST", path: "/whip/other", key: OTHER_KEY, headers: SDP, body: makeOffer() });
  expect([first.status, second.status]).toEqual([201, 201]);
  // The third of one address; it ends no session of its own stream, for a stream was added.
  ingest.apply({ type: "setKeys", streams: [{ name: "studio", key: KEY }, { name: "other", key: OTHER_KEY }, { name: "third", key: "secret-key-third" }] });
  const third = await whip({ method: "POST", path: "/whip/third", key: "secret-key-third", headers: SDP, body: makeOffer() });
  expect(third.status).toBe(503);
  expect(third.headers.get("retry-after")).toMatch(/^\d+$/);
  await whip({ method: "DELETE", path: first.headers.get("location") ?? "" });
  await whip({ method: "DELETE", path: second.headers.get("location") ?? "", key: OTHER_KEY });
});

test("4.6 STUN and TURN servers are in Link headers of the 201, and nowhere without a key", async () => {
  const response = await post();
  expect(response.headers.get("link")).toBe('<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="a\\"quoted\\"pass"; credential-type="password"');
  await whip({ method: "DELETE", path: response.headers.get("location") ?? "" });
  expect((await whip({ method: "OPTIONS", path: "/whip/studio", key: null })).headers.get("link")).toBeNull();
});

describe("4.7.1 bearer token authentication", () => {
  test.each([
    ["no key", null],
    ["a key that opens nothing", "unknown-key-123"],
    ["a key that is none", "x"],
    ["the key of another stream", OTHER_KEY],
  ])("%s is 401 with WWW-Authenticate, for an offer, a PATCH and a DELETE", async (_what, key) => {
    await withSession(async ({ path, etag }) => {
      for (const request of [
        { method: "POST", path: "/whip/studio", key, headers: SDP, body: makeOffer() },
        { method: "PATCH", path, key, headers: { ...FRAGMENT, "if-match": etag }, body: trickle },
        { method: "DELETE", path, key },
      ]) {
        const response = await whip(request);
        expect(response.status).toBe(401);
        expect(response.headers.get("www-authenticate")).toContain("Bearer");
        expect(await response.text()).not.toContain("secret-key");
      }
    });
  });

  test("a session is no other stream's to end", async () => {
    await withSession(async ({ path }) => expect((await whip({ method: "DELETE", path: path.replace("studio", "other"), key: OTHER_KEY })).status).toBe(404));
  });
});

test("a new offer with the same key takes the place of one that has not connected", async () => {
  const first = await post();
  const second = await post();
  expect(second.status).toBe(201);
  expect((await whip({ method: "DELETE", path: first.headers.get("location") ?? "" })).status).toBe(404);
  expect((await whip({ method: "DELETE", path: second.headers.get("location") ?? "" })).status).toBe(200);
  expect(JSON.stringify(events)).not.toContain("secret-key");
});

function attribute(sdp: string, name: string): string {
  return new RegExp(`a=${name}:(.*)\\r\\n`).exec(sdp)?.[1] ?? "";
}

interface UdpClient extends AsyncDisposable {
  send(bytes: Buffer): void;
  next(): Promise<Buffer>;
}

async function startUdpClient(): Promise<UdpClient> {
  const socket = createSocket("udp4");
  const received: Buffer[] = [];
  const waiting: ((bytes: Buffer) => void)[] = [];
  socket.on("message", (bytes) => {
    const take = waiting.shift();
    if (take) take(bytes);
    else received.push(bytes);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    send: (bytes) => socket.send(bytes, ingest.info.whip?.udpPort ?? 0, "127.0.0.1"),
    next: () =>
      new Promise((resolve) => {
        const bytes = received.shift();
        if (bytes === undefined) waiting.push(resolve);
        else resolve(bytes);
      }),
    async [Symbol.asyncDispose]() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}
