/** What access asks of the store: plain functions given by the composition root or the command line. */
import type { AuditEntry, Role } from "../access-protocol.ts";

export interface KeptToken {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly streams: readonly string[] | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

export interface KeptSession {
  readonly tokenId: string | null;
  readonly actor: string;
  readonly name: string;
  readonly role: Role;
  readonly streams: readonly string[] | null;
  readonly createdAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

export interface TokenStore {
  hasTokens(): boolean;
  tokens(): readonly KeptToken[];
  tokenByDigest(digest: Buffer): KeptToken | null;
  tokenById(id: string): KeptToken | null;
  addToken(token: KeptToken, digest: Buffer): void;
  revokeToken(id: string, atMs: number): boolean;
  tokenUsed(id: string, atMs: number): void;
  removeEndedTokens(nowMs: number, batch: number): number;
  appendAudit(entry: Omit<AuditEntry, "seq">): void;
  atomically<T>(work: () => T): T;
}

export interface AccessStore extends TokenStore {
  /** Beyond as many in all or of its actor, the least recently used ones go. */
  addSession(session: KeptSession, digest: Buffer, most: { readonly all: number; readonly ofActor: number }): void;
  sessionByDigest(digest: Buffer): KeptSession | null;
  sessionSeen(digest: Buffer, atMs: number): void;
  removeSession(digest: Buffer): boolean;
  removeEndedSessions(limits: { readonly seenBeforeMs: number; readonly nowMs: number }): number;
}
