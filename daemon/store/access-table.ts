/** Access tokens and dashboard sessions. Their secrets are not here, only digests of them; rows of tokens stay when a token has ended. */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { Role } from "../access-protocol.ts";
import { numberOrNull } from "./alert-row.ts";

export interface StoredToken {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Null: all. */
  readonly streams: readonly string[] | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
}

export interface StoredSession {
  /** Null: not begun with a token of this table. */
  readonly tokenId: string | null;
  readonly actor: string;
  readonly name: string;
  readonly role: Role;
  readonly streams: readonly string[] | null;
  readonly createdAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

export interface AccessTable {
  /** Whether a token was ever made. */
  hasTokens(): boolean;
  /** Newest first. */
  tokens(): readonly StoredToken[];
  tokenByDigest(digest: Buffer): StoredToken | null;
  tokenById(id: string): StoredToken | null;
  addToken(token: StoredToken, digest: Buffer): void;
  /** False when there is none that could be revoked. */
  revokeToken(id: string, atMs: number): boolean;
  tokenUsed(id: string, atMs: number): void;
  /** Takes out the oldest tokens that have ended. @returns how many */
  removeEndedTokens(nowMs: number, batch: number): number;
  /** Beyond as many in all or of its actor, the least recently used ones go. */
  addSession(session: StoredSession, digest: Buffer, most: { readonly all: number; readonly ofActor: number }): void;
  sessionByDigest(digest: Buffer): StoredSession | null;
  sessionSeen(digest: Buffer, atMs: number): void;
  /** False when there was none. */
  removeSession(digest: Buffer): boolean;
  /** @returns how many */
  removeEndedSessions(limits: { readonly seenBeforeMs: number; readonly nowMs: number }): number;
}

interface Access {
  readonly read: <T>(work: () => T) => T;
  readonly write: <T>(work: () => T) => T;
}

type Row = Record<string, SQLOutputValue>;

export function createAccessTable(database: DatabaseSync, { read, write }: Access): AccessTable {
  const any = database.prepare("SELECT 1 FROM access_tokens LIMIT 1");
  const all = database.prepare("SELECT * FROM access_tokens ORDER BY created_at DESC, id");
  const byDigest = database.prepare("SELECT * FROM access_tokens WHERE digest = ?");
  const byId = database.prepare("SELECT * FROM access_tokens WHERE id = ?");
  const add = database.prepare("INSERT INTO access_tokens (id, digest, name, role, streams, created_at, created_by, expires_at, revoked_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const revoke = database.prepare("UPDATE access_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL");
  const used = database.prepare("UPDATE access_tokens SET last_used_at = ? WHERE id = ?");
  const removeEnded = database.prepare(
    "DELETE FROM access_tokens WHERE id IN (SELECT id FROM access_tokens WHERE revoked_at IS NOT NULL OR expires_at <= :now ORDER BY coalesce(revoked_at, expires_at) LIMIT :batch)",
  );
  const addSession = database.prepare("INSERT INTO access_sessions (digest, token_id, actor, name, role, streams, created_at, seen_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const dropLeastUsed = database.prepare("DELETE FROM access_sessions WHERE digest IN (SELECT digest FROM access_sessions ORDER BY seen_at DESC LIMIT -1 OFFSET ?)");
  const dropLeastUsedOf = database.prepare("DELETE FROM access_sessions WHERE digest IN (SELECT digest FROM access_sessions WHERE actor = ? ORDER BY seen_at DESC LIMIT -1 OFFSET ?)");
  const session = database.prepare("SELECT * FROM access_sessions WHERE digest = ?");
  const seen = database.prepare("UPDATE access_sessions SET seen_at = ? WHERE digest = ?");
  const removeSession = database.prepare("DELETE FROM access_sessions WHERE digest = ?");
  const removeEndedSessions = database.prepare("DELETE FROM access_sessions WHERE seen_at < ? OR expires_at <= ?");

  return {
    hasTokens: () => read(() => any.get() !== undefined),
    tokens: () => read(() => all.all().map(tokenOf)),
    tokenByDigest: (digest) => read(() => orNull(byDigest.get(digest), tokenOf)),
    tokenById: (id) => read(() => orNull(byId.get(id), tokenOf)),
    addToken(token, digest) {
      write(() => add.run(token.id, digest, token.name, token.role, listText(token.streams), token.createdAt, token.createdBy, token.expiresAt, token.revokedAt, token.lastUsedAt));
    },
    revokeToken: (id, atMs) => write(() => revoke.run(atMs, id).changes > 0),
    tokenUsed(id, atMs) {
      write(() => used.run(atMs, id));
    },
    removeEndedTokens: (nowMs, batch) => write(() => Number(removeEnded.run({ now: nowMs, batch }).changes)),
    addSession(added, digest, most) {
      write(() => {
        dropLeastUsedOf.run(added.actor, most.ofActor - 1);
        dropLeastUsed.run(most.all - 1);
        addSession.run(digest, added.tokenId, added.actor, added.name, added.role, listText(added.streams), added.createdAt, added.seenAt, added.expiresAt);
      });
    },
    sessionByDigest: (digest) => read(() => orNull(session.get(digest), sessionOf)),
    sessionSeen(digest, atMs) {
      write(() => seen.run(atMs, digest));
    },
    removeSession: (digest) => write(() => removeSession.run(digest).changes > 0),
    removeEndedSessions: ({ seenBeforeMs, nowMs }) => write(() => Number(removeEndedSessions.run(seenBeforeMs, nowMs).changes)),
  };
}

/** The casts hold because the tables are STRICT and checked, and only Truecast writes them. */
function tokenOf(row: Row): StoredToken {
  return {
    id: String(row["id"]),
    name: String(row["name"]),
    role: row["role"] as Role,
    streams: listOf(row["streams"]),
    createdAt: Number(row["created_at"]),
    createdBy: String(row["created_by"]),
    expiresAt: numberOrNull(row["expires_at"]),
    revokedAt: numberOrNull(row["revoked_at"]),
    lastUsedAt: numberOrNull(row["last_used_at"]),
  };
}

function sessionOf(row: Row): StoredSession {
  return {
    tokenId: row["token_id"] === null ? null : String(row["token_id"]),
    actor: String(row["actor"]),
    name: String(row["name"]),
    role: row["role"] as Role,
    streams: listOf(row["streams"]),
    createdAt: Number(row["created_at"]),
    seenAt: Number(row["seen_at"]),
    expiresAt: Number(row["expires_at"]),
  };
}

function orNull<T>(row: Row | undefined, map: (row: Row) => T): T | null {
  return row === undefined ? null : map(row);
}

function listText(list: readonly string[] | null): string | null {
  return list === null ? null : JSON.stringify(list);
}

function listOf(value: SQLOutputValue | undefined): readonly string[] | null {
  return typeof value === "string" ? (JSON.parse(value) as string[]) : null;
}
