/** Where evidence lies: `<day>/<stream>/<incident>` under the evidence folder, what is being recorded apart from what is sealed. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** What is not sealed yet, one folder an incident. */
export const RECORDING_FOLDER = "recording";

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const STREAM = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const INCIDENT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface IncidentFolder {
  readonly day: string;
  readonly stream: string;
  readonly incident: string;
  readonly path: string;
}

export function isIncidentId(text: string): boolean {
  return INCIDENT.test(text);
}

/** @param atMs wall clock; the day is that of UTC */
export function incidentFolder(root: string, { stream, incident, atMs }: { readonly stream: string; readonly incident: string; readonly atMs: number }): IncidentFolder {
  const day = new Date(atMs).toISOString().slice(0, 10);
  return { day, stream, incident, path: join(root, day, stream, incident) };
}

/** Every sealed incident, oldest day first, and whatever lies among them and does not belong there. */
export async function listIncidents(root: string): Promise<{ readonly incidents: readonly IncidentFolder[]; readonly strangers: readonly string[] }> {
  const incidents: IncidentFolder[] = [];
  const strangers: string[] = [];
  for (const day of await namesIn(root)) {
    if (!DAY.test(day)) continue;
    for (const stream of await namesIn(join(root, day))) {
      if (!STREAM.test(stream)) {
        strangers.push(join(day, stream));
        continue;
      }
      for (const incident of await namesIn(join(root, day, stream))) {
        if (INCIDENT.test(incident)) incidents.push({ day, stream, incident, path: join(root, day, stream, incident) });
        else strangers.push(join(day, stream, incident));
      }
    }
  }
  return { incidents, strangers };
}

/** Sorted; empty for a folder that is not there, and for a file. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}
