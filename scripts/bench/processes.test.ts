import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { cpuSeconds, cpuTicksOf, memoryIn, memoryOf, processTree } from "./processes.ts";

it("reads user and system time behind a name that imitates the fields", () => {
  expect(cpuTicksOf("4711 (a) R 1 2) S 1 4711 4711 0 -1 4194304 100 0 0 0 250 30 9 9 20 0 1 0 100 1000 10 18446744073709551615")).toBe(280);
});

it("reads resident and proportional memory in megabytes", () => {
  expect(memoryIn("559a-7ffc ---p 00000000 00:00 0 [rollup]\nRss:              2048 kB\nPss:              1536 kB\nPss_Dirty:        10 kB\n")).toEqual({ rssMb: 2, pssMb: 1.5 });
});

it("counts what a child burns, and nothing once it is gone", async () => {
  const child = spawn(process.execPath, ["-e", "const end = Date.now() + 400; while (Date.now() < end); console.log('done'); setInterval(() => {}, 1000)"], { stdio: ["ignore", "pipe", "ignore"] });
  const pid = child.pid ?? 0;
  await once(child.stdout, "data");
  expect(processTree(process.pid)).toContain(pid);
  expect(cpuSeconds(pid)).toBeGreaterThan(0.05);
  const { rssMb, pssMb } = memoryOf(pid);
  expect(rssMb).toBeGreaterThan(10);
  expect(pssMb).toBeLessThanOrEqual(rssMb);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(cpuSeconds(pid)).toBe(0);
  expect(memoryOf(pid)).toEqual({ rssMb: 0, pssMb: 0 });
  expect(processTree(pid)).toEqual([]);
});
