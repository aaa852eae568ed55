/**
 * Loaded into every process of a daemon under test, which it tells about in a file, a line of JSON each.
 * "busy": a stretch in which the main thread had the processor for long without coming back to its event loop. Processor time,
 * not wall time: a process that waits for a busy machine is not busy itself.
 * "memory", at each SIGUSR2: what is left after a garbage collection.
 */
import { appendFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface BusyLine {
  readonly kind: "busy";
  readonly pid: number;
  readonly busyMs: number;
  /** `Date.now()`. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface MemoryLine {
  readonly kind: "memory";
  readonly pid: number;
  /** Objects and buffers that are still in use. */
  readonly liveBytes: number;
}

const LOOK_EVERY_MS = 10;
const file = process.env["PROCESS_WATCH_FILE"];
const limitMs = Number(process.env["PROCESS_WATCH_BUSY_MS"]);

function watch(path: string): void {
  const tell = (line: BusyLine | MemoryLine): void => appendFileSync(path, `${JSON.stringify(line)}\n`);
  const processorMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let before = processorMs();
  let fromMs = Date.now();
  setInterval(() => {
    const now = processorMs();
    const toMs = Date.now();
    if (now - before >= limitMs) tell({ kind: "busy", pid: process.pid, busyMs: Math.round(now - before), fromMs, toMs });
    before = now;
    fromMs = toMs;
  }, LOOK_EVERY_MS).unref();

  process.on("SIGUSR2", () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as (options: { readonly type: string; readonly flavor: string }) => void;
    // The heap also gives back the pages that it keeps for later.
    const collectGarbage = () => gc({ type: "major", flavor: "last-resort" });
    // Buffers are freed by finalizers of the first one.
    collectGarbage();
    setImmediate(() => {
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      tell({ kind: "memory", pid: process.pid, liveBytes: heapUsed + arrayBuffers });
      // This was not the work of the process.
      before = processorMs();
    });
  });
}

if (file !== undefined) watch(file);
