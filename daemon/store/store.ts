/** The durable store of alerts, their events and deliveries, added sources, access and its audit record: one SQLite file, every commit on disk before it returns. */
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import type { Alert, AlertEvent, AlertPage, AlertQuery } from "../protocol.ts";
import { type AccessTable, createAccessTable } from "./access-table.ts";
import { ALERT_COLUMNS, alertOf, cursorOf, numberOrNull, parseCursor, rowOf, valueOf } from "./alert-row.ts";
import { type AuditTable, createAuditTable } from "./audit-table.ts";
import { createDeliveryTable, type DeliveryTable } from "./delivery-table.ts";
import { createEventTable, type EventTable, type NewEvent } from "./event-table.ts";
import { createErasure, type Erasure } from "./erasure.ts";
import { migrate } from "./schema.ts";
import { createSourceTable, type SourceTable } from "./source-table.ts";
import { inTransaction } from "./transaction.ts";

export interface StoreOptions {
  /** File, created with its folder when missing; ":memory:" for tests. */
  readonly path: string;
  readonly log: Logger;
  /** How long a commit waits for another process's lock; it blocks the daemon's thread. */
  readonly busyTimeoutMs?: number;
  /** Past this size commits fail as on a full disk. */
  readonly maxSizeBytes?: number;
}

export interface StoredTransition {
  readonly kind: string;
  readonly alert: Alert;
  readonly atMs: number;
  /** What people are told with it, if anything. */
  readonly event?: NewEvent | null;
}

export interface TransitionRecord {
  readonly kind: string;
  readonly atMs: number;
  /** Of a face; of a blind spot what its rule measured. */
  readonly score: number;
  readonly resolution: Alert["resolution"];
}

export interface PruneLimits {
  /** Resolved alerts that ended before this go, with their transitions and events. */
  readonly resolvedBeforeMs: number;
  /** So do those that never fired and ended before this. */
  readonly unfiredBeforeMs: number;
  /** Alerts that stay all the same. */
  readonly keep?: readonly string[];
  /** Alerts removed in one call, so that no commit blocks for long. */
  readonly batch: number;
}

/** Synchronous, as SQLite is; everything throws TruecastError store-failed when the file cannot be read or written. */
export interface Store extends AsyncDisposable, SourceTable, EventTable, DeliveryTable, AccessTable, AuditTable, Erasure {
  /** All that `work` writes, or none of it. @throws what `work` throws */
  atomically<T>(work: () => T): T;
  /**
   * Writes alerts as they are after these transitions, and appends the transitions and their events: all of them or none.
   * @returns the events with their numbers
   * @throws TruecastError store-failed; internal when a row breaks the schema's own rules, which trying again does not mend
   */
  commit(transitions: readonly StoredTransition[]): readonly AlertEvent[];
  alert(id: string): Alert | null;
  /**
   * Newest first. Alerts that never fired are left out once they ended; `alert` still finds them.
   * @param streams the only ones asked about; null or absent is all
   * @throws TruecastError request-invalid for a cursor that no page gave
   */
  alerts(query: AlertQuery, streams?: readonly string[] | null): AlertPage;
  openAlerts(): readonly Alert[];
  /** Oldest first. */
  transitions(id: string): readonly TransitionRecord[];
  /** @returns how many alerts were removed. */
  prune(limits: PruneLimits): number;
  close(): Promise<void>;
}

const FIRED_OR_OPEN = "(state <> 'resolved' OR firing_at IS NOT NULL)";

