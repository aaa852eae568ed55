/** Who may talk to the HTTP port: pure checks of the binding, the Host header and the Origin header. */
import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv4 } from "node:net";
import { TruecastError } from "../../pipelines/errors.ts";

export interface AccessRules {
  /** Address the server is bound to. */
  readonly boundHost: string;
  /** Further names this server is reached by, with or without port. */
  readonly allowedHosts: readonly string[];
  /** Origins of pages elsewhere that may open the WebSocket, for example `https://ops.example.org`. */
  readonly allowedOrigins: readonly string[];
}

/** Characters of a bearer token (RFC 6750 section 2.1). */
const TOKEN_PATTERN = /^[A-Za-z0-9._~+/-]+=*$/;
const MIN_EXPOSED_TOKEN_LENGTH = 16;

/** @throws TruecastError config-invalid when this binding would be reachable from other machines without a good token. */
export function checkExposure(host: string, token: string | null): void {
  if (token !== null && !TOKEN_PATTERN.test(token)) {
    throw new TruecastError("config-invalid", "http token: must hold only letters, digits and - . _ ~ + / (as RFC 6750 has it)");
  }
  if (isLoopback(host)) return;
  if (token === null) throw new TruecastError("config-invalid", `http host "${host}" is reachable from other machines: a token is demanded`);
  if (token.length < MIN_EXPOSED_TOKEN_LENGTH) {
    throw new TruecastError("config-invalid", `http host "${host}" is reachable from other machines: the token must have at least ${MIN_EXPOSED_TOKEN_LENGTH} characters`);
  }
}

/**
 * Defence against DNS rebinding: a page elsewhere can point its own name at this machine, but then the browser sends
 * that name as Host. Bound to every address, any literal address is taken as well, for rebinding needs a name.
 */
export function isHostAllowed(hostHeader: string | undefined, rules: AccessRules): boolean {
  const host = parseHost(hostHeader);
  if (host === null) return false;
  if (isLoopback(host.name)) return true;
  const bound = parseHost(bracketed(rules.boundHost))?.name;
  if (host.name === bound) return true;
  if ((bound === "0.0.0.0" || bound === "::") && isIP(host.name) !== 0) return true;
  return rules.allowedHosts.some((entry) => {
    const allowed = parseHost(bracketed(entry));
    return allowed !== null && allowed.name === host.name && (allowed.port === "" || allowed.port === host.port);
  });
}

/**
 * Browsers always send Origin with a WebSocket handshake and with requests that change something, so a request without
 * one does not come from a page; it still needs the token where there is one.
 */
export function isOriginAllowed(origin: string | undefined, hostHeader: string | undefined, rules: Pick<AccessRules, "allowedOrigins">): boolean {
  if (origin === undefined) return true;
  if (rules.allowedOrigins.some((allowed) => allowed.toLowerCase() === origin.toLowerCase())) return true;
  const host = parseHost(hostHeader);
  if (host === null || !/^https?:\/\//i.test(origin) || !URL.canParse(origin)) return false;
  const url = new URL(origin);
  return withoutBrackets(url.hostname) === host.name && url.port === host.port;
}

/**
 * True for what only a page of this very server can send. `Sec-Fetch-Site` stands in where a browser sends no Origin; a
 * client that sends neither is no browser, and has no business with the cookie.
 */
export function isOwnOrigin(headers: IncomingHttpHeaders): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  if (headers.origin === undefined) return site === "same-origin";
  return isOriginAllowed(headers.origin, headers.host, { allowedOrigins: [] });
}

/** Whether a Host header names this machine. */
export function isLoopbackHost(hostHeader: string | undefined): boolean {
  const host = parseHost(hostHeader);
  return host !== null && isLoopback(host.name);
}

export function isLoopback(host: string): boolean {
  const name = parseHost(bracketed(host))?.name;
  return name !== undefined && (name === "localhost" || name === "::1" || (isIPv4(name) && name.startsWith("127.")));
}

/** Name (lower case, no trailing dot, no brackets, addresses in canonical form) and port of `name[:port]`. */
function parseHost(host: string | undefined): { name: string; port: string } | null {
  if (host === undefined || !/^[^\s/?#@\\]+$/.test(host) || !URL.canParse(`http://${host}`)) return null;
  const url = new URL(`http://${host}`);
  return { name: withoutBrackets(url.hostname).replace(/\.$/, ""), port: url.port };
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function withoutBrackets(name: string): string {
  return name.startsWith("[") ? name.slice(1, -1) : name;
}
