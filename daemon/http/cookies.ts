/** The dashboard's cookie: pure text to and from headers. */
import type { IncomingHttpHeaders } from "node:http";

const SESSION = "truecast_session";
/** Browsers take a cookie of this name only from HTTPS, for this host alone: no neighbouring host can plant one. */
const HOST_PREFIX = "__Host-";

/** Over HTTPS only the name that no neighbour can plant counts. */
export function sessionOf(headers: IncomingHttpHeaders, { isSecure }: { readonly isSecure: boolean }): string | null {
  return cookieValue(headers.cookie, isSecure ? HOST_PREFIX + SESSION : SESSION);
}

export function sessionCookie(secret: string, { isSecure, maxAgeSeconds }: { readonly isSecure: boolean; readonly maxAgeSeconds: number }): string {
  return cookie(SESSION, secret, { isSecure, maxAgeSeconds });
}

/** Takes away both. */
export function endedSessionCookies(): string[] {
  return [true, false].map((isSecure) => cookie(SESSION, "", { isSecure, maxAgeSeconds: 0 }));
}

interface CookieOptions {
  readonly isSecure: boolean;
  readonly maxAgeSeconds: number;
}

/** @param value base64url */
function cookie(name: string, value: string, { isSecure, maxAgeSeconds }: CookieOptions): string {
  return `${isSecure ? HOST_PREFIX : ""}${name}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${isSecure ? "; Secure" : ""}`;
}

function cookieValue(header: string | undefined, name: string): string | null {
  for (const part of header?.split(";") ?? []) {
    const [key, value] = part.trim().split("=", 2);
    if (key === name && value !== undefined) return value;
  }
  return null;
}
