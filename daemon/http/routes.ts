/** The HTTP API: each route's schema, which is also its documentation, beside what it answers. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import { type Static, Type } from "typebox";
import { seesStream } from "../principal.ts";
import { AlertEventQuery, AlertQuery, type Liveness } from "../protocol.ts";
import { answered, empty, refuseMethods, refusals, refused, text } from "./answers.ts";
import { registerEvidenceRoutes } from "./evidence-routes.ts";
import { principalOf } from "./request.ts";
import { problem, sendProblem } from "./problems.ts";
import type { HttpSource } from "./source.ts";
import { registerReceiverRoutes } from "./receiver-routes.ts";
import { registerSourceRoutes } from "./source-routes.ts";

const NamedStream = Type.Object({ name: Type.String({ description: "Name of the stream in the configuration." }) });
const NamedAlert = Type.Object({ id: Type.String({ description: "The alert's UUID." }) });
const LiveQuery = Type.Object({
  since: Type.Optional(Type.Integer({ minimum: 0, description: "Number of the last alert event the client has seen: those after it come first." })),
  run: Type.Optional(Type.String({ description: "`run` of the snapshot the client holds." })),
  message: Type.Optional(Type.Integer({ minimum: 0, description: "`seq` of the last message it has seen in that run." })),
});

interface RouteDescription {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: TSchema;
  readonly querystring?: TSchema;
  readonly response: Readonly<Record<number, object>>;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** A route to read, and the answer 405 to every other method on its path. */
function read(app: FastifyInstance, url: string, about: RouteDescription, handler: Handler): void {
  const { tag, response, ...rest } = about;
  app.route({ method: "GET", url, schema: { ...rest, tags: [tag], response: { ...response, ...refusals(`GET ${url}`) } }, handler });
  refuseMethods(app, url, ["GET", "HEAD"]);
}

/** @param run names this run of the daemon; media time begins anew with each, so it is part of a thumbnail's ETag. */
export function registerRoutes(app: FastifyInstance, source: HttpSource, run: string): void {
  read(app, "/api/v1/streams", { tag: "streams", summary: "All streams", response: { 200: answered("StreamList", "Every configured stream that the caller may see.") } }, (request) => {
    const principal = principalOf(request);
    return { streams: source.streams().filter(({ name }) => seesStream(principal, name)) };
  });

  read(
    app,
    "/api/v1/streams/:name",
    {
      tag: "streams",
      summary: "One stream with its recent scores",
      params: NamedStream,
      response: { 200: answered("StreamDetail", "The stream and its scores of the last ten minutes."), 404: refused("No stream has this name.") },
    },
    (request, reply) => {
      const { name } = request.params as Static<typeof NamedStream>;
      return source.stream(name) ?? sendProblem(reply, problem(404, "not-found", `There is no stream ${JSON.stringify(name)}.`));
    },
  );

  registerSourceRoutes(app, source);
  registerReceiverRoutes(app, source);

  read(
    app,
    "/api/v1/streams/:name/thumbnail.jpg",
    {
      tag: "streams",
      summary: "The stream's newest picture",
      description: "Never stored by caches. The ETag changes with each picture. A query is ignored, so that a page can ask for `?pts=…` of the picture it wants to see.",
      params: NamedStream,
      response: { 200: text("image/jpeg", "A JPEG."), 304: empty("Still the picture of `If-None-Match`."), 404: refused("No such stream, or no picture of it yet.") },
    },
    (request, reply) => {
      const { name } = request.params as Static<typeof NamedStream>;
      const thumbnail = source.thumbnail(name);
      if (thumbnail === null) return sendProblem(reply, problem(404, "not-found", `There is no picture of a stream ${JSON.stringify(name)} yet.`));
      const etag = `"${run.slice(0, 8)}-${thumbnail.ptsMs}"`;
      void reply.headers({ "cache-control": "no-store", etag });
      if (request.headers["if-none-match"] === etag) return reply.code(304).send();
      return reply.type("image/jpeg").send(thumbnail.jpeg);
    },
  );

  read(
    app,
    "/api/v1/alerts",
    {
      tag: "alerts",
      summary: "Alerts, newest first",
      querystring: AlertQuery,
      response: { 200: answered("AlertPage", "A page of alerts."), 400: refused("A parameter is wrong; `detail` names parameter, value and rule.") },
    },
    (request) => source.alerts(request.query as AlertQuery, principalOf(request).streams),
  );

  read(
    app,
    "/api/v1/alerts/:id",
    { tag: "alerts", summary: "One alert", params: NamedAlert, response: { 200: answered("Alert", "The alert."), 404: refused("No alert has this id.") } },
    (request, reply) => {
      const { id } = request.params as Static<typeof NamedAlert>;
      const alert = source.alert(id);
      if (alert !== null && seesStream(principalOf(request), alert.stream)) return alert;
      return sendProblem(reply, problem(404, "not-found", `There is no alert ${JSON.stringify(id)}.`));
    },
  );

  registerEvidenceRoutes(app, source);
  read(
    app,
    "/api/v1/events",
    {
      tag: "alerts",
      summary: "What was told of alerts, in order",
      description: "Each event keeps its number and its id. Hand the number of the last one back as `after` until a page is empty.",
      querystring: AlertEventQuery,
      response: { 200: answered("AlertEventPage", "A page of events."), 400: refused("A parameter is wrong; `detail` names parameter, value and rule.") },
    },
    (request) => source.events(request.query as AlertEventQuery, principalOf(request).streams),
  );

  read(app, "/api/v1/model", { tag: "model", summary: "The model in use", response: { 200: answered("ModelCard", "Its card.") } }, () => source.model());

  read(app, "/api/v1/system", { tag: "system", summary: "The daemon and its processes", response: { 200: answered("SystemStatus", "The status.") } }, () => source.system());

  read(
    app,
    "/api/v1/live",
    {
      tag: "live",
      summary: "Live updates over WebSocket",
      description: "Messages are text frames of JSON, each a ServerMessage: first, when asked for, `missed` events; then `snapshot` (or `resumed`) and numbered deltas. See docs/api.md.",
      querystring: LiveQuery,
      response: { 101: empty("Switched to WebSocket."), 426: refused("The request does not ask for an upgrade."), 503: refused("No further client is taken.") },
    },
    (_request, reply) => sendProblem(reply.header("upgrade", "websocket"), problem(426, "request-invalid", "This is a WebSocket: the request must ask for an upgrade.")),
  );

  const alive: Liveness = { status: "alive" };
  read(app, "/healthz", { tag: "system", summary: "The process is alive", response: { 200: answered("Liveness", "It is.") } }, () => alive);

  read(
    app,
    "/readyz",
    { tag: "system", summary: "Streams can be analysed", response: { 200: answered("Readiness", "Ready."), 503: answered("Readiness", "Not ready, with reasons.") } },
    (_request, reply) => {
      const readiness = source.readiness();
      return reply.code(readiness.ready ? 200 : 503).send(readiness);
    },
  );

  read(
    app,
    "/metrics",
    { tag: "system", summary: "Prometheus metrics", response: { 200: text("text/plain", "The Prometheus text exposition format.") } },
    async (_request, reply) => {
      const { contentType, body } = await source.metrics();
      return reply.type(contentType).send(body);
    },
  );
}
