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
  // Alerts of blind spots have no face: the table is made anew, for SQLite cannot take a NOT NULL away.
  `
  CREATE TABLE alerts_3 (
    id TEXT PRIMARY KEY,
    stream TEXT NOT NULL,
    rule TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    resolution TEXT CHECK ((resolution IS NULL) = (state <> 'resolved')),
    pending_at INTEGER NOT NULL,
    firing_at INTEGER CHECK (firing_at IS NOT NULL OR state <> 'firing'),
    resolved_at INTEGER CHECK ((resolved_at IS NULL) = (state <> 'resolved')),
    track INTEGER,
    tracks TEXT,
    score REAL,
    peak_score REAL,
    threshold REAL,
    model_name TEXT,
    model_sha256 TEXT,
    scripted INTEGER CHECK (scripted IN (0, 1)),
    measured REAL,
    limit_value REAL,
    CHECK (
      (rule = 'manipulated-face') = (track IS NOT NULL AND tracks IS NOT NULL AND score IS NOT NULL AND peak_score IS NOT NULL AND threshold IS NOT NULL
        AND model_name IS NOT NULL AND model_sha256 IS NOT NULL AND scripted IS NOT NULL)
    ),
    CHECK ((rule <> 'manipulated-face') = (measured IS NOT NULL AND limit_value IS NOT NULL))
  ) STRICT;
  INSERT INTO alerts_3 (id, stream, rule, state, resolution, pending_at, firing_at, resolved_at, track, tracks, score, peak_score, threshold, model_name, model_sha256, scripted)
    SELECT id, stream, rule, state, resolution, pending_at, firing_at, resolved_at, track, '[' || track || ']', score, peak_score, threshold, model_name, model_sha256, scripted FROM alerts;
  DROP TABLE alerts;
  ALTER TABLE alerts_3 RENAME TO alerts;
  CREATE INDEX alerts_by_time ON alerts (pending_at DESC, id DESC);
  CREATE INDEX alerts_by_stream ON alerts (stream, pending_at DESC, id DESC);
  CREATE INDEX alerts_open ON alerts (pending_at DESC, id DESC) WHERE state <> 'resolved';
  CREATE INDEX alerts_by_resolution ON alerts (resolved_at) WHERE state = 'resolved';
  CREATE INDEX alerts_unfired ON alerts (resolved_at) WHERE state = 'resolved' AND firing_at IS NULL;

  CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    alert_id TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('new', 'update', 'end')),
    at INTEGER NOT NULL,
    payload TEXT NOT NULL
  ) STRICT;
  CREATE INDEX event_by_alert ON event (alert_id, seq);
  CREATE INDEX event_by_time ON event (at);
  CREATE TRIGGER event_append_only BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'event is append-only'); END;

  -- One row: events up to this number may be gone by age.
  CREATE TABLE event_floor (id INTEGER PRIMARY KEY CHECK (id = 1), pruned_seq INTEGER NOT NULL) STRICT;
  INSERT INTO event_floor (id, pruned_seq) VALUES (1, 0);
  `,
  `
  CREATE TABLE access_tokens (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'reviewer', 'admin', 'publisher')),
    streams TEXT CHECK (streams IS NULL OR json_valid(streams)),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
  ) STRICT;
  CREATE TABLE access_sessions (
    digest BLOB PRIMARY KEY,
    token_id TEXT REFERENCES access_tokens (id) ON DELETE CASCADE,
    actor TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'reviewer', 'admin', 'publisher')),
    streams TEXT CHECK (streams IS NULL OR json_valid(streams)),
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX access_sessions_by_use ON access_sessions (seen_at);

  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL CHECK (json_valid(detail))
  ) STRICT;
  CREATE INDEX audit_by_object ON audit (object, seq);
  CREATE TRIGGER audit_keeps_what_is_written BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  CREATE TRIGGER audit_keeps_all BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  -- INSERT OR REPLACE takes a row's place without its DELETE trigger.
  CREATE TRIGGER audit_only_grows BEFORE INSERT ON audit WHEN NEW.seq IS NOT NULL AND EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
  `,
  `
  -- How far each receiver has come in the outbox: events up to the cursor are settled, or have a row in delivery.
  CREATE TABLE receiver (
    name TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    disabled TEXT,
    failing_since INTEGER,
    last_success_at INTEGER,
    last_failure_at INTEGER,
    last_failure TEXT
  ) STRICT;
  CREATE TABLE delivery (
    receiver TEXT NOT NULL REFERENCES receiver (name) ON DELETE CASCADE,
    seq INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
    alert_id TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt_at INTEGER,
    next_attempt_at INTEGER NOT NULL,
    PRIMARY KEY (receiver, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX delivery_by_time ON delivery (receiver, next_attempt_at, seq);
  CREATE INDEX delivery_by_alert ON delivery (receiver, alert_id, seq);
  CREATE INDEX delivery_by_event ON delivery (seq);
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
  if (from === SCHEMA_VERSION) return { from, to: from };
  // A table that is made anew must not take the rows that refer to it along; the switch has no effect inside a transaction.
  database.exec("PRAGMA foreign_keys = OFF");
  try {
    for (const [version, step] of MIGRATIONS.entries()) {
      if (version < from) continue;
      inTransaction(database, () => {
        database.exec(step);
        const broken = database.prepare("PRAGMA foreign_key_check").all();
        if (broken.length > 0) throw new TruecastError("store-failed", `${path} cannot be brought to schema version ${version + 1}: ${broken.length} rows refer to alerts that are not there.`);
        database.exec(`PRAGMA user_version = ${version + 1}`);
      });
    }
  } finally {
    database.exec("PRAGMA foreign_keys = ON");
  }
  return { from, to: SCHEMA_VERSION };
}
