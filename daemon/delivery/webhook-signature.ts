/** Signatures of the Standard Webhooks specification (standardwebhooks.com): HMAC-SHA256 over id, time and body. */
import { createHmac } from "node:crypto";

const PREFIX = "whsec_";

/**
 * The key in a secret, or what is wrong with it.
 * The specification: base64 of 24 to 64 random bytes, with the prefix `whsec_`.
 */
export function keyOf(secret: string): Buffer | string {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : null;
  if (text === null) return `must begin with ${PREFIX}`;
  const key = Buffer.from(text, "base64");
  if (key.toString("base64").replace(/=+$/, "") !== text.replace(/=+$/, "")) return `must be base64 after ${PREFIX}`;
  return key.length >= 24 && key.length <= 64 ? key : `must hold 24 to 64 bytes, not ${key.length}`;
}

export interface SignedMessage {
  readonly id: string;
  /** Of this try. */
  readonly atMs: number;
  readonly body: string;
}

/** @param keys the newest first; with several of them a receiver that knows any one accepts the message, while keys are changed */
export function signatureHeaders({ id, atMs, body }: SignedMessage, keys: readonly Buffer[]): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1_000));
  const signatures = keys.map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}
