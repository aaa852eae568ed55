/** Every refusal as RFC 9457 problem details, with its code from the one table of errors. */
import { STATUS_CODES } from "node:http";
import type { FastifyReply } from "fastify";
import { ERROR_CODES, type ErrorCode, TruecastError } from "../../pipelines/errors.ts";
import type { Problem } from "../protocol.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";

/** Status of codes that a request can meet; any other is a defect and answered 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  "request-invalid": 400,
  unauthorized: 401,
  forbidden: 403,
  "role-insufficient": 403,
  "too-many-attempts": 429,
  "not-found": 404,
  "source-invalid": 400,
  "address-refused": 400,
  conflict: 409,
  "capacity-reached": 409,
  overload: 503,
  "store-failed": 503,
  "evidence-failed": 503,
  "inference-unavailable": 503,
};

export function problem(status: number, code: ErrorCode, detail: string): Problem {
  return { type: "about:blank", title: STATUS_CODES[status] ?? "Unknown", status, detail, code };
}

/** What the client is told of an error. Defects keep their message to the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof TruecastError) {
    const status = STATUS[error.code];
    return status === undefined ? problem(500, error.code, ERROR_CODES[error.code]) : problem(status, error.code, error.message);
  }
  const status = statusOf(error);
  if (status === 503) return problem(503, "overload", "The server did not answer in time.");
  if (status >= 400 && status < 500 && error instanceof Error) return problem(status, "request-invalid", error.message);
  return problem(500, "internal", ERROR_CODES.internal);
}

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  if (body.status === 401) void reply.header("www-authenticate", 'Bearer realm="truecast"');
  return reply.code(body.status).header("cache-control", "no-store").type(PROBLEM_TYPE).send(JSON.stringify(body));
}

/** The same for a socket without a response object: a refused upgrade or a request that could not be parsed. */
export function rawProblem(body: Problem, headers: Readonly<Record<string, string>> = {}): string {
  const text = JSON.stringify(body);
  const lines = [
    `HTTP/1.1 ${body.status} ${body.title}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    "Connection: close",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
  ];
  if (body.status === 401) lines.push('WWW-Authenticate: Bearer realm="truecast"');
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n${text}`;
}

/** What Ajv reports, as far as it is needed here. */
export interface RuleViolation {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  /** Present with Ajv's `verbose`. */
  readonly data?: unknown;
  readonly schema?: unknown;
  readonly parentSchema?: unknown;
}

/** One sentence that names parameter, value and rule. */
export function describeViolation(violations: readonly RuleViolation[], where: string): string {
  // A union reports each of its branches and then itself; the union is the rule.
  const violation = violations.find((candidate) => candidate.keyword === "anyOf") ?? violations[0];
  if (violation === undefined) return `${where} does not match its schema`;
  if (violation.keyword === "additionalProperties") {
    const name = String(violation.params["additionalProperty"]);
    return `${where} parameter ${quote(name)} is ${quote(property(violation.data, name))}: there is no such parameter; known are ${knownNames(violation.parentSchema)}`;
  }
  const name = violation.instancePath.slice(1);
  const choices = violation.keyword === "anyOf" ? constants(violation.schema) : [];
  const rule = choices.length > 0 ? `must be one of ${choices.join(", ")}` : (violation.message ?? "must match its schema");
  return `${where} parameter ${quote(name)} is ${quote(violation.data)}: ${rule}`;
}

function statusOf(error: unknown): number {
  const status = property(error, "statusCode");
  return typeof status === "number" ? status : 500;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function constants(schema: unknown): string[] {
  return Array.isArray(schema) ? schema.map((branch) => property(branch, "const")).filter((value) => typeof value === "string") : [];
}

function knownNames(schema: unknown): string {
  const properties = property(schema, "properties");
  return typeof properties === "object" && properties !== null ? Object.keys(properties).join(", ") : "none";
}

/** Values are quoted and cut: they come from the client. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 100 ? `${text.slice(0, 97)}…"` : text;
}
