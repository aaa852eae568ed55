/** What a client of the WebSocket was told of alerts, held against what a killed daemon left in its store. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WebSocket } from "ws";
import type { Alert, AlertState, ServerMessage } from "../../protocol.ts";

const RANK: Readonly<Record<AlertState, number>> = { pending: 0, firing: 1, resolved: 2 };

export interface AlertListener {
  /** How often it was told of an alert as stored. */
  readonly count: number;
  /** Resolves with the next one, or after this time. */
  next(timeoutMs: number): Promise<void>;
  close(): void;
}

/** Keeps the newest state of every alert that was told as stored. */
export class ToldAlerts {
  readonly #told = new Map<string, Alert>();

  get size(): number {
    return this.#told.size;
  }

  note(alert: Alert): void {
    if (alert.unstored === true) return;
    const before = this.#told.get(alert.id);
    if (before === undefined || RANK[alert.state] >= RANK[before.state]) this.#told.set(alert.id, alert);
  }

  /** @returns one sentence for each alert that the store does not have as it was told. */
  missingIn(rows: ReadonlyMap<string, StoredRow>): string[] {
    return [...this.#told.values()].flatMap((told) => {
      const row = rows.get(told.id);
      if (row === undefined) return [`${told.id} was told as ${told.state} and is not in the store`];
      if (RANK[row.state] < RANK[told.state]) return [`${told.id} was told as ${told.state} and is stored as ${row.state}`];
      if (told.firingAt !== null && row.firingAt !== told.firingAt) return [`${told.id} was told to fire at ${told.firingAt} and is stored with ${row.firingAt}`];
      return [];
    });
  }
}

/** Listens until the daemon is gone. @returns null when it does not answer */
export async function listenForAlerts(url: string, told: ToldAlerts): Promise<AlertListener | null> {
  const socket = new WebSocket(`${url}/api/v1/live`);
  let count = 0;
  const waiting = new Set<() => void>();
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as ServerMessage;
    if (message.type === "snapshot") message.alerts.forEach((alert) => told.note(alert));
    if (message.type !== "alert" || message.alert.unstored === true) return;
    told.note(message.alert);
    count++;
    for (const wake of waiting) wake();
  });
  const opened = await new Promise<boolean>((resolve) => {
    socket.once("open", () => resolve(true));
    // The daemon does not listen yet, or was killed in the handshake.
    socket.on("error", () => resolve(false));
  });
  if (!opened) return null;
  return {
    get count() {
      return count;
    },
    next: (timeoutMs) =>
      new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        waiting.add(done);
      }),
    close: () => socket.terminate(),
  };
}

export interface StoredRow {
  readonly state: AlertState;
  readonly resolution: string | null;
  readonly firingAt: number | null;
}

export interface StoreReport {
  /** What `PRAGMA integrity_check` and `PRAGMA foreign_key_check` complain about. */
  readonly damage: readonly string[];
  readonly rows: ReadonlyMap<string, StoredRow>;
}

/** Reads a copy, so that the next start finds the files exactly as the killed daemon left them. */
export function examineStore(path: string): StoreReport {
  if (!existsSync(path)) return { damage: [], rows: new Map() };
  const folder = mkdtempSync(join(tmpdir(), "truecast-store-copy-"));
  try {
    const copy = join(folder, "copy.db");
    copyFileSync(path, copy);
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
    const database = new DatabaseSync(copy);
    try {
      const complaints = database.prepare("PRAGMA integrity_check").all().map((row) => String(row["integrity_check"])).filter((text) => text !== "ok");
      const foreign = database.prepare("PRAGMA foreign_key_check").all().map((row) => `row ${String(row["rowid"])} of ${String(row["table"])} has no parent`);
      // Killed before its first migration was through, it has no tables yet.
      const hasAlerts = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'alerts'").get() !== undefined;
      const rows = hasAlerts ? database.prepare("SELECT id, state, resolution, firing_at FROM alerts").all() : [];
      return {
        damage: [...complaints, ...foreign],
        rows: new Map(rows.map((row) => [String(row["id"]), { state: row["state"] as AlertState, resolution: row["resolution"] as string | null, firingAt: row["firing_at"] as number | null }])),
      };
    } finally {
      database.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
