/** How far each receiver has come in the outbox, and the events that wait to be tried again. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { AlertEvent, AlertEventKind, AlertRule } from "../protocol.ts";
import { numberOrNull } from "./alert-row.ts";
import { eventOf } from "./event-table.ts";

export interface ReceiverProgress {
  readonly name: string;
  /** Digest of the configuration that it was enabled with. */
  readonly config: string;
  /** Events up to this number are settled, or parked. */
  readonly cursor: number;
  /** Why nothing is sent until somebody enables it again; null while it is. */
  readonly disabled: string | null;
  /** Since when no delivery succeeded though some were tried; null after a success. */
  readonly failingSinceMs: number | null;
  readonly lastSuccessAtMs: number | null;
  readonly lastFailure: { readonly atMs: number; readonly message: string } | null;
}

/** An event past which the cursor may go, because this row remembers it. */
export interface ParkedDelivery {
  readonly event: AlertEvent;
  /** 0: not tried yet, it waits for an earlier event of its alert. */
  readonly attempts: number;
  readonly firstAttemptAtMs: number | null;
  readonly nextAttemptAtMs: number;
}

/** Null: all of them. */
export interface EventFilter {
  readonly streams: readonly string[] | null;
  readonly rules: readonly AlertRule[] | null;
  readonly kinds: readonly AlertEventKind[] | null;
}

export interface Backlog {
  /** Counted up to `MAX_COUNTED_BACKLOG`. */
  readonly events: number;
  readonly oldestAtMs: number | null;
}

export interface DeliveryTable {
  receivers(): readonly ReceiverProgress[];
  /** Removes all other receivers with what is parked for them. */
  keepReceivers(names: readonly string[]): void;
  /** In one transaction: the receiver as it is now, what is parked and what no longer is. */
  saveProgress(progress: ReceiverProgress, changes?: { readonly park?: readonly ParkedDelivery[]; readonly unpark?: Iterable<number> }): void;
  /** Parked events that are due and wait for no earlier one of their alert; the longest due first. */
  dueDeliveries(receiver: string, query: { readonly atMs: number; readonly limit: number }): readonly ParkedDelivery[];
  /** When the next of them is due; null with none. */
  nextDeliveryAt(receiver: string): number | null;
  /** Numbers of the parked events, each with its alert. */
  parkedEvents(receiver: string): ReadonlyMap<number, string>;
  /** Makes every parked event due. */
  hastenDeliveries(receiver: string, atMs: number): void;
  backlog(receiver: string, cursor: number, filter: EventFilter): Backlog;
}

export const MAX_COUNTED_BACKLOG = 100_000;

interface Access {
  readonly read: <T>(work: () => T) => T;
  readonly write: <T>(work: () => T) => T;
}

const FIRST_OF_ITS_ALERT = "NOT EXISTS (SELECT 1 FROM delivery AS earlier WHERE earlier.receiver = d.receiver AND earlier.alert_id = d.alert_id AND earlier.seq < d.seq)";
const MATCHES = ["stream", "rule", "kind"]
  .map((name) => `(:${name} IS NULL OR ${name === "rule" ? "json_extract(payload, '$.rule')" : name} IN (SELECT value FROM json_each(:${name})))`)
  .join(" AND ");

