/** Makes, lists and revokes access tokens, each change with its audit record; used by the daemon and, on the same store, by the command line. */
import { randomUUID } from "node:crypto";
import { TruecastError } from "../../pipelines/errors.ts";
import type { AccessToken, AccessTokenCreated, AccessTokenInput } from "../access-protocol.ts";
import type { KeptToken, TokenStore } from "./access-store.ts";
import { type Author, createAudit } from "./audit.ts";
import { makeToken, secretDigest } from "./token.ts";

export interface TokensOptions {
  readonly store: TokenStore;
  /** Wall clock: tokens end at a date. */
  readonly now?: () => number;
  /** Rows kept, ended ones included. */
  readonly maxTokens?: number;
}

export interface Tokens {
  list(): AccessToken[];
  /** @throws TruecastError request-invalid, capacity-reached, store-failed */
  create(input: AccessTokenInput, author: Author): AccessTokenCreated;
  /** False when there is no such token, or it is revoked already. @throws TruecastError store-failed */
  revoke(id: string, author: Author): boolean;
}

export function createTokens({ store, now = Date.now, maxTokens = 1_000 }: TokensOptions): Tokens {
  const audit = createAudit({ store, now });
  return {
    list() {
      const atMs = now();
      return store.tokens().map((token) => shown(token, atMs));
    },
    create({ name, role, streams = null, expiresAt = null }, author) {
      const atMs = now();
      if (role === "admin" && streams !== null) throw new TruecastError("request-invalid", 'streams are given but role is "admin": an admin is one of all streams');
      if (role === "publisher" && streams === null) throw new TruecastError("request-invalid", 'streams are missing but role is "publisher": name those it may publish');
      if (expiresAt !== null && expiresAt <= atMs) throw new TruecastError("request-invalid", `expiresAt is ${expiresAt} but must lie ahead (now is ${atMs})`);
      const secret = makeToken();
      const token: KeptToken = { id: randomUUID(), name, role, streams, createdAt: atMs, createdBy: author.actor, expiresAt, revokedAt: null, lastUsedAt: null };
      store.atomically(() => {
        // One always stays, so that it is known for good that tokens were made.
        if (store.tokens().length >= maxTokens && store.removeEndedTokens(atMs, 1) === 0) {
          throw new TruecastError("capacity-reached", `there are ${maxTokens} tokens that have not ended: revoke one first`);
        }
        store.addToken(token, secretDigest(secret));
        audit.append(author, { action: "token.created", object: `token:${token.id}`, detail: { name, role, streams, expiresAt } });
      });
      return { token: shown(token, atMs), secret };
    },
    revoke: (id, author) =>
      store.atomically(() => {
        const token = store.tokenById(id);
        if (token === null || !store.revokeToken(id, now())) return false;
        audit.append(author, { action: "token.revoked", object: `token:${id}`, detail: { name: token.name, role: token.role } });
        return true;
      }),
  };
}

export function isActive({ expiresAt, revokedAt }: Pick<KeptToken, "expiresAt" | "revokedAt">, nowMs: number): boolean {
  return revokedAt === null && (expiresAt === null || nowMs < expiresAt);
}

function shown(token: KeptToken, nowMs: number): AccessToken {
  const state = token.revokedAt !== null ? "revoked" : isActive(token, nowMs) ? "active" : "expired";
  return { ...token, streams: token.streams === null ? null : [...token.streams], state };
}
