/** Turns alerts into rows of the store and back, and pages into cursors. */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { TruecastError } from "../../pipelines/errors.ts";
import type { Alert } from "../protocol.ts";

type Row = Record<string, SQLOutputValue>;

/** The columns of the table `alerts`, as `rowOf` fills them. */
export const ALERT_COLUMNS = [
  "id",
  "stream",
  "rule",
  "state",
  "resolution",
  "pending_at",
  "firing_at",
  "resolved_at",
  "track",
  "tracks",
  "score",
  "peak_score",
  "threshold",
  "model_name",
  "model_sha256",
  "scripted",
  "measured",
  "limit_value",
] as const;

type AlertColumns = Record<(typeof ALERT_COLUMNS)[number], SQLInputValue>;

const NO_FACE = { track: null, tracks: null, score: null, peak_score: null, threshold: null, model_name: null, model_sha256: null, scripted: null };

export function rowOf(alert: Alert): AlertColumns {
  const life = {
    id: alert.id,
    stream: alert.stream,
    rule: alert.rule,
    state: alert.state,
    resolution: alert.resolution,
    pending_at: alert.pendingAt,
    firing_at: alert.firingAt,
    resolved_at: alert.resolvedAt,
  };
  if (alert.rule !== "manipulated-face") return { ...life, ...NO_FACE, measured: alert.measured, limit_value: alert.limit };
  return {
    ...life,
    track: alert.track,
    tracks: JSON.stringify(alert.tracks),
    score: alert.score,
    peak_score: alert.peakScore,
    threshold: alert.threshold,
    model_name: alert.model.name,
    model_sha256: alert.model.sha256,
    scripted: alert.model.scripted ? 1 : 0,
    measured: null,
    limit_value: null,
  };
}

/** The casts hold because the tables are STRICT and only this process writes them. */
export function alertOf(row: Row): Alert {
  const rule = row["rule"] as Alert["rule"];
  const life = {
    id: String(row["id"]),
    stream: String(row["stream"]),
    state: row["state"] as Alert["state"],
    resolution: row["resolution"] as Alert["resolution"],
    pendingAt: Number(row["pending_at"]),
    firingAt: numberOrNull(row["firing_at"]),
    resolvedAt: numberOrNull(row["resolved_at"]),
  };
  if (rule !== "manipulated-face") return { ...life, rule, measured: Number(row["measured"]), limit: Number(row["limit_value"]) };
  return {
    ...life,
    rule,
    track: Number(row["track"]),
    tracks: JSON.parse(String(row["tracks"])) as number[],
    score: Number(row["score"]),
    peakScore: Number(row["peak_score"]),
    threshold: Number(row["threshold"]),
    model: { name: String(row["model_name"]), sha256: String(row["model_sha256"]), scripted: row["scripted"] === 1 },
  };
}

/** What a transition records of the alert: the score of a face, or what a blind spot measured. */
export function valueOf(alert: Alert): number {
  return alert.rule === "manipulated-face" ? alert.score : alert.measured;
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
