/** Which role each route asks for: the one table. A route that is not in it does not start. */
import { TruecastError } from "../../pipelines/errors.ts";
import type { RequiredRole } from "../principal.ts";

export interface RouteAccess {
  /** `public`: answered to everyone; says nothing about streams. */
  readonly role: RequiredRole | "public";
  /** Present: what it answers is about all streams at once, so that a token of some streams does not open it. */
  readonly allStreams?: true;
}

const PUBLIC: RouteAccess = { role: "public" };
const KNOWN: RouteAccess = { role: "any" };
const VIEWER: RouteAccess = { role: "viewer" };
const REVIEWER: RouteAccess = { role: "reviewer" };
const PUBLISHER: RouteAccess = { role: "publisher" };
const ADMIN: RouteAccess = { role: "admin" };

/** Routes with `:name` below /api/v1/streams are closed to tokens of other streams by gate.ts; any other route of the viewer's sees to it itself. */
export const ROUTE_ROLES: Readonly<Record<string, RouteAccess>> = {
  "GET /": PUBLIC,
  "GET /:file": PUBLIC,
  "GET /assets/*": PUBLIC,
  "GET /healthz": PUBLIC,
  "GET /readyz": VIEWER,
  "GET /metrics": { role: "viewer", allStreams: true },
  "GET /api/v1/openapi.json": KNOWN,
  "GET /api/v1/session": KNOWN,
  "POST /api/v1/session": PUBLIC,
  "DELETE /api/v1/session": KNOWN,
  "GET /api/v1/tokens": ADMIN,
  "POST /api/v1/tokens": ADMIN,
  "DELETE /api/v1/tokens/:id": ADMIN,
  "GET /api/v1/audit": ADMIN,
  "GET /api/v1/system": VIEWER,
  "GET /api/v1/model": VIEWER,
  "GET /api/v1/live": VIEWER,
  "GET /api/v1/streams": VIEWER,
  "GET /api/v1/streams/:name": VIEWER,
  "GET /api/v1/streams/:name/thumbnail.jpg": VIEWER,
  "GET /api/v1/streams/:name/source": VIEWER,
  "PUT /api/v1/streams/:name/source": ADMIN,
  "DELETE /api/v1/streams/:name/source": ADMIN,
  "GET /api/v1/streams/:name/publish": PUBLISHER,
  "GET /api/v1/receivers": { role: "viewer", allStreams: true },
  "POST /api/v1/receivers/:name/test": ADMIN,
  "POST /api/v1/receivers/:name/enable": ADMIN,
  "GET /api/v1/alerts": VIEWER,
  "GET /api/v1/events": VIEWER,
  "GET /api/v1/alerts/:id": VIEWER,
  "GET /api/v1/alerts/:id/evidence": VIEWER,
  "GET /api/v1/alerts/:id/evidence/:file": REVIEWER,
  "PUT /api/v1/alerts/:id/evidence/hold": REVIEWER,
  "DELETE /api/v1/alerts/:id/evidence": ADMIN,
  "DELETE /api/v1/streams/:name/evidence": ADMIN,
};

/** Of paths that lead nowhere, so that nobody learns without a token which ones do. */
export const UNMATCHED: RouteAccess = KNOWN;

/** @throws TruecastError internal, naming the route */
export function routeAccess(methods: string | readonly string[], url: string): RouteAccess {
  const found = [methods].flat().map((method) => ROUTE_ROLES[`${method === "HEAD" ? "GET" : method} ${url}`]);
  const [first] = found;
  if (first === undefined || found.some((access) => access !== first)) throw new TruecastError("internal", `no one role for ${[methods].flat().join(", ")} ${url} in route-roles.ts`);
  return first;
}

/** What a method that is not offered asks for: as the path's other methods do. */
export function anyMethodAccess(url: string): RouteAccess {
  const entry = Object.entries(ROUTE_ROLES).find(([route]) => route.endsWith(` ${url}`));
  if (entry === undefined) throw new TruecastError("internal", `no role for ${url} in route-roles.ts`);
  return entry[1];
}
