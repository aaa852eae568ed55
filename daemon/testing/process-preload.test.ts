import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { BusyLine, MemoryLine } from "./process-preload.ts";

const run = promisify(execFile);
const PRELOAD = new URL("./process-preload.ts", import.meta.url).href;

async function linesOf(script: string): Promise<(BusyLine | MemoryLine)[]> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-busy-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "busy.jsonl");
  await writeFile(file, "");
  await run(process.execPath, [`--import=${PRELOAD}`, "--eval", script], { env: { ...process.env, PROCESS_WATCH_FILE: file, PROCESS_WATCH_BUSY_MS: "100" } });
  return (await readFile(file, "utf8")).split("\n").slice(0, -1).map((line) => JSON.parse(line) as BusyLine | MemoryLine);
}

const SPIN = "const spin = (ms) => { const from = process.threadCpuUsage().user; while (process.threadCpuUsage().user - from < ms * 1000); };";

test("a stretch of processor time is noted, and its length", async () => {
  const stretches = await linesOf(`${SPIN} setTimeout(() => spin(150), 100); setTimeout(() => {}, 800);`);
  expect(stretches).toHaveLength(1);
  expect(stretches[0]).toMatchObject({ kind: "busy" });
  expect((stretches[0] as BusyLine).busyMs).toBeGreaterThanOrEqual(150);
});

test("the same in pieces, and waiting, are not", async () => {
  // Each piece is set going by the one before: on a busy machine timers that are due at fixed times come all at once.
  const pieces = "let left = 15; const piece = () => { spin(15); if (--left > 0) setTimeout(piece, 20); else wait(); }; setTimeout(piece, 50);";
  const wait = "const wait = () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); setTimeout(() => {}, 100); };";
  const stretches = await linesOf(`${SPIN} ${wait} ${pieces}`);
  expect(stretches).toEqual([]);
});

test("what is left in memory is told when it is asked for, without what nobody holds any more", async () => {
  const script = "globalThis.held = Buffer.alloc(20e6, 1); let dropped = Buffer.alloc(50e6, 1); dropped = null; setTimeout(() => process.kill(process.pid, 'SIGUSR2'), 50); setTimeout(() => {}, 500);";
  const [line] = await linesOf(script);
  expect(line).toMatchObject({ kind: "memory" });
  expect((line as MemoryLine).liveBytes).toBeGreaterThan(20e6);
  expect((line as MemoryLine).liveBytes).toBeLessThan(40e6);
});
