/** The part of the HTTP API that is about who may do what: roles, tokens, sign-in and the audit record. Types for the dashboard as those of protocol.ts. */
import { type Static, type TSchema, Type } from "typebox";
import { STREAM_NAME_PATTERN } from "../config/schema.ts";

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Timestamp = (description: string) => Type.Integer({ minimum: 0, description: `${description} Milliseconds since the Unix epoch.` });

export const ROLES = ["viewer", "reviewer", "admin", "publisher"] as const;
export const Role = Type.Union(
  [
    Type.Literal("viewer", { description: "Reads." }),
    Type.Literal("reviewer", { description: "Reads, and judges alerts." }),
    Type.Literal("admin", { description: "Everything." }),
    Type.Literal("publisher", { description: "Reads where and with which key its streams are published, and nothing else: no verdict, no picture." }),
  ],
  { $id: "Role" },
);
export type Role = Static<typeof Role>;

/** Null: all streams, those to come included. */
const Scope = Nullable(Type.Array(Type.String({ pattern: STREAM_NAME_PATTERN }), { minItems: 1, maxItems: 256, uniqueItems: true, description: "Names of the only streams it is about; null is all, those to come included." }));

/** No control characters: names are shown in terminals too. */
const NAME_PATTERN = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]+$";

export const AccessToken = Type.Object(
  {
    id: Type.String({ description: "UUID; names the token everywhere, the secret nowhere." }),
    name: Type.String(),
    role: Role,
    streams: Scope,
    createdAt: Timestamp("When it was made."),
    createdBy: Type.String({ description: "Who made it." }),
    expiresAt: Nullable(Timestamp("When it ends; null is never.")),
    revokedAt: Nullable(Timestamp("When it was revoked.")),
    lastUsedAt: Nullable(Timestamp("When it was last used, to the hour.")),
    state: Type.Union([Type.Literal("active"), Type.Literal("expired"), Type.Literal("revoked")]),
  },
  { $id: "AccessToken" },
);
export type AccessToken = Static<typeof AccessToken>;

export const AccessTokenList = Type.Object({ tokens: Type.Array(AccessToken, { description: "Newest first." }) }, { $id: "AccessTokenList" });
export type AccessTokenList = Static<typeof AccessTokenList>;

/** Body of `POST /api/v1/tokens`. */
export const AccessTokenInput = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, pattern: NAME_PATTERN, description: "For people: who or what holds it." }),
    role: Role,
    streams: Type.Optional(Scope),
    expiresAt: Type.Optional(Nullable(Timestamp("When it ends; absent or null is never."))),
  },
  { $id: "AccessTokenInput", additionalProperties: false },
);
export type AccessTokenInput = Static<typeof AccessTokenInput>;

export const AccessTokenCreated = Type.Object({ token: AccessToken, secret: Type.String({ description: "The token itself. Told this once; only its hash is kept." }) }, { $id: "AccessTokenCreated" });
export type AccessTokenCreated = Static<typeof AccessTokenCreated>;

/** Body of `POST /api/v1/session`. No pattern: a violation is answered with the value, and this one is a secret. */
export const SignIn = Type.Object({ token: Type.String({ description: "An access token." }) }, { $id: "SignIn", additionalProperties: false });
export type SignIn = Static<typeof SignIn>;

export const Session = Type.Object(
  {
    actor: Type.String({ description: "Who the daemon takes the caller for, as in the audit record." }),
    name: Type.String({ description: "The same for people." }),
    role: Role,
    streams: Scope,
    by: Type.Union([
      Type.Literal("token", { description: "A bearer token with each request." }),
      Type.Literal("session", { description: "The dashboard's cookie." }),
      Type.Literal("loopback", { description: "Nothing: the port is open to this machine." }),
    ]),
    expiresAt: Nullable(Timestamp("When it ends at the latest.")),
    csrfToken: Nullable(Type.String({ description: "For the header `x-csrf-token` of requests that change something and carry the cookie." })),
  },
  { $id: "Session" },
);
export type Session = Static<typeof Session>;

/** Where publishers of one stream connect, and with which secret. */
export const PublishAccess = Type.Object(
  {
    stream: Type.String(),
    key: Type.String({ description: "The stream key." }),
    rtmpUrl: Type.String({ description: "Without the key, which follows after a slash." }),
    rtmpsUrl: Nullable(Type.String({ description: "The same over TLS; null: switched off." })),
    whipUrl: Nullable(Type.String({ description: "Whole; the key is the bearer token. Null: WHIP is switched off." })),
  },
  { $id: "PublishAccess" },
);
export type PublishAccess = Static<typeof PublishAccess>;

export const AuditEntry = Type.Object(
  {
    seq: Type.Integer({ minimum: 1 }),
    at: Timestamp("When it was done."),
    actor: Type.String({ description: "Who: `token:<id>`, `configured-token`, `loopback`, `command-line`, `unknown`." }),
    actorName: Type.String({ description: "The same for people, as it was then." }),
    address: Nullable(Type.String({ description: "From where; null on the command line." })),
    action: Type.String({ description: "What, for example `token.created`." }),
    object: Type.String({ description: "On what." }),
    detail: Type.Record(Type.String(), Type.Unknown(), { description: "Further facts; depends on the action." }),
  },
  { $id: "AuditEntry" },
);
export type AuditEntry = Static<typeof AuditEntry>;

/** Query of `GET /api/v1/audit`. */
export const AuditQuery = Type.Object(
  {
    action: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "Only this action." })),
    actor: Type.Optional(Type.String({ minLength: 1, maxLength: 300, description: "Only of this actor." })),
    object: Type.Optional(Type.String({ minLength: 1, maxLength: 300, description: "Only on this object." })),
    since: Type.Optional(Timestamp("Only what was done at or after this time.")),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: "Entries in one page." })),
    before: Type.Optional(Type.Integer({ minimum: 1, description: "`nextBefore` of the page before: only entries with smaller numbers." })),
  },
  { additionalProperties: false },
);
/** As handlers get it, with the default filled in. */
export type AuditQuery = Static<typeof AuditQuery> & { limit: number };

export const AuditPage = Type.Object(
  { entries: Type.Array(AuditEntry, { description: "Newest first." }), nextBefore: Nullable(Type.Integer({ description: "`before` of the next page; null on the last one." })) },
  { $id: "AuditPage" },
);
export type AuditPage = Static<typeof AuditPage>;
