/** What runs and of whom, as Linux says in /proc: for tests that end processes and look what is left. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes that were started in a folder, which children inherit: also those whose parents are gone. */
export function processesIn(folder: string): FoundProcess[] {
  return allPids().flatMap((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder ? [{ pid, command: commandOf(pid) }] : [];
    } catch {
      // ENOENT or ESRCH: it ended meanwhile. EACCES: another user's.
      return [];
    }
  });
}

/** The direct children of a process that still run. */
export function childrenOf(parent: number): FoundProcess[] {
  return allPids().flatMap((pid) => {
    try {
      const { state, parentPid } = statusOf(pid);
      return parentPid === parent && state !== ZOMBIE ? [{ pid, command: commandOf(pid) }] : [];
    } catch {
      return [];
    }
  });
}

/** False for a zombie too: it runs nothing and holds nothing. */
export function isRunning(pid: number): boolean {
  try {
    return statusOf(pid).state !== ZOMBIE;
  } catch {
    return false;
  }
}

const ZOMBIE = "Z";

function statusOf(pid: number): { readonly state: string; readonly parentPid: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may itself hold spaces and parentheses.
  const [state = "", parentPid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state, parentPid: Number(parentPid) };
}

function allPids(): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
}