export function createDeliveryTable(database: DatabaseSync, { read, write }: Access): DeliveryTable {
  const all = database.prepare("SELECT * FROM receiver");
  const drop = database.prepare("DELETE FROM receiver WHERE name NOT IN (SELECT value FROM json_each(?))");
  const save = database.prepare(
    `INSERT INTO receiver (name, config, cursor, disabled, failing_since, last_success_at, last_failure_at, last_failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET config = excluded.config, cursor = excluded.cursor, disabled = excluded.disabled, failing_since = excluded.failing_since,
       last_success_at = excluded.last_success_at, last_failure_at = excluded.last_failure_at, last_failure = excluded.last_failure`,
  );
  // An event that was deleted meanwhile, with its alert, has nothing left to deliver.
  const park = database.prepare(
    "INSERT OR REPLACE INTO delivery (receiver, seq, alert_id, attempts, first_attempt_at, next_attempt_at) SELECT ?, seq, alert_id, ?, ?, ? FROM event WHERE seq = ?",
  );
  const unpark = database.prepare("DELETE FROM delivery WHERE receiver = ? AND seq = ?");
  const due = database.prepare(
    `SELECT event.seq, id, kind, at, payload, attempts, first_attempt_at, next_attempt_at FROM delivery AS d JOIN event ON event.seq = d.seq
     WHERE receiver = ? AND next_attempt_at <= ? AND ${FIRST_OF_ITS_ALERT} ORDER BY next_attempt_at, d.seq LIMIT ?`,
  );
  const next = database.prepare(`SELECT min(next_attempt_at) AS at FROM delivery AS d WHERE receiver = ? AND ${FIRST_OF_ITS_ALERT}`);
  const parked = database.prepare("SELECT seq, alert_id FROM delivery WHERE receiver = ?");
  const hasten = database.prepare("UPDATE delivery SET next_attempt_at = :at WHERE receiver = :receiver AND next_attempt_at > :at");
  const countParked = database.prepare("SELECT count(*) AS events, min(at) AS oldest FROM delivery AS d JOIN event ON event.seq = d.seq WHERE receiver = ?");
  const countAhead = database.prepare(
    `SELECT count(*) AS events, min(at) AS oldest FROM (SELECT at FROM event WHERE seq > :cursor AND ${MATCHES} ORDER BY seq LIMIT ${MAX_COUNTED_BACKLOG})`,
  );

  return {
    receivers: () =>
      read(() =>
        all.all().map((row) => {
          const failedAt = numberOrNull(row["last_failure_at"]);
          return {
            name: String(row["name"]),
            config: String(row["config"]),
            cursor: Number(row["cursor"]),
            disabled: row["disabled"] === null ? null : String(row["disabled"]),
            failingSinceMs: numberOrNull(row["failing_since"]),
            lastSuccessAtMs: numberOrNull(row["last_success_at"]),
            lastFailure: failedAt === null ? null : { atMs: failedAt, message: String(row["last_failure"]) },
          };
        }),
      ),
    keepReceivers(names) {
      write(() => drop.run(JSON.stringify(names)));
    },
    saveProgress({ name, config, cursor, disabled, failingSinceMs, lastSuccessAtMs, lastFailure }, changes = {}) {
      write(() => {
        save.run(name, config, cursor, disabled, failingSinceMs, lastSuccessAtMs, lastFailure?.atMs ?? null, lastFailure?.message ?? null);
        for (const { event, attempts, firstAttemptAtMs, nextAttemptAtMs } of changes.park ?? []) park.run(name, attempts, firstAttemptAtMs, nextAttemptAtMs, event.seq);
        for (const seq of changes.unpark ?? []) unpark.run(name, seq);
      });
    },
    dueDeliveries: (receiver, { atMs, limit }) =>
      read(() =>
        due.all(receiver, atMs, limit).map((row) => ({
          event: eventOf(row),
          attempts: Number(row["attempts"]),
          firstAttemptAtMs: numberOrNull(row["first_attempt_at"]),
          nextAttemptAtMs: Number(row["next_attempt_at"]),
        })),
      ),
    nextDeliveryAt: (receiver) => read(() => numberOrNull(next.get(receiver)?.["at"])),
    parkedEvents: (receiver) => read(() => new Map(parked.all(receiver).map((row) => [Number(row["seq"]), String(row["alert_id"])]))),
    hastenDeliveries(receiver, atMs) {
      write(() => hasten.run({ receiver, at: atMs }));
    },
    backlog: (receiver, cursor, filter) =>
      read(() => {
        const list = (values: readonly string[] | null): SQLInputValue => (values === null ? null : JSON.stringify(values));
        const waiting = countParked.get(receiver);
        const ahead = countAhead.get({ cursor, stream: list(filter.streams), rule: list(filter.rules), kind: list(filter.kinds) });
        const oldest = [waiting?.["oldest"], ahead?.["oldest"]].map(numberOrNull).filter((at) => at !== null);
        return { events: Number(waiting?.["events"]) + Number(ahead?.["events"]), oldestAtMs: oldest.length === 0 ? null : Math.min(...oldest) };
      }),
  };
}
