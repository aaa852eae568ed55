/** Puts the HTTP application together: checks before every request, problems for every refusal, the API and the dashboard. */
import fastifySwagger from "@fastify/swagger";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import { type AccessRules, isAuthorised, isHostAllowed, isOriginAllowed } from "./access.ts";
import { registerDashboard } from "./dashboard-files.ts";
import type { HttpLimits } from "./limits.ts";
import { OPENAPI, sharedSchemas } from "./openapi-base.ts";
import { contentSecurityPolicy } from "./page-headers.ts";
import { describeViolation, problem, problemOf, rawProblem, sendProblem } from "./problems.ts";
import { registerRoutes } from "./routes.ts";
import type { HttpEvent, HttpSource } from "./source.ts";

export interface AppOptions {
  readonly rules: AccessRules;
  readonly dashboardDir: string;
  readonly limits: HttpLimits;
  readonly log: Logger;
  readonly source: HttpSource;
  readonly run: string;
  readonly onEvent: (event: HttpEvent) => void;
}

const READ_METHODS: readonly string[] = ["GET", "HEAD"];

/** No other site may embed a thumbnail either. */
const SECURITY_HEADERS = {
  "content-security-policy": contentSecurityPolicy(),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { rules, limits, log, source, onEvent } = options;
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    // A line for each request would hold the token of the dashboard's first link.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.maxBodyBytes,
    connectionTimeout: limits.socketIdleTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    handlerTimeout: limits.handlerTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: limits.maxParamLength },
    http: {
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(5_000, limits.headersTimeoutMs),
      maxHeaderSize: limits.maxHeaderBytes,
      // Any other protocol is ignored and the request answered as it stands (RFC 9110 section 7.8).
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket",
    },
    ajv: { customOptions: { coerceTypes: true, useDefaults: true, removeAdditional: false, allErrors: false, verbose: true } },
    schemaErrorFormatter: (errors, where) => new TruecastError("request-invalid", describeViolation(errors, where === "querystring" ? "query" : where)),
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply.headers(SECURITY_HEADERS), problemOf(error));
    },
    clientErrorHandler(error, socket) {
      // Nobody is left to answer after a reset.
      if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
      const status = error.code === "HPE_HEADER_OVERFLOW" ? 431 : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
      socket.end(rawProblem(problem(status, "request-invalid", "The request is not valid HTTP/1.1, too large or too slow.")), () => socket.destroy());
    },
  });
  // The same bytes on HTTP and WebSocket; the schemas of the answers are held by tests, not by a second serialiser.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));

  app.addHook("onRequest", async (request, reply) => {
    void reply.headers(SECURITY_HEADERS).header("cache-control", "no-store");
    if (!isHostAllowed(request.headers.host, rules)) {
      onEvent({ kind: "refused", reason: "host" });
      return sendProblem(reply, problem(403, "forbidden", `The Host ${JSON.stringify(request.headers.host ?? "")} is not one of this server's; add it to the allowed hosts if it is.`));
    }
    if (!READ_METHODS.includes(request.method) && !isOriginAllowed(request.headers.origin, request.headers.host, rules)) {
      onEvent({ kind: "refused", reason: "origin" });
      return sendProblem(reply, problem(403, "forbidden", `The Origin ${JSON.stringify(request.headers.origin ?? "")} is not allowed.`));
    }
    if (request.routeOptions.config.public !== true && !isAuthorised(request.headers, rules.token)) {
      onEvent({ kind: "refused", reason: "token" });
      return sendProblem(reply, problem(401, "unauthorized", "A token is demanded: send it as `Authorization: Bearer …`, or open the dashboard with its link."));
    }
  });
  app.addHook("onResponse", async (request, reply) => {
    onEvent({ kind: "request", route: request.routeOptions.url ?? "unmatched", method: request.method, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
  });
  app.setErrorHandler((error, request, reply) => {
    const body = problemOf(error);
    if (body.status >= 500) log.error({ err: error, route: request.routeOptions.url, code: body.code }, "request failed");
    return sendProblem(reply, body);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(reply, problem(404, "not-found", `There is nothing at ${JSON.stringify(pathOf(request.url).slice(0, 100))}.`)));

  for (const schema of sharedSchemas()) app.addSchema(schema);
  await app.register(fastifySwagger, { openapi: OPENAPI, refResolver: { buildLocalReference: ({ $id }) => (typeof $id === "string" ? $id : "unnamed") } });
  registerRoutes(app, source, options.run);
  app.get("/api/v1/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await registerDashboard(app, { dashboardDir: options.dashboardDir, token: rules.token, whipUrl: () => source.system().whipUrl, onWrongToken: () => onEvent({ kind: "refused", reason: "token" }) });
  return app;
}

/** The query may hold a token and must not come back in an answer. */
export function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? "";
}
