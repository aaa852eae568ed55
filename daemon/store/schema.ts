/** The store's tables and how an older file is brought up to them: forward only, one transaction a step. */
import type { DatabaseSync } from "node:sqlite";
import { TruecastError } from "../../pipelines/errors.ts";
import { inTransaction } from "./transaction.ts";

/** Entry N brings a file from schema version N to N + 1. Released entries never change. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    stream TEXT NOT NULL,
    track INTEGER NOT NULL,
    rule TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    resolution TEXT CHECK ((resolution IS NULL) = (state <> 'resolved')),
    pending_at INTEGER NOT NULL,
    firing_at INTEGER CHECK (firing_at IS NOT NULL OR state <> 'firing'),
    resolved_at INTEGER CHECK ((resolved_at IS NULL) = (state <> 'resolved')),
    score REAL NOT NULL,
    peak_score REAL NOT NULL,
    threshold REAL NOT NULL,
    model_name TEXT NOT NULL,
    model_sha256 TEXT NOT NULL,
    scripted INTEGER NOT NULL CHECK (scripted IN (0, 1))
  ) STRICT;
  CREATE INDEX alerts_by_time ON alerts (pending_at DESC, id DESC);
  CREATE INDEX alerts_by_stream ON alerts (stream, pending_at DESC, id DESC);
  CREATE INDEX alerts_open ON alerts (pending_at DESC, id DESC) WHERE state <> 'resolved';
  CREATE INDEX alerts_by_resolution ON alerts (resolved_at) WHERE state = 'resolved';
  CREATE INDEX alerts_unfired ON alerts (resolved_at) WHERE state = 'resolved' AND firing_at IS NULL;

  CREATE TABLE alert_transitions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    score REAL NOT NULL,
    resolution TEXT
  ) STRICT;
  CREATE INDEX alert_transitions_by_alert ON alert_transitions (alert_id, seq);
  CREATE TRIGGER alert_transitions_append_only BEFORE UPDATE ON alert_transitions
    BEGIN SELECT RAISE(ABORT, 'alert_transitions is append-only'); END;
  `,
  `
  CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    format TEXT,
    loop INTEGER NOT NULL CHECK (loop IN (0, 1)),
    changed_at INTEGER NOT NULL
  ) STRICT;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** @throws TruecastError store-failed when the file was written by a newer Truecast. */
export function migrate(database: DatabaseSync, path: string): { from: number; to: number } {
  const from = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (from > SCHEMA_VERSION) {
    throw new TruecastError(
      "store-failed",
      `${path} has schema version ${from}, written by a newer Truecast; this one knows up to ${SCHEMA_VERSION}. Start the newer version, or set another store path.`,
    );
  }
  for (const [version, step] of MIGRATIONS.entries()) {
    if (version < from) continue;
    inTransaction(database, () => {
      database.exec(step);
      database.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
  return { from, to: SCHEMA_VERSION };
}
