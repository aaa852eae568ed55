/** The machine that the figures belong to. */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly ffmpeg: string;
}

export function thisMachine(): Machine {
  const banner = execFileSync("ffmpeg", ["-hide_banner", "-version"], { encoding: "utf8" });
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    ffmpeg: /version (\S+)/.exec(banner)?.[1] ?? "unknown",
  };
}

/** Of the last minute, over the cores: above about 1 something else was running, and the figures are too high. */
export function loadAverage(): number {
  return loadavg()[0] ?? Number.NaN;
}
