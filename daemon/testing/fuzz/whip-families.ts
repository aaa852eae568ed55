/** Attacks on WHIP's HTTP side: offers, fragments, and the requests that carry them. */
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { VIDEO, changed, makeOffer } from "../../ingest/whip/testing/offer.ts";
import type { Random } from "../seeded-random.ts";
import { type FuzzFamily, type FuzzStream, NotServed } from "./fuzz-case.ts";
import { type RequestParts, ask, attackHttp, chunkedRequest, mutateRequest } from "./http-attack.ts";
import { mutateBytes, mutateList, mutateWords } from "./mutate.ts";

/** The first is Chromium 156's, of a page that sends one audio and one video track. */
const OFFERS: readonly string[] = [
  readFileSync(new URL("./corpus/offer-chromium.sdp", import.meta.url), "utf8"),
  makeOffer(),
  makeOffer({ video: changed(VIDEO, { "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102": "m=video 9 UDP/TLS/RTP/SAVPF 102 96 97" }) }),
  makeOffer({ audio: null }),
];
const FRAGMENTS: readonly string[] = [
  "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\na=end-of-candidates\r\n",
  "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\na=candidate:3471623853 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active\r\na=end-of-candidates\r\n",
  "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\na=ice-options:trickle\r\n",
];
const EMPTY = Buffer.alloc(0);

export function whipRequest(method: string, path: string, { key, type, body = EMPTY, etag }: { readonly key: string; readonly type?: string; readonly body?: Buffer; readonly etag?: string }): RequestParts {
  const headers: [string, string][] = [["Host", "127.0.0.1"], ["Authorization", `Bearer ${key}`]];
  if (type !== undefined) headers.push(["Content-Type", type]);
  if (etag !== undefined) headers.push(["If-Match", etag]);
  return { method, path, headers, body };
}

export const SDP = "application/sdp";
export const FRAGMENT = "application/trickle-ice-sdpfrag";

/** Lines in another order, twice or not at all, words of another kind, bytes. */
function mutateSdp(random: Random, original: string): Buffer {
  let text = original;
  const kind = random.below(4);
  if (kind !== 0) text = mutateList(random, text.split("\r\n"), 3).join(random.chance(0.05) ? "\n" : "\r\n");
  if (kind >= 2) text = mutateWords(random, text);
  const bytes = Buffer.from(text, "utf8");
  return kind === 0 || random.chance(0.2) ? mutateBytes(random, bytes, { maxEdits: 4, maxBytes: 80_000 }) : bytes;
}

const offers: FuzzFamily = {
  name: "whip-offer",
  weight: 9,
  inputs: 8,
  holdsSession: true,
  async run({ target, stream, random }) {
    using agent = keptAgent();
    for (let input = 0; input < offers.inputs; input += 1) {
      const answer = await ask(target.whipPort, whipRequest("POST", `/whip/${stream.name}`, { key: stream.key, type: SDP, body: mutateSdp(random, random.pick(OFFERS)) }), agent.agent);
      if (answer.status === 201) await leave(target.whipPort, stream, answer.location, agent.agent);
    }
  },
};

const fragments: FuzzFamily = {
  name: "whip-fragment",
  weight: 6,
  inputs: 16,
  holdsSession: true,
  async run({ target, stream, random }) {
    using agent = keptAgent();
    const { status, location, etag: first, text } = await ask(target.whipPort, whipRequest("POST", `/whip/${stream.name}`, { key: stream.key, type: SDP, body: Buffer.from(random.pick(OFFERS)) }), agent.agent);
    if (status === 503) return; // Other cases have all sessions that one address may have.
    if (status !== 201) throw new NotServed(`a valid offer was answered ${status}: ${text}`);
    let etag = first;
    for (let input = 0; input < fragments.inputs; input += 1) {
      const sent = random.chance(0.8) ? etag : mutateBytes(random, Buffer.from(etag)).toString("latin1").replaceAll(/[^ -~]/g, "?");
      const answer = await ask(target.whipPort, whipRequest("PATCH", location, { key: stream.key, type: FRAGMENT, body: mutateSdp(random, random.pick(FRAGMENTS)), etag: sent }), agent.agent);
      if (answer.status === 200) ({ etag } = answer);
    }
    await leave(target.whipPort, stream, location, agent.agent);
  },
};

/** Raw: what is wrong is the HTTP. */
const http: FuzzFamily = {
  name: "whip-http",
  weight: 6,
  inputs: 1,
  async run({ target, stream, random }) {
    const path = random.pick([`/whip/${stream.name}`, `/whip/${stream.name}/AAAAAAAAAAAAAAAAAAAAAAAA`, "/whip/", "/"]);
    const [method, type, body] = random.pick([
      // No offer, so that no session is left behind.
      ["POST", SDP, Buffer.from(`x=0\r\n${random.pick(OFFERS)}`)],
      ["PATCH", FRAGMENT, Buffer.from(random.pick(FRAGMENTS))],
      ["DELETE", undefined, EMPTY],
      ["OPTIONS", undefined, EMPTY],
    ] as const);
    const request = whipRequest(method, path, { key: random.chance(0.7) ? stream.key : "secret-that-opens-none", ...(type === undefined ? {} : { type }), body });
    const measured = { ...request, headers: [...request.headers, ["Content-Length", String(body.length)] as const] };
    await attackHttp(target.whipPort, random.chance(0.2) ? chunkedRequest(random, measured) : mutateRequest(random, measured), random);
  },
};

async function leave(port: number, stream: FuzzStream, location: string, agent: Agent): Promise<void> {
  const { status } = await ask(port, whipRequest("DELETE", location, { key: stream.key }), agent);
  if (status !== 200 && status !== 404) throw new NotServed(`a session's end was answered ${status}`);
}

function keptAgent(): Disposable & { readonly agent: Agent } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return { agent, [Symbol.dispose]: () => agent.destroy() };
}

export const WHIP_FAMILIES: readonly FuzzFamily[] = [offers, fragments, http];
