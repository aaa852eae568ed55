/** HTTP to mutate and to send: requests as bytes, and what their answers must never be. */
import { type Agent, request } from "node:http";
import type { Random } from "../seeded-random.ts";
import { NotServed } from "./fuzz-case.ts";
import { mutateBytes, mutateList, mutateWords } from "./mutate.ts";
import { attackOnce } from "./tcp-attack.ts";

export interface RequestParts {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "G ET", ""] as const;
const HEADERS: readonly (readonly [string, string])[] = [
  ["Content-Length", "0"],
  ["Content-Length", "4294967296"],
  ["Content-Length", "-1"],
  ["Transfer-Encoding", "chunked"],
  ["Transfer-Encoding", "gzip, chunked"],
  ["Expect", "100-continue"],
  ["Connection", "upgrade"],
  ["Upgrade", "websocket"],
  ["Upgrade", "h2c"],
  ["Host", "evil.example"],
  ["Host", ""],
  ["Host", "[::1"],
  ["Origin", "null"],
  ["Origin", "http://127.0.0.1:1"],
  ["Authorization", "Bearer "],
  ["Authorization", `Bearer ${"x".repeat(8_000)}`],
  ["If-Match", "*"],
  ["If-None-Match", "*"],
  ["Range", "bytes=0-0,-1,5-"],
  ["Accept-Encoding", "gzip;q=1e999"],
  ["Content-Type", "application/sdp; charset=\"é"],
  ["Content-Type", ""],
  ["Cookie", "truecast_session=a; truecast_session=b"],
  ["X-Forwarded-For", "127.0.0.1"],
  ["Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99"],
];

export function serializeRequest({ method, path, headers, body }: RequestParts): Buffer {
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`, "latin1"), body]);
}

/** A request in which something is wrong: a field, a header more or less, a byte. */
export function mutateRequest(random: Random, original: RequestParts): Buffer {
  const parts = { ...original, headers: [...original.headers] };
  const edits = 1 + random.below(3);
  let spoilBytes = false;
  for (let edit = 0; edit < edits; edit += 1) {
    const kind = random.below(8);
    if (kind === 0) parts.method = random.pick(METHODS);
    else if (kind < 3) parts.path = mutateWords(random, parts.path, /([/?&=%.:-]+)/);
    else if (kind === 3) parts.headers.splice(random.below(parts.headers.length + 1), 0, random.pick(HEADERS));
    else if (kind === 4) parts.headers = mutateList(random, parts.headers, 2);
    else if (kind === 5) parts.headers = parts.headers.map(([name, value]) => (random.chance(0.3) ? [name, mutateWords(random, value)] : [name, value]));
    else if (kind === 6 && parts.body.length > 0) parts.body = mutateBytes(random, parts.body, { maxBytes: 70_000 });
    else spoilBytes = true;
  }
  const bytes = serializeRequest(parts);
  return spoilBytes ? mutateBytes(random, bytes, { maxEdits: 3 }) : bytes;
}

/** A body in chunks, some of which lie about their length. */
export function chunkedRequest(random: Random, { method, path, headers, body }: RequestParts): Buffer {
  const head = serializeRequest({ method, path, headers: [...headers.filter(([name]) => name.toLowerCase() !== "content-length"), ["Transfer-Encoding", "chunked"]], body: Buffer.alloc(0) });
  const cuts = Array.from({ length: 1 + random.below(4) }, () => random.below(body.length + 1)).toSorted((a, b) => a - b);
  const chunks = [0, ...cuts].map((from, index) => body.subarray(from, cuts[index] ?? body.length));
  const coded = chunks.flatMap((chunk) => [Buffer.from(`${random.chance(0.9) ? chunk.length.toString(16) : random.pick(["-1", "ffffffffffffffff", "0x10", "", "1;ext=\"", "7fffffff"])}\r\n`), chunk, Buffer.from("\r\n")]);
  return Buffer.concat([head, ...coded, Buffer.from(random.chance(0.8) ? "0\r\n\r\n" : "0\r\nTrailer: x\r\n")]);
}

/** Sends the bytes over a connection of their own. @throws NotServed when the server itself failed */
export async function attackHttp(port: number, bytes: Buffer, random: Random): Promise<void> {
  const answer = (await attackOnce(port, bytes, random)).toString("latin1");
  // 503 says that there is no room, which is true.
  const failed = /HTTP\/1\.1 5(?!03)\d\d[^]*/.exec(answer)?.[0];
  if (failed !== undefined) throw new NotServed(`port ${port} answered ${failed.slice(0, 300)}`);
}

export interface HttpAnswer {
  readonly status: number;
  readonly location: string;
  readonly etag: string;
  readonly text: string;
}

/** A request that HTTP itself carries as it should. @throws NotServed when the server itself failed */
export function ask(port: number, { method, path, headers, body }: RequestParts, agent: Agent): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, method, path, headers: [...headers, ["Content-Length", String(body.length)] as const].flat(), agent, timeout: 15_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        const { statusCode: status = 0, headers: got } = response;
        const text = Buffer.concat(chunks).toString("latin1");
        if (status >= 500 && status !== 503) reject(new NotServed(`${method} ${path} was answered ${status}: ${text}`));
        else resolve({ status, location: got.location ?? "", etag: got.etag ?? "", text });
      });
    });
    asked.once("timeout", () => asked.destroy(new NotServed(`${method} ${path} was not answered`)));
    asked.once("error", reject);
    asked.end(body);
  });
}
