/** The daemon's end on SIGTERM, whatever hangs: within its deadline, and nothing of it left. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test, vi } from "vitest";
import { freshEnvironment, startCli, startDaemonProcess } from "./testing/daemon-process.ts";

const run = promisify(execFile);
const DEADLINE_S = 10;
const PULLED = { TRUECAST_STREAMS: '[{ name: gate, url: "udp://127.0.0.1:39871" }]', TRUECAST_OUTBOUND_ALLOW: "[127.0.0.1]" };

/** The process of this entry file that the daemon has started. */
async function childOf(daemonPid: number, entry: string): Promise<number> {
  return vi.waitFor(
    async () => {
      const { stdout } = await run("ps", ["-o", "pid=,args=", "--ppid", `${daemonPid}`]);
      const line = stdout.split("\n").find((text) => text.includes(entry));
      if (line === undefined) throw new Error(`no ${entry} yet`);
      return Number.parseInt(line, 10);
    },
    { timeout: 20_000, interval: 5 },
  );
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test.each(["inference-process.ts", "analysis-process.ts", "ingest-process.ts", "pull-process.ts"])("a start in which %s hangs", { timeout: 60_000 }, async (entry) => {
  const { child, exited } = startCli(["start"], { ...(await freshEnvironment()), ...PULLED });
  const pid = await childOf(child.pid ?? 0, entry);
  process.kill(pid, "SIGSTOP");
  const startedAt = performance.now();
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect((performance.now() - startedAt) / 1_000).toBeLessThan(DEADLINE_S);
  expect(isAlive(pid)).toBe(false);
});

test("a run in which every child hangs: after the first, none is waited for as long, so that all fit into the deadline with room", { timeout: 60_000 }, async () => {
  await using daemon = await startDaemonProcess({ streams: [{ name: "gate", url: "udp://127.0.0.1:39872" }], outbound: { allow: ["127.0.0.1"] } });
  const pids = await Promise.all(["inference", "analysis-0", "ingest", "pull"].map((name) => vi.waitFor(() => daemon.childPid(name), { timeout: 20_000 })));
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  const { code, seconds } = await daemon.stop();
  expect(code).toBe(0);
  expect(seconds).toBeLessThan(DEADLINE_S / 1.5);
  expect(pids.filter(isAlive)).toEqual([]);
});

test("a reader of the log that stands still delays neither start nor end", { timeout: 60_000 }, async () => {
  const environment = await freshEnvironment();
  const pipe = join(dirname(environment["TRUECAST_DATA_DIR"] ?? ""), "log");
  await run("mkfifo", [pipe]);
  const held = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    expect(() => {
      for (;;) writeSync(held, Buffer.alloc(4_096));
    }).toThrow(/EAGAIN/);
    const output = openSync(pipe, constants.O_WRONLY);
    const child = spawn(process.execPath, [fileURLToPath(new URL("./cli/main.ts", import.meta.url)), "start"], { env: { ...process.env, ...environment }, stdio: ["ignore", output, "pipe"] });
    closeSync(output);
    const exited = once(child, "exit");
    let told = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (told += text));
    await vi.waitFor(() => expect(told).toContain("Dashboard"), { timeout: 20_000 });
    const startedAt = performance.now();
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect((performance.now() - startedAt) / 1_000).toBeLessThan(DEADLINE_S);
  } finally {
    closeSync(held);
  }
});
