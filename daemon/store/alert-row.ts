/** Turns alerts into rows of the store and back, and pages into cursors. */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { TruecastError } from "../../pipelines/errors.ts";
import type { Alert } from "../protocol.ts";

type Row = Record<string, SQLOutputValue>;

/** The columns of the table `alerts`, as `rowOf` fills them. */
export const ALERT_COLUMNS = [
  "id",
  "stream",
  "track",
  "rule",
  "state",
  "resolution",
  "pending_at",
  "firing_at",
  "resolved_at",
  "score",
  "peak_score",
  "threshold",
  "model_name",
  "model_sha256",
  "scripted",
] as const;

export function rowOf(alert: Alert): Record<(typeof ALERT_COLUMNS)[number], SQLInputValue> {
  return {
    id: alert.id,
    stream: alert.stream,
    track: alert.track,
    rule: alert.rule,
    state: alert.state,
    resolution: alert.resolution,
    pending_at: alert.pendingAt,
    firing_at: alert.firingAt,
    resolved_at: alert.resolvedAt,
    score: alert.score,
    peak_score: alert.peakScore,
    threshold: alert.threshold,
    model_name: alert.model.name,
    model_sha256: alert.model.sha256,
    scripted: alert.model.scripted ? 1 : 0,
  };
}

/** The casts hold because the tables are STRICT and only this process writes them. */
export function alertOf(row: Row): Alert {
  return {
    id: String(row["id"]),
    stream: String(row["stream"]),
    track: Number(row["track"]),
    rule: row["rule"] as Alert["rule"],
    state: row["state"] as Alert["state"],
    resolution: row["resolution"] as Alert["resolution"],
    pendingAt: Number(row["pending_at"]),
    firingAt: numberOrNull(row["firing_at"]),
    resolvedAt: numberOrNull(row["resolved_at"]),
    score: Number(row["score"]),
    peakScore: Number(row["peak_score"]),
    threshold: Number(row["threshold"]),
    model: { name: String(row["model_name"]), sha256: String(row["model_sha256"]), scripted: row["scripted"] === 1 },
  };
}

export function numberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** A cursor names the last alert of the page before; opaque to clients. */
export function cursorOf(alert: Alert): string {
  return Buffer.from(`${alert.pendingAt} ${alert.id}`).toString("base64url");
}

/** @throws TruecastError request-invalid */
export function parseCursor(cursor: string): { readonly pendingAt: number; readonly id: string } {
  const match = /^(\d{1,15}) (\S{1,64})$/.exec(Buffer.from(cursor, "base64url").toString());
  if (match?.[1] === undefined || match[2] === undefined) throw new TruecastError("request-invalid", "cursor is not one that an earlier page gave");
  return { pendingAt: Number(match[1]), id: match[2] };
}
