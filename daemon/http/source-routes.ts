/** The part of the API that changes something: the source of a pulled stream. */
import type { FastifyInstance, FastifySchema } from "fastify";
import { type Static, Type } from "typebox";
import { STREAM_NAME_PATTERN } from "../../config/schema.ts";
import type { SourceInput } from "../protocol.ts";
import { answered, empty, refuseMethods, refusals, refused } from "./answers.ts";
import { problem, sendProblem } from "./problems.ts";
import type { HttpSource } from "./source.ts";

const URL_PATH = "/api/v1/streams/:name/source";
/** A URL of 2,048 characters, escaped. */
const MAX_BODY_BYTES = 16_384;

const PulledStream = Type.Object({ name: Type.String({ pattern: STREAM_NAME_PATTERN, description: "Name of the stream." }) });

export function registerSourceRoutes(app: FastifyInstance, source: HttpSource): void {
  const about = (summary: string, response: Record<number, object>, more: FastifySchema & { description?: string } = {}): FastifySchema => ({
    ...more,
    summary,
    tags: ["streams"],
    params: PulledStream,
    response: { ...response, ...refusals(`GET ${URL_PATH}`) },
  });

  app.route({
    method: "GET",
    url: URL_PATH,
    schema: about("Where a pulled stream comes from", { 200: answered("Source", "The source and its state."), 404: refused("No stream of this name is pulled.") }),
    handler(request, reply) {
      const { name } = request.params as Static<typeof PulledStream>;
      return source.source(name) ?? sendProblem(reply, notPulled(name));
    },
  });

  app.route({
    method: "PUT",
    url: URL_PATH,
    bodyLimit: MAX_BODY_BYTES,
    schema: about(
      "Add a pulled stream, or give it another source",
      {
        200: answered("Source", "Changed; the stream begins anew."),
        201: answered("Source", "Added."),
        400: refused("The body or the URL in it cannot be used, or the URL names an address that may not be reached."),
        409: refused("The name belongs to a stream of the configuration, or no more sources are taken."),
        503: refused("The store could not keep it."),
      },
      { description: "Kept across restarts. Whether the address can be reached shows in the source's state.", body: { $ref: "SourceInput#" } },
    ),
    handler(request, reply) {
      const { name } = request.params as Static<typeof PulledStream>;
      const { created, source: put } = source.putSource(name, request.body as SourceInput);
      return reply.code(created ? 201 : 200).send(put);
    },
  });

  app.route({
    method: "DELETE",
    url: URL_PATH,
    schema: about("Take out a pulled stream", { 204: empty("It is gone, with its tracks; its alerts stay."), 404: refused("No stream of this name is pulled."), 409: refused("The stream is one of the configuration.") }),
    handler(request, reply) {
      const { name } = request.params as Static<typeof PulledStream>;
      return source.removeSource(name) ? reply.code(204).send() : sendProblem(reply, notPulled(name));
    },
  });

  refuseMethods(app, URL_PATH, ["GET", "HEAD", "PUT", "DELETE"]);
}

function notPulled(name: string): ReturnType<typeof problem> {
  return problem(404, "not-found", `No stream ${JSON.stringify(name)} is pulled.`);
}
