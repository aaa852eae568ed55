/** HTTP of WHIP (RFC 9725): routes, CORS, bodies with a cap, status codes and problem details. What a request does is the server's to say. */
import { type IncomingMessage, STATUS_CODES, type Server, type ServerResponse, createServer } from "node:http";
import { ERROR_CODES, type ErrorCode, TruecastError } from "../../../pipelines/errors.ts";
import type { IngestLimits } from "../limits.ts";

export interface WhipReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

/** What the routes ask for; each may throw a TruecastError, or an HttpRefusal where the status matters. */
export interface WhipActions {
  /** Judged before the body is read. @throws TruecastError key-unknown */
  authorize(target: WhipTarget, key: string): void;
  publish(request: { readonly stream: string; readonly key: string; readonly offer: string; readonly remote: string }): WhipReply;
  patch(request: { readonly session: string; readonly ifMatch: string | undefined; readonly fragment: string }): WhipReply;
  leave(session: string): WhipReply;
}

export interface WhipTarget {
  readonly stream: string;
  /** Null for the endpoint itself. */
  readonly session: string | null;
}

/** A refusal whose status its code alone does not tell. */
export class HttpRefusal extends TruecastError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: ErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.name = "HttpRefusal";
    this.status = status;
    this.headers = headers;
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  "sdp-malformed": 400,
  "request-invalid": 400,
  unauthorized: 401,
  "key-unknown": 401,
  "path-refused": 401,
  forbidden: 403,
  "not-found": 404,
  "publisher-exists": 409,
  "offer-refused": 422,
  "codec-unsupported": 422,
  "capacity-reached": 503,
};
const RETRY_AFTER_SECONDS = "5";

const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";
const ENDPOINT_METHODS = "OPTIONS, POST";
const SESSION_METHODS = "OPTIONS, PATCH, DELETE";
/** No cookie authorizes anything, so any page may publish that has a key. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After",
};
const PREFLIGHT = {
  "access-control-allow-methods": "OPTIONS, POST, PATCH, DELETE",
  // ETag: some clients send it where If-Match is due, and are to hear of it from the answer.
  "access-control-allow-headers": "Authorization, Content-Type, If-Match, ETag",
  "access-control-max-age": "7200",
  "accept-post": SDP,
  "accept-patch": FRAGMENT,
};

export interface WhipHttpOptions {
  readonly limits: IngestLimits;
  readonly actions: WhipActions;
  /** A request was turned away. */
  readonly onRefused: (code: ErrorCode, message: string, remote: string) => void;
}

/** The server is not listening yet; its owner binds and closes it. */
export function createWhipHttp({ limits, actions, onRefused }: WhipHttpOptions): Server {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const remote = remoteOf(request);
    try {
      reply(response, await handle(request, remote));
    } catch (error) {
      const refusal = refusalOf(error);
      onRefused(refusal.code, refusal.message, remote);
      reply(response, problem(refusal));
      // A body that was not read to its end would be taken for the next request.
      if (!request.complete) response.once("finish", () => request.socket.destroy());
    }
  };

  const handle = async (request: IncomingMessage, remote: string): Promise<WhipReply> => {
    const target = targetOf(request.url ?? "");
    if (target === null) throw new HttpRefusal(404, "not-found", "Publish to /whip/<stream name>.");
    const { method } = request;
    if (method === "OPTIONS") return { status: 200, headers: PREFLIGHT };
    const allowed = target.session === null ? ENDPOINT_METHODS : SESSION_METHODS;
    if (!allowed.split(", ").includes(method ?? "")) throw new HttpRefusal(405, "request-invalid", `${method} is not offered here; ${allowed} are.`, { allow: allowed });
    const key = bearerKey(request);
    actions.authorize(target, key);
    if (target.session === null) {
      const offer = await readBody(request, SDP, limits.whipMaxOfferBytes);
      return actions.publish({ stream: target.stream, key, offer, remote });
    }
    if (method === "DELETE") return actions.leave(target.session);
    const fragment = await readBody(request, FRAGMENT, limits.whipMaxFragmentBytes);
    return actions.patch({ session: target.session, ifMatch: request.headers["if-match"], fragment });
  };

  const server = createServer(
    { requestTimeout: limits.whipRequestTimeoutMs, headersTimeout: limits.whipRequestTimeoutMs, keepAliveTimeout: limits.whipRequestTimeoutMs, connectionsCheckingInterval: 1_000, maxHeaderSize: 16 * 1024 },
    (request, response) => void answer(request, response),
  );
  server.maxConnections = limits.whipMaxHttpConnections;
  server.maxHeadersCount = 64;
  server.on("drop", (dropped) => onRefused("capacity-reached", `${limits.whipMaxHttpConnections} HTTP connections are open.`, dropped?.remoteAddress ?? "unknown"));
  // Not HTTP at all, or slower than allowed: Node answers and closes.
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    onRefused("protocol-violation", `The request cannot be read (${error.code ?? error.name}).`, "unknown");
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    else socket.destroy();
  });
  return server;
}

function targetOf(url: string): WhipTarget | null {
  const match = /^\/whip\/([a-z0-9][a-z0-9_-]{0,63})(?:\/([A-Za-z0-9_-]{1,64}))?$/.exec(url.split("?", 1)[0] ?? "");
  return match === null ? null : { stream: match[1] ?? "", session: match[2] ?? null };
}

function bearerKey(request: IncomingMessage): string {
  const match = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? "");
  if (match?.[1] === undefined) throw new TruecastError("unauthorized", "The stream key must be sent as a bearer token.");
  return match[1];
}

async function readBody(request: IncomingMessage, type: string, maxBytes: number): Promise<string> {
  const given = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (given !== type) throw new HttpRefusal(415, "request-invalid", `The content type must be ${type}.`);
  const tooLong = () => new HttpRefusal(413, "request-invalid", `The body is longer than ${maxBytes} bytes.`);
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLong();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusalOf(error: unknown): HttpRefusal {
  if (error instanceof HttpRefusal) return error;
  if (error instanceof TruecastError) {
    const status = STATUS[error.code];
    const headers = status === 401 ? { "www-authenticate": 'Bearer realm="truecast"' } : status === 503 ? { "retry-after": RETRY_AFTER_SECONDS } : undefined;
    return status === undefined ? new HttpRefusal(500, error.code, ERROR_CODES[error.code]) : new HttpRefusal(status, error.code, error.message, headers);
  }
  // The client went away while its body was read.
  if (error instanceof Error && "code" in error && error.code === "ECONNRESET") return new HttpRefusal(400, "request-invalid", "The body was cut off.");
  return new HttpRefusal(500, "internal", ERROR_CODES.internal);
}

function problem({ status, code, message, headers }: HttpRefusal): WhipReply {
  const body = JSON.stringify({ type: "about:blank", title: STATUS_CODES[status] ?? "Unknown", status, detail: message, code });
  return { status, headers: { "content-type": "application/problem+json; charset=utf-8", ...headers }, body };
}

function reply(response: ServerResponse, { status, headers = {}, body = "" }: WhipReply): void {
  if (response.destroyed) return;
  const all: Record<string, string | string[]> = { ...CORS, "cache-control": "no-store", "x-content-type-options": "nosniff" };
  for (const [name, value] of Object.entries(headers)) all[name] = typeof value === "string" ? value : [...value];
  if (status !== 204) all["content-length"] = String(Buffer.byteLength(body));
  response.writeHead(status, all).end(body);
}

function remoteOf(request: IncomingMessage): string {
  return request.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown";
}