/** @throws TruecastError store-failed: not writable, damaged, not a database, or from a newer Truecast */
export function openStore(options: StoreOptions): Store {
  const { path, log } = options;
  const database = attempt(`cannot open ${path}`, () => openDatabase(options));
  let closed = false;

  const prepare = (sql: string): StatementSync => database.prepare(sql);
  const upsert = prepare(
    `INSERT INTO alerts (${ALERT_COLUMNS.join(", ")}) VALUES (${ALERT_COLUMNS.map((name) => `:${name}`).join(", ")})
     ON CONFLICT (id) DO UPDATE SET ${ALERT_COLUMNS.map((name) => `${name} = excluded.${name}`).join(", ")}`,
  );
  const append = prepare("INSERT INTO alert_transitions (alert_id, kind, at, score, resolution) VALUES (?, ?, ?, ?, ?)");
  const byId = prepare("SELECT * FROM alerts WHERE id = ?");
  const open = prepare("SELECT * FROM alerts WHERE state <> 'resolved' ORDER BY pending_at DESC, id DESC");
  const history = prepare("SELECT kind, at, score, resolution FROM alert_transitions WHERE alert_id = ? ORDER BY seq");
  // Two statements, for with OR in one SQLite uses neither index.
  const oldOnes = "SELECT id FROM alerts WHERE state = 'resolved' AND resolved_at < :before AND id NOT IN (SELECT value FROM json_each(:keep)) ORDER BY resolved_at LIMIT :batch";
  const old = prepare(oldOnes);
  const oldUnfired = prepare(oldOnes.replace("AND", "AND firing_at IS NULL AND"));
  const remove = prepare("DELETE FROM alerts WHERE id = ?");
  const pages = new Map<string, StatementSync>();

  const read = <T>(work: () => T): T => attempt(`cannot read ${path}`, work);
  const write = <T>(work: () => T): T => attempt(`cannot write ${path}`, () => inTransaction(database, work));

  const { table: eventTable, writer: eventWriter } = createEventTable(database, { read, write });

  const store: Store = {
    ...createSourceTable(database, { read, write }),
    ...createAccessTable(database, { read, write }),
    ...createAuditTable(database, { read, write }),
    ...createErasure(database, { read, write }),
    atomically: write,
    ...eventTable,
    ...createDeliveryTable(database, { read, write }),
    commit(transitions) {
      const events = write(() =>
        transitions.flatMap(({ alert, kind, atMs, event }) => {
          upsert.run(rowOf(alert));
          append.run(alert.id, kind, atMs, valueOf(alert), alert.resolution);
          return event ? [eventWriter.append(event, { alert, atMs })] : [];
        }),
      );
      eventWriter.committed(events);
      return events;
    },
    alert: (id) =>
      read(() => {
        const row = byId.get(id);
        return row === undefined ? null : alertOf(row);
      }),
    alerts(query, streams = null) {
      const { where, values } = filterOf(query, streams);
      return read(() => {
        const sql = `SELECT * FROM alerts WHERE ${where} ORDER BY pending_at DESC, id DESC LIMIT :limit`;
        const statement = pages.get(sql) ?? prepare(sql);
        // Bounded: there are 96 combinations of filters.
        pages.set(sql, statement);
        const found = statement.all({ ...values, limit: query.limit + 1 }).map(alertOf);
        const alerts = found.slice(0, query.limit);
        const last = alerts.at(-1);
        return { alerts, nextCursor: found.length > alerts.length && last !== undefined ? cursorOf(last) : null };
      });
    },
    openAlerts: () => read(() => open.all().map(alertOf)),
    transitions: (id) =>
      read(() =>
        history.all(id).map((row) => ({
          kind: String(row["kind"]),
          atMs: numberOrNull(row["at"]) ?? 0,
          score: Number(row["score"]),
          resolution: row["resolution"] as Alert["resolution"],
        })),
      ),
    prune: ({ resolvedBeforeMs, unfiredBeforeMs, keep = [], batch }) =>
      write(() => {
        const idsOf = (statement: StatementSync, before: number, limit: number): string[] => statement.all({ before, keep: JSON.stringify(keep), batch: limit }).map((row) => String(row["id"]));
        const ids = new Set(idsOf(old, resolvedBeforeMs, batch));
        for (const id of idsOf(oldUnfired, unfiredBeforeMs, batch)) if (ids.size < batch) ids.add(id);
        eventWriter.forget([...ids]);
        for (const id of ids) remove.run(id);
        return ids.size;
      }),
    async close() {
      if (closed) return;
      closed = true;
      try {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      } catch (error) {
        // Nothing is lost: the next open replays the write-ahead log.
        log.warn({ err: error }, "the store's write-ahead log could not be folded in");
      }
      database.close();
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
  return store;
}

function openDatabase({ path, log, busyTimeoutMs = 250, maxSizeBytes = 1024 ** 3 }: StoreOptions): DatabaseSync {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON");
    const check = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (check !== "ok") throw new TruecastError("store-failed", `${path} is damaged (${String(check)}). Move it away to start with an empty store, or bring back a copy.`);
    const { from, to } = migrate(database, path);
    // After the migration, which must not fail for want of room.
    const pageSize = Number(database.prepare("PRAGMA page_size").get()?.["page_size"]);
    database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSizeBytes / pageSize))}`);
    // Its folder may be older than Truecast and open to others; the write-ahead log takes its mode from the file.
    if (path !== ":memory:") chmodSync(path, 0o600);
    log.info({ path, schemaVersion: to, migratedFrom: from === to ? null : from }, "alert store open");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite's primary result code for a broken constraint; extended codes keep it in their low byte. */
const SQLITE_CONSTRAINT = 19;

function attempt<T>(failure: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TruecastError) throw error;
    const result = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : null;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TruecastError(result === SQLITE_CONSTRAINT ? "internal" : "store-failed", `${failure}: ${reason}`, { cause: error });
  }
}

function filterOf({ stream, state, rule, since, cursor }: AlertQuery, streams: readonly string[] | null): { readonly where: string; readonly values: Record<string, SQLInputValue> } {
  // Said in the index's own words, or SQLite would walk all resolved alerts to find the few open ones.
  const conditions = [state === "pending" || state === "firing" ? "state <> 'resolved'" : FIRED_OR_OPEN];
  const values: Record<string, SQLInputValue> = {};
  if (streams !== null) {
    conditions.push("stream IN (SELECT value FROM json_each(:streams))");
    values["streams"] = JSON.stringify(streams);
  }
  if (stream !== undefined) {
    conditions.push("stream = :stream");
    values["stream"] = stream;
  }
  if (state !== undefined) {
    conditions.push("state = :state");
    values["state"] = state;
  }
  if (rule !== undefined) {
    conditions.push("rule = :rule");
    values["rule"] = rule;
  }
  if (since !== undefined) {
    conditions.push("pending_at >= :since");
    values["since"] = since;
  }
  if (cursor !== undefined) {
    const { pendingAt, id } = parseCursor(cursor);
    conditions.push("(pending_at, id) < (:cursorAt, :cursorId)");
    values["cursorAt"] = pendingAt;
    values["cursorId"] = id;
  }
  return { where: conditions.join(" AND "), values };
}
