/** RTSP bytes to messages and interleaved packets (RFC 2326 sections 4 to 7, 10.12), incrementally and bounded; and digest answers (RFC 7616). Pure. */
import { createHash, randomBytes } from "node:crypto";
import { TruecastError } from "../../../pipelines/errors.ts";

export type RtspItem =
  | { readonly kind: "interleaved"; readonly bytes: Buffer }
  | { readonly kind: "message"; readonly startLine: string; readonly headers: readonly (readonly [name: string, value: string])[]; readonly body: Buffer };
export type RtspMessage = Extract<RtspItem, { kind: "message" }>;

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_BODY_BYTES = 64 * 1024;
const DOLLAR = 0x24;

export interface RtspReader {
  /** Takes the next bytes, cut anywhere. @throws TruecastError protocol-violation; the reader is of no use afterwards. */
  push(chunk: Buffer): RtspItem[];
}

export function createRtspReader(): RtspReader {
  let held: Buffer = Buffer.alloc(0);

  function next(): RtspItem | null {
    if (held.length < 4) return null;
    if (held[0] === DOLLAR) {
      const end = 4 + held.readUInt16BE(2);
      if (held.length < end) return null;
      return { kind: "interleaved", bytes: cut(end) };
    }
    const headEnd = held.indexOf("\r\n\r\n");
    if (headEnd === -1 ? held.length > MAX_HEADER_BYTES : headEnd > MAX_HEADER_BYTES) throw violation();
    if (headEnd === -1) return null;
    const [startLine = "", ...lines] = held.toString("latin1", 0, headEnd).split("\r\n");
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      if (colon < 1) throw violation();
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    });
    const length = Number(headerOf({ headers }, "content-length") ?? 0);
    if (!Number.isInteger(length) || length < 0 || length > MAX_BODY_BYTES) throw violation();
    const end = headEnd + 4 + length;
    if (held.length < end) return null;
    const whole = cut(end);
    return { kind: "message", startLine, headers, body: whole.subarray(headEnd + 4) };
  }

  function cut(end: number): Buffer {
    const taken = held.subarray(0, end);
    held = held.subarray(end);
    return taken;
  }

  return {
    push(chunk) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const items: RtspItem[] = [];
      for (let item = next(); item !== null; item = next()) items.push(item);
      return items;
    },
  };
}

export function writeRtsp({ startLine, headers, body }: Omit<RtspMessage, "kind">): Buffer {
  return Buffer.concat([Buffer.from(`${[startLine, ...headers.map(([name, value]) => `${name}: ${value}`)].join("\r\n")}\r\n\r\n`, "latin1"), body]);
}

export function headerOf(message: Pick<RtspMessage, "headers">, name: string): string | undefined {
  return message.headers.find(([each]) => each.toLowerCase() === name)?.[1];
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * The Authorization header for the strongest challenge that is understood.
 * @returns null when there is none
 */
export function authorize(challenges: readonly string[], { method, uri, user, password }: Credentials & { readonly method: string; readonly uri: string }): string | null {
  const digests = challenges.filter((challenge) => /^digest\s/i.test(challenge)).map((challenge) => ({ challenge, algorithm: parameter(challenge, "algorithm") ?? "MD5" }));
  const digest = digests.find(({ algorithm }) => algorithm.toUpperCase() === "SHA-256") ?? digests.find(({ algorithm }) => algorithm.toUpperCase() === "MD5");
  if (digest) {
    const hash = (text: string): string => createHash(digest.algorithm.toUpperCase() === "MD5" ? "md5" : "sha256").update(text).digest("hex");
    const realm = parameter(digest.challenge, "realm") ?? "";
    const nonce = parameter(digest.challenge, "nonce") ?? "";
    const opaque = parameter(digest.challenge, "opaque");
    const withQop = (parameter(digest.challenge, "qop") ?? "").split(",").some((each) => each.trim() === "auth");
    const secret = hash(`${user}:${realm}:${password}`);
    const request = hash(`${method}:${uri}`);
    const clientNonce = randomBytes(8).toString("hex");
    const response = withQop ? hash(`${secret}:${nonce}:00000001:${clientNonce}:auth:${request}`) : hash(`${secret}:${nonce}:${request}`);
    const fields = [`username="${user}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${uri}"`, `response="${response}"`];
    if (parameter(digest.challenge, "algorithm") !== undefined) fields.push(`algorithm=${digest.algorithm}`);
    if (opaque !== undefined) fields.push(`opaque="${opaque}"`);
    if (withQop) fields.push("qop=auth", "nc=00000001", `cnonce="${clientNonce}"`);
    return `Digest ${fields.join(", ")}`;
  }
  return challenges.some((challenge) => /^basic\b/i.test(challenge)) ? `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` : null;
}

function parameter(challenge: string, name: string): string | undefined {
  const [, quoted, plain] = new RegExp(`[\\s,]${name}\\s*=\\s*(?:"([^"]*)"|([^\\s,]+))`, "i").exec(challenge) ?? [];
  return quoted ?? plain;
}

function violation(): TruecastError {
  return new TruecastError("protocol-violation", "The server's bytes are not RTSP, or go past a cap.");
}
