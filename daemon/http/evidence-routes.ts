/** Evidence over HTTP: what is kept of an alert, its files, legal hold and deletion. */
import { basename, dirname } from "node:path";
import type { FastifyInstance, FastifyRequest, FastifySchema } from "fastify";
import { type Static, Type } from "typebox";
import { STREAM_NAME_PATTERN } from "../../config/schema.ts";
import { seesStream } from "../principal.ts";
import type { EvidenceHold } from "../protocol.ts";
import { answered, empty, refuseMethods, refusals, refused, text } from "./answers.ts";
import { problem, sendProblem } from "./problems.ts";
import { authorOf, principalOf } from "./request.ts";
import type { HttpSource } from "./source.ts";

const OF_ALERT = "/api/v1/alerts/:id/evidence";
const NamedAlert = Type.Object({ id: Type.String({ description: "The alert's UUID." }) });
const NamedFile = Type.Object({ id: Type.String({ description: "The alert's UUID." }), file: Type.String({ maxLength: 100, description: "`name` of a file in the evidence, or manifest.json or records.jsonl." }) });
const NamedStream = Type.Object({ name: Type.String({ pattern: STREAM_NAME_PATTERN, description: "Name of the stream, also of one that is no longer configured." }) });
const WithAlert = Type.Object({ alert: Type.Boolean({ default: false, description: "Erase the ended alert and its history from the store too." }) }, { additionalProperties: false });
const WithAlerts = Type.Object({ alerts: Type.Boolean({ default: false, description: "Erase the stream's ended alerts and their history from the store too." }) }, { additionalProperties: false });

const noEvidence = refused("Nothing is kept of this alert.");
const notNow = refused("It is under legal hold, or still being recorded.");
const notOpen = refused("The evidence folder or the store cannot be used at the moment.");

/** A file of evidence is somebody else's content: whatever it holds, it runs no script and loads nothing. */
const FILE_HEADERS = { "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'", "cache-control": "private, no-cache" };

export function registerEvidenceRoutes(app: FastifyInstance, source: HttpSource): void {
  const about = (route: string, summary: string, response: Record<number, object>, more: FastifySchema & { description?: string }): FastifySchema => ({ ...more, summary, tags: ["evidence"], response: { ...response, ...refusals(route) } });
  const missing = (id: string): ReturnType<typeof problem> => problem(404, "not-found", `Nothing is kept of an alert ${JSON.stringify(id)}.`);

  /** An alert that the store no longer has belongs to no stream: only who sees all streams sees its evidence. */
  const sees = (request: FastifyRequest, id: string): boolean => {
    const principal = principalOf(request);
    if (principal.streams === null) return true;
    const alert = source.alert(id);
    return alert !== null && seesStream(principal, alert.stream);
  };

  app.route({
    method: "GET",
    url: OF_ALERT,
    schema: about(`GET ${OF_ALERT}`, "What is kept of an alert", { 200: answered("Evidence", "Its state and its files."), 404: noEvidence }, { params: NamedAlert }),
    handler(request, reply) {
      const { id } = request.params as Static<typeof NamedAlert>;
      return (sees(request, id) ? source.evidence(id) : null) ?? sendProblem(reply, missing(id));
    },
  });

  app.route({
    method: "DELETE",
    url: OF_ALERT,
    schema: about(
      `DELETE ${OF_ALERT}`,
      "Delete the evidence of an alert",
      { 204: empty("It is gone; a signed record says that it was."), 404: noEvidence, 409: notNow, 503: notOpen },
      { params: NamedAlert, querystring: WithAlert, description: "All files go. With `alert=true` the alert goes from the store too, so that nothing of the incident is left but the signed record of its deletion and the audit record of who asked, which name the alert's UUID and nothing else of it." },
    ),
    async handler(request, reply) {
      const { id } = request.params as Static<typeof NamedAlert>;
      if (!sees(request, id)) return sendProblem(reply, missing(id));
      await source.removeEvidence(id, { withAlert: (request.query as Static<typeof WithAlert>).alert }, authorOf(request));
      return reply.code(204).send();
    },
  });
  refuseMethods(app, OF_ALERT, ["GET", "HEAD", "DELETE"]);

  app.route({
    method: "PUT",
    url: `${OF_ALERT}/hold`,
    schema: about(`PUT ${OF_ALERT}/hold`, "Put evidence under legal hold, or lift the hold", { 200: answered("Evidence", "The evidence as it is now."), 400: refused("The body is wrong."), 404: noEvidence, 409: notNow, 503: notOpen }, { params: NamedAlert, body: { $ref: "EvidenceHold#" }, description: "Held evidence is deleted by no age, no quota and no request; its alert stays in the store. Both are signed into the log." }),
    async handler(request, reply) {
      const { id } = request.params as Static<typeof NamedAlert>;
      if (!sees(request, id)) return sendProblem(reply, missing(id));
      await source.holdEvidence(id, (request.body as EvidenceHold).held, authorOf(request));
      return source.evidence(id) ?? sendProblem(reply, missing(id));
    },
  });
  refuseMethods(app, `${OF_ALERT}/hold`, ["PUT"]);

  app.route({
    method: "GET",
    url: `${OF_ALERT}/:file`,
    schema: about(
      `GET ${OF_ALERT}/:file`,
      "A file of the evidence",
      { 200: text("application/octet-stream", "The file; its media type is in the evidence."), 206: text("application/octet-stream", "The range that was asked for."), 404: refused("There is no such file, or it was deleted."), 416: refused("The range is not one of the file.") },
      { params: NamedFile, description: "Range requests are answered, so that a player can seek." },
    ),
    handler(request, reply) {
      const { id, file } = request.params as Static<typeof NamedFile>;
      const found = sees(request, id) ? source.evidenceFile(id, file) : null;
      if (found === null) return sendProblem(reply, problem(404, "not-found", `There is no file ${JSON.stringify(file)} of an alert ${JSON.stringify(id)}.`));
      // What the answer is called is Truecast's word: never guessed from the file's name.
      return reply.headers(FILE_HEADERS).type(found.mediaType).sendFile(basename(found.path), dirname(found.path), { contentType: false, cacheControl: false, dotfiles: "allow" });
    },
  });
  refuseMethods(app, `${OF_ALERT}/:file`, ["GET", "HEAD"]);

  const ofStream = "/api/v1/streams/:name/evidence";
  app.route({
    method: "DELETE",
    url: ofStream,
    schema: about(`DELETE ${ofStream}`, "Delete the evidence of a stream", { 200: answered("EvidenceRemoval", "What is gone, and what stays because it is held or not finished."), 503: notOpen }, { params: NamedStream, querystring: WithAlerts }),
    handler: (request) => source.removeStreamEvidence((request.params as Static<typeof NamedStream>).name, { withAlerts: (request.query as Static<typeof WithAlerts>).alerts }, authorOf(request)),
  });
  refuseMethods(app, ofStream, ["DELETE"]);
}
