/** Serves the built dashboard, and exchanges the token of its first link for a cookie. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { isToken, sessionCookie } from "./access.ts";
import { pageHeaders } from "./page-headers.ts";

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
<p>Truecast prints the link to its dashboard when it starts. Open that one.</p>
</html>
`;
const HTML = "text/html; charset=utf-8";
/** Vite puts a hash of the content into the names of its assets. */
const HASHED = /[.-][A-Za-z0-9_-]{8,}\.\w+$/;

export interface DashboardOptions {
  readonly dashboardDir: string;
  readonly token: string | null;
  /** Where the page may publish to. */
  readonly whipUrl: () => string | null;
  readonly onWrongToken: () => void;
}

/**
 * The page itself is public, for it holds no data; what it then asks of the API is not. That also lets a link with a
 * token work from another site: a SameSite=Strict cookie is not sent along such a navigation, but with the page's requests.
 */
export async function registerDashboard(app: FastifyInstance, { dashboardDir, token, whipUrl, onWrongToken }: DashboardOptions): Promise<void> {
  await app.register(fastifyStatic, { root: dashboardDir, serve: false, index: false, redirect: false, cacheControl: false, dotfiles: "ignore", suppressWarning: true });
  const options = { config: { public: true }, schema: { hide: true } };

  app.get<{ Querystring: { token?: string | string[] } }>("/", options, (request, reply) => {
    const given = request.query.token;
    if (given !== undefined) {
      if (token === null) return reply.redirect("/", 302);
      if (typeof given !== "string" || !isToken(given, token)) {
        onWrongToken();
        return reply.code(401).type(HTML).send(WRONG_TOKEN);
      }
      return reply.header("set-cookie", sessionCookie(token)).redirect("/", 302);
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
