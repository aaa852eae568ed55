/** Finds processes by the folder they were started in, which children inherit: also those whose parents are gone. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessInFolder {
  readonly pid: number;
  readonly command: string;
}

export function processesIn(folder: string): ProcessInFolder[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (readlinkSync(`/proc/${pid}/cwd`) !== folder) return [];
        return [{ pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() }];
      } catch {
        // ENOENT, ESRCH, or EACCES: gone meanwhile, or another user's.
        return [];
      }
    });
}
