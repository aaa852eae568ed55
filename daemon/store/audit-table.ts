/** The record of who did what: rows are added, and the file itself refuses to change or remove one. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { AuditEntry, AuditPage, AuditQuery } from "../access-protocol.ts";

export type NewAuditEntry = Omit<AuditEntry, "seq">;

export interface AuditTable {
  /** Joins the transaction under way, so that what is recorded and its record are written together or not at all. */
  appendAudit(entry: NewAuditEntry): void;
  auditPage(query: AuditQuery): AuditPage;
}

interface Access {
  readonly read: <T>(work: () => T) => T;
  readonly write: <T>(work: () => T) => T;
}

export function createAuditTable(database: DatabaseSync, { read, write }: Access): AuditTable {
  const append = database.prepare("INSERT INTO audit (at, actor, actor_name, address, action, object, detail) VALUES (?, ?, ?, ?, ?, ?, ?)");
  const page = database.prepare(
    `SELECT * FROM audit WHERE (:before IS NULL OR seq < :before) AND (:action IS NULL OR action = :action) AND (:actor IS NULL OR actor = :actor)
     AND (:object IS NULL OR object = :object) AND (:since IS NULL OR at >= :since) ORDER BY seq DESC LIMIT :limit`,
  );
  return {
    appendAudit({ at, actor, actorName, address, action, object, detail }) {
      write(() => append.run(at, actor, actorName, address, action, object, JSON.stringify(detail)));
    },
    auditPage({ before = null, action = null, actor = null, object = null, since = null, limit }) {
      const values: Record<string, SQLInputValue> = { before, action, actor, object, since, limit: limit + 1 };
      return read(() => {
        const found = page.all(values).map((row) => ({
          seq: Number(row["seq"]),
          at: Number(row["at"]),
          actor: String(row["actor"]),
          actorName: String(row["actor_name"]),
          address: row["address"] === null ? null : String(row["address"]),
          action: String(row["action"]),
          object: String(row["object"]),
          detail: JSON.parse(String(row["detail"])) as Record<string, unknown>,
        }));
        const entries = found.slice(0, limit);
        return { entries, nextBefore: found.length > limit ? (entries.at(-1)?.seq ?? null) : null };
      });
    },
  };
}
