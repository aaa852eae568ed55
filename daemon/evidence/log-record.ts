/** One line of the evidence log: a record in canonical JSON, chained to the line before it by SHA-256 and signed. Pure. */
import type { KeyObject } from "node:crypto";
import { type Static, Type } from "typebox";
import { Value } from "typebox/value";
import { canonicalJson } from "./canonical-json.ts";
import { sha256Of } from "./durable-files.ts";
import { isSignedBy, type SigningKey } from "./signing-key.ts";

/** Kinds of evidence with a time of retention each. */
export const EVIDENCE_KINDS = ["clip", "crops", "verdict"] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];
export const REMOVAL_CAUSES = ["retention", "quota", "request"] as const;
export type RemovalCause = (typeof REMOVAL_CAUSES)[number];

/** A union of literals, from a table. */
export const oneOf = <T extends string>(values: readonly T[], options: { readonly description?: string } = {}) => Type.Unsafe<T>(Type.Union(values.map((value) => Type.Literal(value)), options));

const Hash = Type.String({ pattern: "^[0-9a-f]{64}$" });
const Incident = Type.String({ pattern: "^[0-9a-f-]{36}$" });
/** Ties a record to its place; `previous` is the SHA-256 of the line before, null for the first. */
const place = { seq: Type.Integer({ minimum: 0 }), previous: Type.Union([Hash, Type.Null()]), at: Type.Integer({ minimum: 0 }), key: Hash };

/**
 * Nothing in a record is about a person or a stream, so that it may stay for ever: an incident's record outlives what was
 * recorded of it, and the chain holds across every deletion.
 */
export const LogRecord = Type.Union([
  /** A start of the log, or its going on after a start found it cut: then `lost` says how many records the head knew beyond its end. */
  Type.Object({ kind: Type.Literal("begin"), ...place, version: Type.String(), publicKey: Type.String(), lost: Type.Integer({ minimum: 0 }) }, { additionalProperties: false }),
  Type.Object({ kind: Type.Literal("incident"), ...place, incident: Incident, manifestSha256: Hash }, { additionalProperties: false }),
  /** `files`: names in the incident's folder; null is all of it. */
  Type.Object(
    { kind: Type.Literal("removal"), ...place, incident: Incident, files: Type.Union([Type.Array(Type.String()), Type.Null()]), cause: oneOf(REMOVAL_CAUSES) },
    { additionalProperties: false },
  ),
  Type.Object({ kind: Type.Literal("hold"), ...place, incident: Incident, held: Type.Boolean() }, { additionalProperties: false }),
]);
export type LogRecord = Static<typeof LogRecord>;

type WithoutPlace<T> = T extends unknown ? Omit<T, "seq" | "previous" | "at" | "key"> : never;
/** What a record says, before it has its place. */
export type LogEntry = WithoutPlace<LogRecord>;

export interface LogLine {
  readonly record: LogRecord;
  readonly signature: Buffer;
  /** Without the line feed. */
  readonly text: string;
  readonly sha256: string;
}

export function signedLine(record: LogRecord, key: SigningKey): LogLine {
  const signature = key.sign(canonicalJson(record));
  const text = canonicalJson({ record, signature: signature.toString("base64") });
  return { record, signature, text, sha256: sha256Of(text) };
}

/** Null for what is no record in the one form that a record has. */
export function parseLine(text: string): LogLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || !("record" in value) || !("signature" in value)) return null;
  const { record, signature } = value;
  if (!Value.Check(LogRecord, record) || typeof signature !== "string") return null;
  if (canonicalJson({ record, signature }) !== text) return null;
  return { record, signature: Buffer.from(signature, "base64"), text, sha256: sha256Of(text) };
}

export function isSigned({ record, signature }: LogLine, publicKey: KeyObject): boolean {
  return isSignedBy(canonicalJson(record), signature, publicKey);
}
