/** One daemon a data folder, and nothing left of one that was killed. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { claimDataFolder } from "./data-folder.ts";

const log = pino({ level: "silent" });
let dataDir: string;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "truecast-data-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  dataDir = join(folder, "data");
});

/** @returns the runtime folder that the other process has made */
async function claimElsewhere(): Promise<{ readonly runtimeFolder: string; kill(): Promise<void> }> {
  const other = fork(new URL("./testing/data-folder-holder.ts", import.meta.url), [dataDir]);
  const exited = once(other, "exit");
  const [runtimeFolder] = (await once(other, "message")) as [string];
  const kill = async (): Promise<void> => {
    other.kill("SIGKILL");
    await exited;
  };
  onTestFinished(kill);
  return { runtimeFolder, kill };
}

test("a folder that another process holds is refused by name; once that is killed it is free, and its runtime folder goes with the next run", async () => {
  const other = await claimElsewhere();
  expect(() => claimDataFolder(dataDir, log)).toThrow(expect.objectContaining({ code: "data-in-use", message: expect.stringContaining(dataDir) as string }));
  expect(existsSync(other.runtimeFolder)).toBe(true);
  await other.kill();
  await using folder = claimDataFolder(dataDir, log);
  expect(existsSync(other.runtimeFolder)).toBe(true);
  await folder.makeRuntimeFolder();
  expect(existsSync(other.runtimeFolder)).toBe(false);
});

test("a copy of a folder in use is a folder of its own: its daemon leaves the other's sockets alone", async () => {
  const other = await claimElsewhere();
  const copy = `${dataDir}-copy`;
  await cp(dataDir, copy, { recursive: true });
  await using folder = claimDataFolder(copy, log);
  await folder.makeRuntimeFolder();
  expect(existsSync(other.runtimeFolder)).toBe(true);
});

test("closed, it leaves nothing but the empty lock, and is free", async () => {
  const folder = claimDataFolder(dataDir, log);
  const runtimeFolder = await folder.makeRuntimeFolder();
  await Promise.all([folder.close(), folder.close()]);
  expect(existsSync(runtimeFolder)).toBe(false);
  expect(await readdir(dataDir)).toEqual(["truecast.lock"]);
  await claimDataFolder(dataDir, log).close();
});

test("what the note of an earlier run must not name is left alone", async () => {
  await mkdir(dataDir);
  const precious = join(dataDir, "precious");
  await mkdir(precious);
  await writeFile(join(dataDir, "runtime-folder"), `../${precious}`);
  await using folder = claimDataFolder(dataDir, log);
  await folder.makeRuntimeFolder();
  expect(existsSync(precious)).toBe(true);
});

test("a folder that cannot be used is a mistake in the configuration", () => {
  expect(() => claimDataFolder("/dev/null/x", log)).toThrow(expect.objectContaining({ code: "config-invalid" }));
});
