/** Puts the HTTP application together: checks before every request, problems for every refusal, the API and the dashboard. */
import fastifySwagger from "@fastify/swagger";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import { type Principal, seesStream } from "../principal.ts";
import type { Authority } from "./authority.ts";
import type { ClientAddress } from "./client-address.ts";
import { registerDashboard } from "./dashboard-files.ts";
import type { HttpLimits } from "./limits.ts";
import { OPENAPI, sharedSchemas } from "./openapi-base.ts";
import { describeViolation, problem, problemOf, rawProblem, sendProblem } from "./problems.ts";
import { type Gate, passGate } from "./gate.ts";
import { anyMethodAccess, type RouteAccess, routeAccess, UNMATCHED } from "./route-roles.ts";
import { registerRoutes } from "./routes.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";
import { registerSignInRoutes } from "./sign-in-routes.ts";
import { registerTokenRoutes } from "./token-routes.ts";
import { buildValidator } from "./validation.ts";
import type { HttpEvent, HttpSource } from "./source.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** A route that only says which methods its path offers. */
    refusesMethods?: boolean;
    /** From the table of route-roles.ts. */
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Null on public routes. */
    principal: Principal | null;
    client: ClientAddress;
  }
}

export interface AppOptions {
  readonly gate: Gate;
  readonly authority: Authority;
  readonly dashboardDir: string;
  readonly limits: HttpLimits;
  readonly log: Logger;
  readonly source: HttpSource;
  readonly run: string;
  readonly onEvent: (event: HttpEvent) => void;
}

/** Routes about one stream: closed to tokens of other streams before their handler is asked. */
const ONE_STREAM = "/api/v1/streams/:name";
const READ_METHODS: readonly string[] = ["GET", "HEAD"];

export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { gate, authority, limits, log, source, onEvent } = options;
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
    schemaController: { compilersFactory: { buildValidator } },
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

  app.decorateRequest("principal", null);
  app.decorateRequest("client");
  app.addHook("onRoute", (route) => {
    const access = route.config?.refusesMethods === true ? anyMethodAccess(route.url) : routeAccess(route.method, route.url);
    route.config = { ...route.config, access };
    // Objects of routes are shared by their HEAD twins.
    if (route.schema !== undefined) route.schema = { ...route.schema, ...described(access) };
  });
  app.addHook("onRequest", async (request, reply) => {
    void reply.headers(SECURITY_HEADERS).header("cache-control", "no-store");
    const { url, config } = request.routeOptions;
    const kind = READ_METHODS.includes(request.method) ? "read" : "write";
    const passage = passGate({ kind, headers: request.headers, peer: request.socket.remoteAddress }, config.access ?? UNMATCHED, gate);
    if (passage.kind === "refused") {
      onEvent({ kind: "refused", reason: passage.refusal });
      return sendProblem(reply.headers(passage.headers), passage.body);
    }
    request.principal = passage.principal;
    request.client = passage.client;
    if (passage.principal === null || url?.startsWith(ONE_STREAM) !== true) return;
    const { name } = request.params as { readonly name: string };
    // The same for one that is there and one that is not.
    if (!seesStream(passage.principal, name)) return sendProblem(reply, problem(404, "not-found", `There is no stream ${JSON.stringify(name)}.`));
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
  registerSignInRoutes(app, { authority, onEvent });
  registerTokenRoutes(app, { authority, source });
  app.get("/api/v1/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await registerDashboard(app, { dashboardDir: options.dashboardDir, authority, whipUrl: () => source.system().whipUrl, onEvent });
  return app;
}

/** For the OpenAPI document. */
function described({ role, allStreams }: RouteAccess): object {
  return { "x-required-role": role, ...(allStreams === true ? { "x-required-scope": "all-streams" } : {}), ...(role === "public" ? { security: [] } : {}) };
}

/** The query may hold a token and must not come back in an answer. */
export function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? "";
}
