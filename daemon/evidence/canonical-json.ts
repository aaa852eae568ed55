/**
 * JSON in the one form of RFC 8785 (JSON Canonicalization Scheme), so that a signature is over the value and not over its layout. Pure.
 * The RFC defines numbers and strings by ECMAScript's own serialisation, so what is left to do here is the order of keys.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** @throws RangeError for what JSON cannot hold: numbers that are not finite, lone surrogates (RFC 8785, 3.2.2) */
export function canonicalJson(value: Json): string {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`${value} has no form in JSON`);
  if (typeof value === "string" && !value.isWellFormed()) throw new RangeError("a lone surrogate has no form in UTF-8");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(",")}]`;
  // The default order compares UTF-16 code units, which is the order that the RFC asks for (3.2.3).
  const members = Object.keys(value).toSorted().map((key) => `${canonicalJson(key)}:${canonicalJson(value[key] ?? null)}`);
  return `{${members.join(",")}}`;
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
