/** The outbox: what people are told of alerts, numbered in the order of their commits. */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { Alert, AlertEvent, AlertEventKind, AlertEventPage } from "../protocol.ts";

/** An event before its commit, which gives it its number. */
export interface NewEvent {
  /** UUID; the same on every delivery. */
  readonly id: string;
  readonly kind: AlertEventKind;
}

export interface EventTable {
  /** Committed events with a greater number, oldest first. */
  eventsAfter(seq: number, limit: number): readonly AlertEvent[];
  /** The same of these streams, null or absent being all, and whether all of them are still kept. */
  eventPage(query: { readonly after: number; readonly limit: number }, streams?: readonly string[] | null): AlertEventPage;
  /** 0 before the first; answered while the file cannot be read. */
  newestSeq(): number;
  /** Removes at most `batch` events that are older, but none of an alert that is open. @returns how many */
  pruneEvents(beforeMs: number, batch: number): number;
}

/** For use inside the store's own transactions. */
export interface EventWriter {
  append(event: NewEvent, { alert, atMs }: { readonly alert: Alert; readonly atMs: number }): AlertEvent;
  /** The transaction of these events is committed. */
  committed(events: readonly AlertEvent[]): void;
  /** Notes that these alerts, and with them their events, go by age. */
  forget(alertIds: readonly string[]): void;
}

interface Access {
  readonly read: <T>(work: () => T) => T;
  readonly write: <T>(work: () => T) => T;
}

export function createEventTable(database: DatabaseSync, { read, write }: Access): { readonly table: EventTable; readonly writer: EventWriter } {
  const insert = database.prepare("INSERT INTO event (id, alert_id, stream, kind, at, payload) VALUES (?, ?, ?, ?, ?, ?)");
  const after = database.prepare("SELECT seq, id, kind, at, payload FROM event WHERE seq > ? ORDER BY seq LIMIT ?");
  const afterOf = database.prepare("SELECT seq, id, kind, at, payload FROM event WHERE seq > ? AND stream IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?");
  const floor = database.prepare("SELECT pruned_seq FROM event_floor");
  const raiseFloor = database.prepare("UPDATE event_floor SET pruned_seq = max(pruned_seq, ?)");
  const old = database.prepare(
    "SELECT seq FROM event WHERE at < ? AND NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.id = event.alert_id AND alerts.state <> 'resolved') ORDER BY at LIMIT ?",
  );
  const remove = database.prepare("DELETE FROM event WHERE seq = ?");
  const newestOfAlert = database.prepare("SELECT max(seq) AS seq FROM event WHERE alert_id = ?");
  // Not the greatest number in the table: that one may have been pruned.
  let newest = Number(database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'event'").get()?.["seq"] ?? 0);

  const eventsAfter = (seq: number, limit: number, streams: readonly string[] | null = null): readonly AlertEvent[] =>
    read(() => (streams === null ? after.all(seq, limit) : afterOf.all(seq, JSON.stringify(streams), limit)).map(eventOf));
  return {
    table: {
      eventsAfter: (seq, limit) => eventsAfter(seq, limit),
      eventPage({ after: asked, limit }, streams = null) {
        const pruned = read(() => Number(floor.get()?.["pruned_seq"]));
        // A number that was never given out is another store's: its reader has seen nothing of this one.
        const unknown = asked > newest;
        return { events: [...eventsAfter(unknown ? 0 : asked, limit, streams)], gap: unknown || asked < pruned, oldest: pruned + 1, newest };
      },
      newestSeq: () => newest,
      pruneEvents: (beforeMs, batch) =>
        write(() => {
          const seqs = old.all(beforeMs, batch).map((row) => Number(row["seq"]));
          for (const seq of seqs) remove.run(seq);
          if (seqs.length > 0) raiseFloor.run(Math.max(...seqs));
          return seqs.length;
        }),
    },
    writer: {
      append({ id, kind }, { alert, atMs }) {
        const { lastInsertRowid } = insert.run(id, alert.id, alert.stream, kind, atMs, JSON.stringify(alert));
        return { seq: Number(lastInsertRowid), id, kind, at: atMs, alert };
      },
      committed(events) {
        newest = events.at(-1)?.seq ?? newest;
      },
      forget(alertIds) {
        for (const id of alertIds) raiseFloor.run(Number(newestOfAlert.get(id)?.["seq"] ?? 0));
      },
    },
  };
}

/** The casts hold because the tables are STRICT and only this process writes them. */
export function eventOf(row: Record<string, SQLOutputValue>): AlertEvent {
  return {
    seq: Number(row["seq"]),
    id: String(row["id"]),
    kind: row["kind"] as AlertEventKind,
    at: Number(row["at"]),
    alert: JSON.parse(String(row["payload"])) as Alert,
  };
}
