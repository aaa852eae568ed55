/** The checks before every request and every WebSocket handshake, the same for both: Host, Origin, who it is, whether that one may. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isRoleSufficient, type Principal } from "../principal.ts";
import type { Problem } from "../protocol.ts";
import { type AccessRules, isHostAllowed, isLoopback, isLoopbackHost, isOriginAllowed, isOwnOrigin } from "./access.ts";
import type { Authority, Turned } from "./authority.ts";
import type { ClientAddress, TrustedProxies } from "./client-address.ts";
import { sessionOf } from "./cookies.ts";
import { problem } from "./problems.ts";
import type { RouteAccess } from "./route-roles.ts";
import type { Refusal } from "./source.ts";

export const CSRF_HEADER = "x-csrf-token";

export interface Gate {
  readonly rules: AccessRules;
  readonly proxies: TrustedProxies;
  readonly authority: Pick<Authority, "authenticate">;
}

export interface Caller {
  /** `read` cannot change anything; `upgrade` opens a WebSocket. */
  readonly kind: "read" | "write" | "upgrade";
  readonly headers: IncomingHttpHeaders;
  readonly peer: string | undefined;
}

export type Passage =
  | { readonly kind: "passed"; readonly principal: Principal | null; readonly client: ClientAddress }
  | { readonly kind: "refused"; readonly body: Problem; readonly refusal: Refusal; readonly headers: Readonly<Record<string, string>> };

/** @throws TruecastError store-failed */
export function passGate({ kind, headers, peer }: Caller, access: RouteAccess, { rules, proxies, authority }: Gate): Passage {
  const { host, origin } = headers;
  if (!isHostAllowed(host, rules)) {
    return refuse("host", problem(403, "forbidden", `The Host ${JSON.stringify(host ?? "")} is not one of this server's; add it to the allowed hosts if it is.`));
  }
  if (kind !== "read" && !isOriginAllowed(origin, host, rules)) return refuse("origin", problem(403, "forbidden", `The Origin ${JSON.stringify(origin ?? "")} is not allowed.`));
  const client = proxies.clientOf(peer, headers);
  if (access.role === "public") return { kind: "passed", principal: null, client };

  const isLocal = isLoopback(rules.boundHost) && isLoopbackHost(host) && !client.isForwarded;
  const outcome = authority.authenticate({ bearer: bearerOf(headers), session: sessionOf(headers, client), address: client.address, isLocal });
  if (outcome.kind !== "granted") return turnAway(outcome);
  const { principal } = outcome;
  const { credential } = principal;
  if (credential.kind === "session" && kind !== "read") {
    if (!isOwnOrigin(headers)) return refuse("csrf", problem(403, "forbidden", "The cookie counts only for requests of the dashboard's own pages."));
    // A page of another origin cannot read the token, and a page cannot give a header to a WebSocket.
    if (kind === "write" && !isSame(headers[CSRF_HEADER], credential.csrfToken)) {
      return refuse("csrf", problem(403, "forbidden", `A request that changes something and carries the cookie needs the header ${CSRF_HEADER}, with the token that /api/v1/session gives.`));
    }
  }
  if (!isRoleSufficient(principal.role, access.role)) return refuse("role", problem(403, "role-insufficient", `This needs the role ${access.role}; ${JSON.stringify(principal.name)} has ${principal.role}.`));
  if (access.allStreams === true && principal.streams !== null) return refuse("role", problem(403, "role-insufficient", `This is about all streams; ${JSON.stringify(principal.name)} may see only some.`));
  return { kind: "passed", principal, client };
}

/** The same words for a token that is missing, wrong, expired or revoked. */
export function turnAway(outcome: Turned): Extract<Passage, { kind: "refused" }> {
  if (outcome.kind !== "limited") return refuse("token", problem(401, "unauthorized", "A valid token is demanded: as `Authorization: Bearer …`, or by signing in to the dashboard."));
  const seconds = Math.max(1, outcome.retryAfterSeconds);
  return refuse("attempts", problem(429, "too-many-attempts", `Too many wrong tokens came from there, or too many sessions were begun with this one: try again in ${seconds} s.`), { "retry-after": String(seconds) });
}

function refuse(refusal: Refusal, body: Problem, headers: Readonly<Record<string, string>> = {}): Extract<Passage, { kind: "refused" }> {
  return { kind: "refused", body, refusal, headers };
}

/** Another scheme is not ours: a proxy before us may ask for it, and the cookie counts beside it. */
function bearerOf({ authorization = "" }: IncomingHttpHeaders): string | null {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? null;
}

/** Digests first, so that lengths need not match and tell nothing. */
function isSame(given: string | string[] | undefined, expected: string): boolean {
  if (typeof given !== "string") return false;
  return timingSafeEqual(createHash("sha256").update(given).digest(), createHash("sha256").update(expected).digest());
}
