/** HTTP requests through the guard: pinned addresses, every redirect judged anew, capped bodies, credentials for their own origin only. */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { TruecastError } from "../../pipelines/errors.ts";
import { errorName, type OutboundGuard } from "./outbound-guard.ts";

export interface GuardedRequest {
  readonly url: URL;
  /** Only GET follows redirects. */
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
}

export interface GuardedResponse {
  /** Where the answer came from, after redirects; base of what it refers to. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** The reader's to consume or destroy. */
  readonly body: IncomingMessage;
}

export interface GuardedHttpLimits {
  /** From the request to the answer's headers, name resolution and TLS included. */
  readonly answerTimeoutMs: number;
  /** A body on which nothing arrives for this long is given up. */
  readonly idleTimeoutMs: number;
  readonly maxRedirects?: number;
  /** Connections are used again, to the same pinned address alone; idle ones end after `idleTimeoutMs`. */
  readonly keepAlive?: boolean;
}

export interface GuardedHttp {
  /**
   * Resolves at the headers, whatever the status.
   * @throws TruecastError address-refused, unreachable; the signal's reason when aborted
   */
  request(request: GuardedRequest): Promise<GuardedResponse>;
  /** Ends idle connections. */
  close(): void;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function createGuardedHttp(guard: OutboundGuard, limits: GuardedHttpLimits): GuardedHttp {
  const maxRedirects = limits.maxRedirects ?? MAX_REDIRECTS;
  // An agent keys its connections by address, port and certificate name, so that one is never used for another host.
  const agents = limits.keepAlive === true ? { plain: new HttpAgent({ keepAlive: true, timeout: limits.idleTimeoutMs }), secure: new HttpsAgent({ keepAlive: true, timeout: limits.idleTimeoutMs }) } : null;

  return {
    async request(asked) {
      const origin = asked.url.origin;
      let url = asked.url;
      for (let hops = 0; ; hops++) {
        const response = await send({ ...asked, url }, url.origin === origin);
        const { location } = response.headers;
        if ((asked.method ?? "GET") !== "GET" || !REDIRECTS.has(response.statusCode ?? 0) || location === undefined) {
          return { url, status: response.statusCode ?? 0, headers: response.headers, body: response };
        }
        response.destroy();
        if (hops >= maxRedirects) throw new TruecastError("unreachable", `${url.host} redirects more than ${maxRedirects} times.`);
        url = redirectTarget(location, url);
      }
    },
    close() {
      agents?.plain.destroy();
      agents?.secure.destroy();
    },
  };

  async function send(asked: GuardedRequest, isOwnOrigin: boolean): Promise<IncomingMessage> {
    const { url, signal } = asked;
    if (url.protocol !== "http:" && url.protocol !== "https:") throw new TruecastError("address-refused", `Only http and https are fetched, not ${url.protocol}`);
    signal.throwIfAborted();
    const pinned = await guard.pin(url.hostname);
    signal.throwIfAborted();
    const secure = url.protocol === "https:";
    const options: RequestOptions & { servername?: string } = {
      method: asked.method ?? "GET",
      // The address, not the name: nobody resolves it a second time.
      hostname: pinned.address,
      port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: { accept: "*/*", "accept-encoding": "identity", "user-agent": "Truecast", ...(isOwnOrigin ? { ...authorization(url), ...asked.headers } : {}), host: url.host },
      agent: agents === null ? false : secure ? agents.secure : agents.plain,
      signal,
      ...(secure && isIP(pinned.name) === 0 ? { servername: pinned.name } : {}),
    };
    const answer = Promise.withResolvers<IncomingMessage>();
    const request = (secure ? requestHttps : requestHttp)(options, answer.resolve);
    const timer = setTimeout(() => request.destroy(new TruecastError("unreachable", `${url.host} did not answer within ${limits.answerTimeoutMs / 1000} s.`)), limits.answerTimeoutMs);
    request.on("error", (error) => {
      answer.reject(error instanceof TruecastError ? error : new TruecastError("unreachable", `${url.host} cannot be reached (${errorName(error)}).`, { cause: error }));
    });
    request.end(asked.body);
    try {
      const response = await answer.promise;
      response.setTimeout(limits.idleTimeoutMs, () => response.destroy(new TruecastError("unreachable", `${url.host} sent nothing for ${limits.idleTimeoutMs / 1000} s.`)));
      return response;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

function redirectTarget(location: string, from: URL): URL {
  if (!URL.canParse(location, from)) throw new TruecastError("address-refused", `${from.host} redirects to something that is no URL.`);
  const target = new URL(location, from);
  if (from.protocol === "https:" && target.protocol === "http:") throw new TruecastError("address-refused", `${from.host} redirects from https to http.`);
  return target;
}

function authorization(url: URL): Record<string, string> {
  if (url.username === "" && url.password === "") return {};
  const plain = `${decoded(url.username)}:${decoded(url.password)}`;
  return { authorization: `Basic ${Buffer.from(plain).toString("base64")}` };
}

/** A percent sign that begins no escape stands for itself. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Yields a body and fails once it is longer than `maxBytes`; leaving the loop closes the connection. */
export async function* bodyChunks(response: GuardedResponse, { maxBytes, what }: { readonly maxBytes: number; readonly what: string }): AsyncGenerator<Buffer, void, undefined> {
  let bytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new TruecastError("unreachable", `${what} from ${response.url.host} is longer than ${maxBytes} bytes.`);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof TruecastError) throw error;
    throw new TruecastError("unreachable", `${response.url.host} broke off (${errorName(error)}).`, { cause: error });
  } finally {
    response.body.destroy();
  }
}

/** A whole body of at most `maxBytes`. */
export async function readBody(response: GuardedResponse, cap: { readonly maxBytes: number; readonly what: string }): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bodyChunks(response, cap)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
