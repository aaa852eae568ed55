/** What is known of an incident while it is recorded, kept in its folder so that a crash loses none of it. */
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FaceAlert, ScorePoint } from "../protocol.ts";
import { writeDurably } from "./durable-files.ts";

/** Facts of the moment at which it fired, for the report. */
export interface IncidentFacts {
  /** The alert rule in force for the stream. */
  readonly rule: object;
  readonly model: object;
  readonly stream: object;
  /** Faces in the picture at that moment. */
  readonly tracks: readonly object[];
}

export interface IncidentNote {
  readonly alert: FaceAlert;
  /** Wall clock. */
  readonly beganAt: number;
  /** Media clock of the score that fired. */
  readonly firedPtsMs: number;
  readonly facts: IncidentFacts;
}

const NOTE_FILE = "incident.json";
const SCORES_FILE = "scores.jsonl";

export async function writeNote(folder: string, note: IncidentNote): Promise<void> {
  await writeDurably(join(folder, NOTE_FILE), JSON.stringify(note));
}

/** Null when there is none: the crash came before it. */
export async function readNote(folder: string): Promise<IncidentNote | null> {
  try {
    return JSON.parse(await readFile(join(folder, NOTE_FILE), "utf8")) as IncidentNote;
  } catch {
    return null;
  }
}

export async function appendScores(folder: string, points: readonly ScorePoint[]): Promise<void> {
  await appendFile(join(folder, SCORES_FILE), points.map((point) => `${JSON.stringify(point)}\n`).join(""), { mode: 0o600 });
}

/** In the place of all that were appended. */
export async function rewriteScores(folder: string, points: readonly ScorePoint[]): Promise<void> {
  await writeDurably(join(folder, SCORES_FILE), points.map((point) => `${JSON.stringify(point)}\n`).join(""));
}

/** Without what a crash cut off: half a line, or zeros where the disk had the length already and not the bytes. */
export async function readScores(folder: string): Promise<readonly ScorePoint[]> {
  const text = await readFile(join(folder, SCORES_FILE), "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => pointIn(line) ?? []);
}

function pointIn(line: string): ScorePoint | null {
  try {
    return JSON.parse(line) as ScorePoint;
  } catch {
    return null;
  }
}
