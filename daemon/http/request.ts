/** What handlers take from a request that has passed the gate. */
import type { FastifyRequest } from "fastify";
import { TruecastError } from "../../pipelines/errors.ts";
import type { Principal } from "../principal.ts";
import type { Author } from "./authority.ts";

/** @throws TruecastError internal on a public route, which has none */
export function principalOf({ principal, routeOptions }: FastifyRequest): Principal {
  if (principal === null) throw new TruecastError("internal", `${routeOptions.url ?? "an unknown route"} is public but asks who makes the request`);
  return principal;
}

/** For the audit record. */
export function authorOf(request: FastifyRequest): Author {
  const { actor, name } = principalOf(request);
  return { actor, name, address: request.client.address };
}
