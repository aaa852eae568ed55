/** Sign-in to the dashboard: a token is exchanged for a session and its cookie. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Session, SignIn } from "../access-protocol.ts";
import type { Principal } from "../principal.ts";
import { isOwnOrigin } from "./access.ts";
import { answered, empty, refuseMethods, refusals, refused } from "./answers.ts";
import type { Authority, BegunSession } from "./authority.ts";
import { endedSessionCookies, sessionCookie } from "./cookies.ts";
import { turnAway } from "./gate.ts";
import { problem, sendProblem } from "./problems.ts";
import { principalOf } from "./request.ts";
import type { HttpEvent } from "./source.ts";

export interface SignInRoutesOptions {
  readonly authority: Authority;
  readonly onEvent: (event: HttpEvent) => void;
}

const SESSION = "/api/v1/session";
const tags = ["access"];

export function registerSignInRoutes(app: FastifyInstance, { authority, onEvent }: SignInRoutesOptions): void {
  app.route({
    method: "GET",
    url: SESSION,
    schema: { tags, summary: "Who the caller is", response: { 200: answered("Session", "As whom the daemon takes the caller."), ...refusals(`GET ${SESSION}`) } },
    handler: (request) => sessionOf(principalOf(request)),
  });

  app.route({
    method: "POST",
    url: SESSION,
    schema: {
      tags,
      summary: "Sign in with a token",
      description: "The answer sets an HttpOnly, SameSite=Strict cookie. For the dashboard; programs send the token itself.",
      body: { $ref: "SignIn#" },
      response: {
        201: answered("Session", "Signed in."),
        401: refused("The token is not valid."),
        503: refused("The store could not keep the session."),
        ...refusals(`POST ${SESSION}`),
        429: refused("Too many wrong tokens came from the client's address, or too many sessions were begun with this one."),
      },
    },
    handler(request, reply) {
      // Nobody else's page may sign a visitor in as somebody.
      if (request.headers.origin !== undefined && !isOwnOrigin(request.headers)) {
        onEvent({ kind: "refused", reason: "origin" });
        return sendProblem(reply, problem(403, "forbidden", "Only the dashboard's own pages may sign in."));
      }
      return signIn(request, reply, (request.body as SignIn).token);
    },
  });

  app.route({
    method: "DELETE",
    url: SESSION,
    schema: { tags, summary: "Sign out", response: { 204: empty("The session has ended; its WebSockets are closed within a second or two."), ...refusals(`DELETE ${SESSION}`) } },
    handler(request, reply) {
      authority.signOut(principalOf(request), request.client.address);
      return reply.header("set-cookie", endedSessionCookies()).code(204).send();
    },
  });
  refuseMethods(app, SESSION, ["GET", "HEAD", "POST", "DELETE"]);

  function signIn(request: FastifyRequest, reply: FastifyReply, token: string): FastifyReply {
    const outcome = authority.signIn(token, request.client.address);
    if (outcome.kind === "begun") return begun(request, reply, outcome.session).code(201).send(sessionOf(outcome.session.principal));
    if (outcome.kind === "no-session") {
      onEvent({ kind: "refused", reason: "role" });
      return sendProblem(reply, problem(403, "role-insufficient", `A token of the role ${outcome.role} opens no dashboard.`));
    }
    const refusal = turnAway(outcome);
    onEvent({ kind: "refused", reason: refusal.refusal });
    return sendProblem(reply.headers(refusal.headers), refusal.body);
  }
}

/** Puts the cookie into the answer. */
export function begun(request: FastifyRequest, reply: FastifyReply, { secret, maxAgeSeconds }: BegunSession): FastifyReply {
  return reply.header("set-cookie", sessionCookie(secret, { isSecure: request.client.isSecure, maxAgeSeconds }));
}

function sessionOf({ actor, name, role, streams, expiresAt, credential }: Principal): Session {
  return {
    actor,
    name,
    role,
    streams: streams && [...streams],
    by: credential.kind === "configured-token" ? "token" : credential.kind,
    expiresAt,
    csrfToken: credential.kind === "session" ? credential.csrfToken : null,
  };
}
