/** Serves the built dashboard, and exchanges the token of its first link for a cookie. */
import { existsSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import type { Authority } from "./authority.ts";
import { turnAway } from "./gate.ts";
import { pageHeaders } from "./page-headers.ts";
import { problem, sendProblem } from "./problems.ts";
import { begun } from "./sign-in-routes.ts";
import type { HttpEvent } from "./source.ts";

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Truecast</title>
<h1>The dashboard is not built</h1>
<p>Run <code>npm run build</code> in Truecast's folder and reload this page. Streams are watched and alerts are raised meanwhile.</p>
<p>The API answers at <a href="/api/v1/streams">/api/v1/streams</a>.</p>
</html>
`;
const WRONG_TOKEN = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Truecast</title>
<h1>This link's token is not valid</h1>
<p>Truecast prints the link to its dashboard at its first start. Open that one, or <a href="/">sign in</a> with a token.</p>
</html>
`;
const HTML = "text/html; charset=utf-8";
/** Vite puts a hash of the content into the names of its assets. */
const HASHED = /[.-][A-Za-z0-9_-]{8,}\.\w+$/;

export interface DashboardOptions {
  readonly dashboardDir: string;
  readonly authority: Pick<Authority, "signIn">;
  /** Where the page may publish to. */
  readonly whipUrl: () => string | null;
  readonly onEvent: (event: HttpEvent) => void;
}

/**
 * Whether a browser opens a page. As a picture in anybody's page the link would use up, unseen, what its visitor's address
 * may guess. Browsers say it wherever the connection can be trusted; others do not.
 */
function isVisit(headers: IncomingHttpHeaders): boolean {
  const destination = headers["sec-fetch-dest"];
  return destination === undefined || destination === "document";
}

/**
 * The page itself is public, for it holds no data; what it then asks of the API is not. That also lets a link with a
 * token work from another site: a SameSite=Strict cookie is not sent along such a navigation, but with the page's requests.
 */
export async function registerDashboard(app: FastifyInstance, { dashboardDir, authority, whipUrl, onEvent }: DashboardOptions): Promise<void> {
  await app.register(fastifyStatic, { root: dashboardDir, serve: false, index: false, redirect: false, cacheControl: false, dotfiles: "ignore", suppressWarning: true });
  const options = { schema: { hide: true } };

  app.get<{ Querystring: { token?: string | string[] } }>("/", options, (request, reply) => {
    const given = request.query.token;
    if (given !== undefined) {
      if (!isVisit(request.headers)) {
        onEvent({ kind: "refused", reason: "origin" });
        return sendProblem(reply, problem(403, "forbidden", "A link with a token is for opening, not for loading from another page."));
      }
      const outcome = typeof given === "string" ? authority.signIn(given, request.client.address) : ({ kind: "wrong" } as const);
      if (outcome.kind === "begun") return begun(request, reply, outcome.session).redirect("/", 302);
      const refusal = outcome.kind === "no-session" ? null : turnAway(outcome);
      onEvent({ kind: "refused", reason: refusal?.refusal ?? "role" });
      if (outcome.kind === "limited" && refusal !== null) return sendProblem(reply.headers(refusal.headers), refusal.body);
      return reply.code(refusal?.body.status ?? 403).type(HTML).send(WRONG_TOKEN);
    }
    // Asked anew each time, so that a dashboard built while the daemon runs appears.
    if (!existsSync(join(dashboardDir, "index.html"))) return reply.code(503).type(HTML).send(NOT_BUILT);
    return reply
      .headers(pageHeaders({ whipUrl: whipUrl(), host: request.headers.host ?? "localhost" }))
      .header("cache-control", "no-cache")
      .sendFile("index.html");
  });

  app.get<{ Params: { "*": string } }>("/assets/*", options, (request, reply) => {
    const name = request.params["*"];
    return reply.header("cache-control", HASHED.test(name) ? "public, max-age=31536000, immutable" : "no-cache").sendFile(`assets/${name}`);
  });

  app.get<{ Params: { file: string } }>("/:file", options, (request, reply) => reply.header("cache-control", "no-cache").sendFile(request.params.file));
}
