/** What is to go: by age of its kind, and by the quota, oldest first. What is held stays, whatever its age and size. Pure. */
import type { SealedIncident } from "./archive.ts";
import type { EvidenceKind, RemovalCause } from "./log-record.ts";

export interface RetentionLimits {
  readonly cropsDays: number;
  readonly clipsDays: number;
  readonly verdictsDays: number;
  readonly maxBytes: number;
}

export interface Removal {
  readonly incident: string;
  /** null: all of it. */
  readonly files: readonly string[] | null;
  readonly cause: RemovalCause;
}

const DAY_MS = 24 * 3_600_000;

/** @param incidents oldest first */
export function dueRemovals(incidents: readonly SealedIncident[], { nowMs, bytes, limits }: { readonly nowMs: number; readonly bytes: number; readonly limits: RetentionLimits }): readonly Removal[] {
  const due: Removal[] = [];
  let left = bytes;
  for (const entry of incidents) {
    if (entry.held) continue;
    const removal = byAge(entry, nowMs, limits);
    if (removal === null) continue;
    due.push(removal);
    left -= bytesOf(entry, removal.files);
  }
  for (const entry of incidents) {
    if (left <= limits.maxBytes) break;
    const { incident } = entry.manifest;
    if (entry.held || due.some((removal) => removal.incident === incident)) continue;
    due.push({ incident, files: null, cause: "quota" });
    left -= bytesOf(entry, null);
  }
  return due;
}

function byAge({ manifest: { incident, endedAt, files }, removed }: SealedIncident, nowMs: number, limits: RetentionLimits): Removal | null {
  const ageDays = (nowMs - endedAt) / DAY_MS;
  const days: Record<EvidenceKind, number> = { crops: limits.cropsDays, clip: limits.clipsDays, verdict: limits.verdictsDays };
  if (ageDays > Math.max(...Object.values(days))) return { incident, files: null, cause: "retention" };
  const names = files.filter(({ name, kind }) => ageDays > days[kind] && !removed.has(name)).map(({ name }) => name);
  return names.length === 0 ? null : { incident, files: names, cause: "retention" };
}

function bytesOf({ manifest, removed }: SealedIncident, names: readonly string[] | null): number {
  return manifest.files.reduce((sum, { name, bytes }) => sum + (!removed.has(name) && (names === null || names.includes(name)) ? bytes : 0), 0);
}
