/** The administrator's part of the API: tokens and the audit record; and the key of a stream for who may publish it. */
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import { type AccessTokenInput, AuditQuery } from "../access-protocol.ts";
import { answered, empty, refuseMethods, refusals, refused } from "./answers.ts";
import type { Authority } from "./authority.ts";
import { problem, sendProblem } from "./problems.ts";
import { authorOf } from "./request.ts";
import type { HttpSource } from "./source.ts";

const TOKENS = "/api/v1/tokens";
const TOKEN = "/api/v1/tokens/:id";
const AUDIT = "/api/v1/audit";
const PUBLISH = "/api/v1/streams/:name/publish";
/** A name and 256 streams. */
const MAX_BODY_BYTES = 32_768;
const tags = ["access"];

const NamedToken = Type.Object({ id: Type.String({ description: "The token's UUID." }) });
const NamedStream = Type.Object({ name: Type.String({ description: "Name of the stream." }) });

export function registerTokenRoutes(app: FastifyInstance, { authority, source }: { readonly authority: Authority; readonly source: Pick<HttpSource, "publishAccess"> }): void {
  app.route({
    method: "GET",
    url: TOKENS,
    schema: { tags, summary: "All access tokens, ended ones included", response: { 200: answered("AccessTokenList", "Without their secrets, which are not kept."), ...refusals(`GET ${TOKENS}`) } },
    handler: () => ({ tokens: authority.tokens.list() }),
  });
  app.route({
    method: "POST",
    url: TOKENS,
    bodyLimit: MAX_BODY_BYTES,
    schema: {
      tags,
      summary: "Make an access token",
      body: { $ref: "AccessTokenInput#" },
      response: {
        201: answered("AccessTokenCreated", "With its secret, which is told this once."),
        400: refused("The body is wrong; `detail` names key, value and rule."),
        409: refused("No more tokens are taken."),
        503: refused("The store could not keep it."),
        ...refusals(`POST ${TOKENS}`),
      },
    },
    handler: (request, reply) => reply.code(201).send(authority.tokens.create(request.body as AccessTokenInput, authorOf(request))),
  });
  refuseMethods(app, TOKENS, ["GET", "HEAD", "POST"]);

  app.route({
    method: "DELETE",
    url: TOKEN,
    schema: {
      tags,
      summary: "Revoke an access token",
      description: "Counts at once; sessions begun with it and WebSockets end within a second or two. The token stays in the list.",
      params: NamedToken,
      response: { 204: empty("It is revoked."), 404: refused("No token that could be revoked has this id."), ...refusals(`DELETE ${TOKEN}`) },
    },
    handler(request, reply) {
      const { id } = request.params as Static<typeof NamedToken>;
      return authority.tokens.revoke(id, authorOf(request)) ? reply.code(204).send() : sendProblem(reply, problem(404, "not-found", `There is no token ${JSON.stringify(id)} that could be revoked.`));
    },
  });
  refuseMethods(app, TOKEN, ["DELETE"]);

  app.route({
    method: "GET",
    url: AUDIT,
    schema: { tags, summary: "Who did what, newest first", querystring: AuditQuery, response: { 200: answered("AuditPage", "A page of the record."), 400: refused("A parameter is wrong."), ...refusals(`GET ${AUDIT}`) } },
    handler: (request) => authority.auditPage(request.query as AuditQuery),
  });
  refuseMethods(app, AUDIT, ["GET", "HEAD"]);

  app.route({
    method: "GET",
    url: PUBLISH,
    schema: {
      tags: ["streams"],
      summary: "Where and with which key a stream is published",
      description: "For publishers' own software. Reading it is recorded.",
      params: NamedStream,
      response: { 200: answered("PublishAccess", "Addresses and key."), 404: refused("No stream of this name is published."), ...refusals(`GET ${PUBLISH}`) },
    },
    handler(request, reply) {
      const { name } = request.params as Static<typeof NamedStream>;
      return source.publishAccess(name, authorOf(request)) ?? sendProblem(reply, problem(404, "not-found", `No stream ${JSON.stringify(name)} is published.`));
    },
  });
  refuseMethods(app, PUBLISH, ["GET", "HEAD"]);
}
