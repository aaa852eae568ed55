/** What the OpenAPI document says beside the routes, and the protocol's schemas as components that refer to each other. */
import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { TSchema } from "typebox";
import * as access from "../access-protocol.ts";
import * as protocol from "../protocol.ts";

/** Schemas of daemon/protocol.ts and daemon/access-protocol.ts that become components. */
const COMPONENTS: readonly TSchema[] = [
  protocol.Verdict,
  protocol.Track,
  protocol.StreamState,
  protocol.SourceKind,
  protocol.PublisherProtocol,
  protocol.Source,
  protocol.SourceInput,
  protocol.Stream,
  protocol.StreamList,
  protocol.ScorePoint,
  protocol.StreamDetail,
  protocol.AlertState,
  protocol.BlindSpotRule,
  protocol.AlertRule,
  protocol.AlertResolution,
  protocol.FaceAlert,
  protocol.BlindSpotAlert,
  protocol.Alert,
  protocol.AlertPage,
  protocol.Evidence,
  protocol.EvidenceHold,
  protocol.EvidenceRemoval,
  protocol.AlertEventKind,
  protocol.AlertEvent,
  protocol.AlertEventMark,
  protocol.AlertEventPage,
  protocol.ReceiverType,
  protocol.ReceiverStatus,
  protocol.ReceiverList,
  protocol.ReceiverTest,
  protocol.ModelCard,
  protocol.SystemStatus,
  protocol.Liveness,
  protocol.Readiness,
  protocol.Problem,
  protocol.ServerMessage,
  access.Role,
  access.AccessToken,
  access.AccessTokenList,
  access.AccessTokenInput,
  access.AccessTokenCreated,
  access.SignIn,
  access.Session,
  access.PublishAccess,
  access.AuditEntry,
  access.AuditPage,
];

export const OPENAPI: NonNullable<FastifyDynamicSwaggerOptions["openapi"]> = {
  openapi: "3.1.0",
  info: {
    title: "Truecast",
    version: "1",
    description: "Reads what Truecast sees: streams, verdicts, alerts, the model and the state of the daemon. Pulled streams can be added, changed and taken out, receivers of alerts tested and enabled, evidence can be held and deleted, access tokens made and revoked; nothing else can be changed. `x-required-role` of an operation is the least role that it asks for.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "/" }],
  security: [{ bearer: [] }, { session: [] }],
  tags: [
    { name: "streams", description: "Streams, their verdicts and pictures" },
    { name: "alerts", description: "Alerts and their history" },
    { name: "evidence", description: "What is kept of alerts: clips, face crops, score lines, signed" },
    { name: "receivers", description: "Who is told of alerts" },
    { name: "model", description: "The model in use" },
    { name: "live", description: "WebSocket" },
    { name: "access", description: "Tokens, sign-in and the audit record" },
    { name: "system", description: "State of the daemon, probes and metrics" },
  ],
  components: {
    securitySchemes: {
      bearer: { type: "http", scheme: "bearer", description: "An access token, or the token of the configuration. Not demanded when the server is bound to loopback and no token was ever made; see docs/access.md." },
      session: { type: "apiKey", in: "cookie", name: "truecast_session", description: "Given to a browser by `POST /api/v1/session` or `/?token=…`. Requests that change something need the header `x-csrf-token` beside it. Behind HTTPS its name begins with `__Host-`." },
    },
  },
};

/** The protocol's schemas nest each other in full; here each nested one becomes a reference to its component. */
export function sharedSchemas(): object[] {
  const ids = new Set(COMPONENTS.map(idOf));
  return COMPONENTS.map((schema) => {
    const referring = (value: unknown, isRoot: boolean): unknown => {
      if (Array.isArray(value)) return value.map((item) => referring(item, false));
      if (typeof value !== "object" || value === null) return value;
      const id = idOf(value);
      if (!isRoot && id !== undefined && ids.has(id)) return { $ref: `${id}#` };
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, referring(inner, false)]));
    };
    return referring(schema, true) as object;
  });
}

function idOf(schema: object): string | undefined {
  const id: unknown = Reflect.get(schema, "$id");
  return typeof id === "string" ? id : undefined;
}
