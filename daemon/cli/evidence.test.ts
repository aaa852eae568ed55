/** `truecast evidence` as people run it, and what they do without it. */
import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import type { SealedIncident } from "../evidence/archive.ts";
import { sha256Of } from "../evidence/durable-files.ts";
import { freshArchive, freshFolder, quietLog, sealOne } from "../evidence/testing/sealed.ts";
import type { FaceAlert } from "../protocol.ts";
import { openStore } from "../store/store.ts";
import { runCli } from "../testing/daemon-process.ts";

const run = promisify(execFile);

let dataDir: string;
let root: string;
let incidents: SealedIncident[];

const first = (): SealedIncident => incidents[0] ?? expect.fail();
const cli = (...args: string[]) => runCli(["evidence", ...args], { TRUECAST_DATA_DIR: dataDir });

function alertOf(id: string, stream: string): FaceAlert {
  return { id, stream, track: 1, tracks: [1], rule: "manipulated-face", state: "resolved", resolution: "score-fell", pendingAt: 1, firingAt: 2, resolvedAt: 3, score: 0.1, peakScore: 0.9, threshold: 0.9, model: { name: "edge", sha256: "ab", scripted: false } };
}

async function storedIds(): Promise<readonly string[]> {
  await using store = openStore({ path: join(dataDir, "truecast.db"), log: quietLog });
  return store.alerts({ limit: 100 }).alerts.map(({ id }) => id);
}

beforeEach(async () => {
  dataDir = await freshFolder();
  root = join(dataDir, "evidence");
  await mkdir(root);
  const { archive } = await freshArchive(root);
  const sums = (name: string): string => `${sha256Of(`the ${name}`)}  ${name}\n`;
  const files = {
    "clip.mp4": { kind: "clip", content: "the clip.mp4" },
    "crops.jpg": { kind: "crops", content: "the crops.jpg" },
    "sha256sums.txt": { kind: "verdict", content: sums("clip.mp4") + sums("crops.jpg") },
  } as const;
  incidents = [await sealOne(archive, root, { files }), await sealOne(archive, root, { stream: "gate" }), await sealOne(archive, root, { stream: "gate" })];
  await archive.hold(incidents[1]?.folder.incident ?? "", true);
  await archive.close();
  await using store = openStore({ path: join(dataDir, "truecast.db"), log: quietLog });
  store.commit(incidents.map(({ folder }) => ({ kind: "resolved", alert: alertOf(folder.incident, folder.stream), atMs: 3 })));
});

test("list names every incident, its size, its state and its hold", { timeout: 60_000 }, async () => {
  const { code, stdout } = await cli("list");
  expect(code).toBe(0);
  const lines = stdout.trim().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines.filter((line) => line.includes("held"))).toEqual([expect.stringContaining(incidents[1]?.folder.incident ?? "-") as string]);
  expect((await cli("list", "--stream", "gate")).stdout.trim().split("\n")).toHaveLength(2);
});

test("delete takes an incident's evidence and alert, and of a stream all but what is held", { timeout: 60_000 }, async () => {
  const [one, held, other] = incidents.map(({ folder }) => folder.incident);
  expect(await cli("delete", "--incident", one ?? "")).toMatchObject({ code: 0, stdout: expect.stringContaining("erased     1 alert from the store") as string });
  const ofStream = await cli("delete", "--stream", "gate");
  expect([ofStream.code, ofStream.stdout]).toEqual([0, `held       ${held}: stays\ndeleted    ${other}\nerased     1 alert from the store\n`]);
  expect(await storedIds()).toEqual([held]);
  expect(await cli("verify", root)).toMatchObject({ code: 0, stdout: expect.stringContaining("1 incident, 3 files and 7 records are as they were sealed") as string });
  expect(await cli("delete", "--incident", one ?? "")).toMatchObject({ code: 1, stderr: expect.stringContaining("nothing to delete") as string });
  expect(await cli("delete")).toMatchObject({ code: 1, stderr: expect.stringContaining("--incident or --stream") as string });
});

test("beside a running daemon delete says how to ask it", { timeout: 60_000 }, async () => {
  await freshArchive(root);
  expect(await cli("delete", "--stream", "gate")).toMatchObject({ code: 1, stderr: expect.stringContaining("curl -X DELETE 'http://127.0.0.1:8480/api/v1/streams/gate/evidence?alerts=true'") as string });
});

test("verify names what was done to it, and its exit code is 0, 1 or 2", { timeout: 60_000 }, async () => {
  const key = join(await freshFolder(), "kept.pem");
  await copyFile(join(root, "public-key.pem"), key);
  const good = await cli("verify", root, "--public-key", key);
  expect([good.code, good.stdout]).toEqual([0, expect.not.stringContaining("taken from beside") as string]);
  expect((await cli("verify", root)).stdout).toContain("taken from beside the evidence");
  await writeFile(join(first().folder.path, "clip.mp4"), "the clip.mp5");
  await rm(join(first().folder.path, "crops.jpg"));
  const bad = await cli("verify", root, "--public-key", key);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(/^CHANGED +\S+clip\.mp4: has other bytes/m);
  expect(bad.stdout).toMatch(/^MISSING +\S+crops\.jpg: is in the manifest but not here/m);
  expect((await cli("verify", root, "--public-key", join(root, "log.jsonl"))).code).toBe(2);
  expect((await cli("verify", join(root, "nowhere"))).code).toBe(2);
});

/** The shell commands of docs/evidence.md under a heading, run as they stand. */
async function recipes(): Promise<{ readonly incident: string; readonly chain: string }> {
  const page = await readFile(join(import.meta.dirname, "../../docs/evidence.md"), "utf8");
  const [incident = "", chain = ""] = [...(page.split("### Without Truecast")[1] ?? "").matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
  return { incident, chain };
}

const shell = (script: string, cwd: string) => run("bash", ["-e", "-o", "pipefail", "-c", script], { cwd }).then(({ stdout }) => ({ ok: true, stdout }), ({ stdout }: { stdout: string }) => ({ ok: false, stdout }));

test("the recipe of the documentation verifies an incident and the chain without Truecast, and fails on what was changed", { timeout: 60_000 }, async () => {
  const { incident, chain } = await recipes();
  const copy = join(await freshFolder(), "copy");
  onTestFinished(() => rm(copy, { recursive: true, force: true }));
  await cp(first().folder.path, copy, { recursive: true });
  await copyFile(join(root, "public-key.pem"), join(copy, "public-key.pem"));
  const good = await shell(incident, copy);
  expect(good.stdout).toContain("Signature Verified Successfully");
  expect(good.ok).toBe(true);
  expect((await shell(chain, root)).ok).toBe(true);

  for (const name of ["clip.mp4", "sha256sums.txt", "manifest.json", "records.jsonl"]) {
    const path = join(copy, name);
    const before = await readFile(path, "utf8");
    await writeFile(path, before.replace(/[0-9a-f](?=[^0-9a-f]*$)/, (digit) => (digit === "0" ? "1" : "0")).replace("the clip", "the slip"));
    expect([name, (await shell(incident, copy)).ok]).toEqual([name, false]);
    await writeFile(path, before);
  }
  const log = await readFile(join(root, "log.jsonl"), "utf8");
  await writeFile(join(root, "log.jsonl"), log.replace('"lost":0', '"lost":1'));
  expect((await shell(chain, root)).ok).toBe(false);
});
