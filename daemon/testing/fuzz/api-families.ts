/** Attacks on the API's port: requests to every route, and frames on a WebSocket. */
import { WITNESS } from "../watched-daemon.ts";
import { type FuzzFamily, NotServed } from "./fuzz-case.ts";
import { type RequestParts, attackHttp, chunkedRequest, mutateRequest, serializeRequest } from "./http-attack.ts";
import { mutateBytes } from "./mutate.ts";
import { type TcpAttack, openTcpAttack } from "./tcp-attack.ts";
import type { Random } from "../seeded-random.ts";

const EMPTY = Buffer.alloc(0);
const PATHS = [
  "/api/v1/streams",
  `/api/v1/streams/${WITNESS.name}`,
  `/api/v1/streams/${WITNESS.name}/thumbnail.jpg`,
  `/api/v1/streams/${WITNESS.name}/source`,
  "/api/v1/streams/nothing/source",
  "/api/v1/alerts?stream=witness&state=firing&since=1700000000000&limit=100&cursor=abc",
  "/api/v1/alerts/00000000-0000-4000-8000-000000000000",
  "/api/v1/model",
  "/api/v1/system",
  "/api/v1/openapi.json",
  "/api/v1/live?run=x&since=1",
  "/healthz",
  "/readyz",
  "/metrics",
  "/",
  "/index.html",
  "/assets/../../../package.json",
] as const;
/** Refused whatever is done to them: the daemon under attack takes no sources, so that no byte of a case ever names a host that is connected to. */
const BODIES = ['{"url":"rtsp://127.0.0.1:1/x","loop":false}', '{"url":"file:///etc/passwd","format":"flv"}', '{"url":"http://localhost/x.m3u8","format":"hls"}', "{}", "[]", "null", `{"url":"${"x".repeat(4_000)}"}`, `${'{"a":'.repeat(2_000)}1${"}".repeat(2_000)}`] as const;

const http: FuzzFamily = {
  name: "api-http",
  weight: 10,
  inputs: 2,
  async run({ target, random }) {
    // Two requests, the second behind the first on the same connection.
    const requests = Array.from({ length: http.inputs }, () => {
      const request = apiRequest(random);
      return random.chance(0.15) ? chunkedRequest(random, request) : mutateRequest(random, request);
    });
    await attackHttp(target.httpPort, Buffer.concat(requests), random);
  },
};

function apiRequest(random: Random): RequestParts {
  const body = random.chance(0.3) ? Buffer.from(random.pick(BODIES)) : EMPTY;
  const method = body.length > 0 ? random.pick(["PUT", "PUT", "POST"]) : random.pick(["GET", "GET", "GET", "HEAD", "DELETE"]);
  const path = body.length > 0 && random.chance(0.7) ? "/api/v1/streams/pulled-in/source" : random.pick(PATHS);
  const headers: [string, string][] = [["Host", "127.0.0.1"], ["Accept", "*/*"]];
  if (body.length > 0) headers.push(["Content-Type", "application/json"], ["Content-Length", String(body.length)]);
  return { method, path, headers, body };
}

const UPGRADE: RequestParts = {
  method: "GET",
  path: "/api/v1/live",
  headers: [["Host", "127.0.0.1"], ["Connection", "Upgrade"], ["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"], ["Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="]],
  body: EMPTY,
};

/** The handshake itself. */
const upgrade: FuzzFamily = {
  name: "websocket-upgrade",
  weight: 2,
  inputs: 1,
  async run({ target, random }) {
    await attackHttp(target.httpPort, Buffer.concat([mutateRequest(random, { ...UPGRADE, path: `/api/v1/live?run=${random.below(10)}&since=${random.below(10)}` }), frame(random)]), random);
  },
};

/** After a good handshake; those that a client may send, pings and pongs, do not end it. */
const frames: FuzzFamily = {
  name: "websocket-frames",
  weight: 9,
  inputs: 8,
  async run({ target, random }) {
    let attack: TcpAttack | null = null;
    for (let input = 0; input < frames.inputs; input += 1) {
      if (attack?.open !== true) {
        await attack?.finish();
        attack = await openTcpAttack(target.httpPort);
        attack.send(serializeRequest(UPGRADE));
        const deadlineMs = performance.now() + 10_000;
        while (attack.open && attack.received().length === 0 && performance.now() < deadlineMs) await attack.sendAndLook(EMPTY);
        if (!attack.received().includes("HTTP/1.1 101")) throw new NotServed(`a WebSocket handshake was answered ${attack.received().subarray(0, 200).toString("latin1")}`);
      }
      await attack.sendAndLook(frame(random));
    }
    await attack?.finish();
  },
};

/** A frame (RFC 6455, 5.2) of any opcode, some of them lying. */
function frame(random: Random): Buffer {
  const payload = random.pick([EMPTY, random.bytes(random.below(125)), Buffer.from("{}"), Buffer.from("\u03e8bye"), Buffer.from([0x03, 0xe8]), Buffer.from([0xff, 0xfe, 0xfd]), Buffer.alloc(200, 0x61), Buffer.alloc(70_000, 0x62)]);
  // Half of them are pings and pongs, after which the connection goes on.
  const opcode = random.chance(0.5) ? random.pick([9, 10]) : random.below(16);
  const first = (random.chance(0.8) ? 0x80 : 0) | (random.chance(0.1) ? random.below(8) << 4 : 0) | opcode;
  const mask = random.chance(0.9);
  const declared = random.chance(0.85) ? payload.length : random.pick([0, 1, 125, 126, 127, 0xffff, 0x1_0000, 2 ** 31, 2 ** 40]);
  const length = declared < 126 && random.chance(0.95) ? Buffer.from([declared]) : declared <= 0xffff ? Buffer.from([126, declared >> 8, declared & 0xff]) : Buffer.concat([Buffer.from([127]), bigEndian64(declared)]);
  length.writeUInt8((length.readUInt8(0) & 0x7f) | (mask ? 0x80 : 0), 0);
  const key = random.bytes(4);
  const masked = mask ? Buffer.from(payload.map((byte, index) => byte ^ (key[index % 4] ?? 0))) : payload;
  const bytes = Buffer.concat([Buffer.from([first]), length, mask ? key : EMPTY, masked]);
  return random.chance(0.3) ? mutateBytes(random, bytes, { structureEnd: 14, maxEdits: 2 }) : bytes;
}

function bigEndian64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export const API_FAMILIES: readonly FuzzFamily[] = [http, upgrade, frames];
