/** Receivers of alerts in the API: how they do, a test for one, and enabling one that said it is gone. */
import type { FastifyInstance, FastifySchema } from "fastify";
import { type Static, Type } from "typebox";
import { answered, refuseMethods, refusals, refused } from "./answers.ts";
import { problem, sendProblem } from "./problems.ts";
import type { HttpSource } from "./source.ts";

const BASE = "/api/v1/receivers";
const NamedReceiver = Type.Object({ name: Type.String({ description: "Name of the receiver in the configuration." }) });

export function registerReceiverRoutes(app: FastifyInstance, source: HttpSource): void {
  const about = (route: string, summary: string, response: Record<number, object>, more: FastifySchema & { description?: string } = {}): FastifySchema => ({
    ...more,
    summary,
    tags: ["receivers"],
    response: { ...response, ...refusals(route) },
  });
  app.route({
    method: "GET",
    url: BASE,
    schema: about(`GET ${BASE}`, "Who is told of alerts", { 200: answered("ReceiverList", "Every configured receiver and how it does."), 503: refused("The store cannot be read.") }),
    handler: () => ({ receivers: source.receivers() }),
  });
  refuseMethods(app, BASE, ["GET", "HEAD"]);

  app.route({
    method: "POST",
    url: `${BASE}/:name/test`,
    schema: about(`POST ${BASE}/:name/test`, "Send a receiver a test", { 200: answered("ReceiverTest", "It was sent; whether it was taken is in `delivered`."), 404: refused("No receiver has this name.") }, {
      params: NamedReceiver,
      description: "At once and once; it says that it is a test, is signed like any event, and changes nothing of the receiver's state. Takes no body.",
    }),
    async handler(request, reply) {
      const { name } = request.params as Static<typeof NamedReceiver>;
      return (await source.testReceiver(name)) ?? sendProblem(reply, unknown(name));
    },
  });
  refuseMethods(app, `${BASE}/:name/test`, ["POST"]);

  app.route({
    method: "POST",
    url: `${BASE}/:name/enable`,
    schema: about(`POST ${BASE}/:name/enable`, "Send to a receiver again", { 200: answered("ReceiverStatus", "It is enabled."), 404: refused("No receiver has this name."), 503: refused("The store could not keep it.") }, {
      params: NamedReceiver,
      description: "For one that is disabled; what it missed follows. One that is waiting is tried at once. Takes no body.",
    }),
    handler(request, reply) {
      const { name } = request.params as Static<typeof NamedReceiver>;
      return source.enableReceiver(name) ?? sendProblem(reply, unknown(name));
    },
  });
  refuseMethods(app, `${BASE}/:name/enable`, ["POST"]);
}

function unknown(name: string): ReturnType<typeof problem> {
  return problem(404, "not-found", `There is no receiver ${JSON.stringify(name)}.`);
}
