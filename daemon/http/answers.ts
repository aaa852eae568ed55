/** How the routes describe their answers in the OpenAPI document, and what they share. */
import type { FastifyInstance, HTTPMethods } from "fastify";
import { problem, sendProblem } from "./problems.ts";
import { ROUTE_ROLES } from "./route-roles.ts";

export const refused = (description: string) => ({ description, content: { "application/problem+json": { schema: { $ref: "Problem#" } } } });
export const answered = (schema: string, description: string) => ({ description, content: { "application/json": { schema: { $ref: `${schema}#` } } } });
export const text = (mediaType: string, description: string) => ({ description, content: { [mediaType]: { schema: { type: "string", contentMediaType: mediaType } } } });
export const empty = (description: string) => ({ description, type: "null" });

/** What the checks before a route may answer. @param route `METHOD url` of the table of roles */
export function refusals(route: string): Record<number, object> {
  const role = ROUTE_ROLES[route]?.role;
  const always = { 403: refused("The Host or Origin of the request is not allowed, or the token does not suffice.") };
  return role === "public" ? always : { 401: refused("A valid token is demanded."), ...always, 429: refused("Too many wrong tokens came from the client's address.") };
}

const METHODS: readonly HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Answers 405 to every method but the offered ones, before any body is read. */
export function refuseMethods(app: FastifyInstance, url: string, offered: readonly HTTPMethods[]): void {
  app.route({
    method: METHODS.filter((method) => !offered.includes(method)),
    url,
    config: { refusesMethods: true },
    schema: { hide: true },
    onRequest: async (request, reply) => {
      const names = [offered.slice(0, -1).join(", "), offered.at(-1)].filter((part) => part !== "").join(" and ");
      await sendProblem(reply.header("allow", offered.join(", ")), problem(405, "request-invalid", `${request.method} is not offered here; only ${names} ${offered.length === 1 ? "is" : "are"}.`));
    },
    handler: () => undefined,
  });
}
