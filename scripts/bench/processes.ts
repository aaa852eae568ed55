/** CPU time and memory of a tree of processes, as Linux counts them in /proc. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Ticks a second of utime and stime. */
const CLOCK_TICKS = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

export interface Memory {
  readonly rssMb: number;
  /** Pages shared with other processes count in equal parts: sums over processes are true sums. */
  readonly pssMb: number;
}

/** The process and all below it. Those that end while this runs are left out. */
export function processTree(pid: number): number[] {
  const children = readIfAlive(`/proc/${pid}/task/${pid}/children`);
  if (children === null) return [];
  return [pid, ...children.split(" ").filter(Boolean).flatMap((child) => processTree(Number(child)))];
}

/** User and system time since the process began; children are not in it. 0 once it is gone. */
export function cpuSeconds(pid: number): number {
  const stat = readIfAlive(`/proc/${pid}/stat`);
  return stat === null ? 0 : cpuTicksOf(stat) / CLOCK_TICKS;
}

/** utime + stime of proc_pid_stat(5). The name in parentheses may itself hold spaces and parentheses. */
export function cpuTicksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

export function memoryOf(pid: number): Memory {
  const rollup = readIfAlive(`/proc/${pid}/smaps_rollup`);
  return rollup === null ? { rssMb: 0, pssMb: 0 } : memoryIn(rollup);
}

export function memoryIn(rollup: string): Memory {
  const mb = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? Number.NaN) / 1024;
  return { rssMb: mb("Rss"), pssMb: mb("Pss") };
}

function readIfAlive(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // ENOENT or ESRCH: the process has ended, which is an answer too.
    return null;
  }
}
