/** The record of who did what: rows are added, and the file itself refuses to change or remove one. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
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

const CONDITIONS: Readonly<Record<string, string>> = { before: "seq < :before", action: "action = :action", actor: "actor = :actor", object: "object = :object", since: "at >= :since" };

export function createAuditTable(database: DatabaseSync, { read, write }: Access): AuditTable {
  const append = database.prepare("INSERT INTO audit (at, actor, actor_name, address, action, object, detail) VALUES (?, ?, ?, ?, ?, ?, ?)");
  const pages = new Map<string, StatementSync>();
  /** Only the conditions that were asked for: with an alternative to each, SQLite uses no index and reads a record of years through. */
  const pageOf = (values: Readonly<Record<string, SQLInputValue>>): StatementSync => {
    const where = Object.keys(values).flatMap((name) => CONDITIONS[name] ?? []).join(" AND ");
    const sql = `SELECT * FROM audit ${where === "" ? "" : `WHERE ${where} `}ORDER BY seq DESC LIMIT :limit`;
    const statement = pages.get(sql) ?? database.prepare(sql);
    // Bounded: there are 32 combinations.
    pages.set(sql, statement);
    return statement;
  };
  return {
    appendAudit({ at, actor, actorName, address, action, object, detail }) {
      write(() => append.run(at, actor, actorName, address, action, object, JSON.stringify(detail)));
    },
    auditPage({ limit, ...filters }) {
      const values: Record<string, SQLInputValue> = { ...filters, limit: limit + 1 };
      return read(() => {
        const found = pageOf(values).all(values).map((row) => ({
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
