import { execFile } from "node:child_process";
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freshArchive, freshFolder, sealOne, stage } from "./testing/sealed.ts";
import { verifyEvidence } from "./verify.ts";

const run = promisify(execFile);

test("the private key is made once and is its user's alone; its public half is a PEM that openssl reads", async () => {
  const { archive, root } = await freshArchive();
  expect((await stat(join(root, "signing-key.pem"))).mode & 0o777).toBe(0o600);
  const { stdout } = await run("openssl", ["pkey", "-pubin", "-in", join(root, "public-key.pem"), "-noout", "-text"]);
  expect(stdout).toContain("ED25519");
  const before = await readFile(join(root, "signing-key.pem"), "utf8");
  await archive.close();
  await freshArchive(root);
  expect(await readFile(join(root, "signing-key.pem"), "utf8")).toBe(before);
});

test("a second process is refused while the first has the folder", async () => {
  const { archive, root } = await freshArchive();
  await expect(freshArchive(root)).rejects.toMatchObject({ code: "conflict" });
  await archive.close();
  await freshArchive(root);
});

test("sealed evidence lies under day, stream and incident, and is found again after a restart", async () => {
  const { archive, root } = await freshArchive();
  const sealed = await sealOne(archive, root, { stream: "gate", firedAt: Date.UTC(2026, 10, 25, 23, 59) });
  expect(sealed.folder.path).toBe(join(root, "2026-11-25", "gate", sealed.folder.incident));
  const { bytes } = archive;
  expect(bytes).toBeGreaterThan(30);
  await archive.close();
  const again = await freshArchive(root);
  expect(again.archive.list()).toEqual([sealed]);
  expect(again.archive.bytes).toBe(bytes);
});

test("sealing that was interrupted between record and place is finished with the same record", async () => {
  const { archive, root } = await freshArchive();
  const { staging, manifest } = await stage(root);
  const sealed = await archive.seal(staging, manifest);
  // As if the process had died before the rename: the record stands, the folder is where it was.
  await archive.close();
  await mkdir(join(root, "recording", manifest.incident), { recursive: true });
  await rename(sealed.folder.path, staging);
  expect((await verifyEvidence({ folder: root })).findings).toEqual([]);
  const again = await freshArchive(root);
  await again.archive.seal(staging, manifest);
  await again.archive.close();
  expect(await verifyEvidence({ folder: root })).toMatchObject({ findings: [], records: 2, incidents: 1 });
});

test("removed files leave a signed record, the rest stays, and the chain holds", async () => {
  const { archive, root } = await freshArchive();
  const { folder } = await sealOne(archive, root);
  const other = await sealOne(archive, root);
  const before = archive.bytes;
  await archive.remove(folder.incident, { files: ["crops.jpg"], cause: "retention" });
  await archive.remove(other.folder.incident, { files: null, cause: "request" });
  expect(await readdir(folder.path)).toEqual(["clip.mp4", "manifest.json", "records.jsonl", "scores.json"]);
  await expect(stat(other.folder.path)).rejects.toMatchObject({ code: "ENOENT" });
  expect(archive.bytes).toBeLessThan(before / 2);
  expect(archive.removalOf(other.folder.incident)).toMatchObject({ cause: "request" });
  await archive.close();
  const verification = await verifyEvidence({ folder: root });
  expect(verification.findings).toEqual([]);
  expect(verification.removed).toEqual([expect.stringContaining("crops.jpg") as string, other.folder.incident]);
  expect(verification.records).toBe(5);
  // The folder alone tells as much.
  const alone = await verifyEvidence({ folder: folder.path });
  expect(alone).toMatchObject({ findings: [], removed: ["crops.jpg"] });
  const again = await freshArchive(root);
  expect(again.archive.get(folder.incident)?.removed).toEqual(new Set(["crops.jpg"]));
  expect(again.archive.removalOf(other.folder.incident)).toMatchObject({ cause: "request" });
});

test("a removed file that is put back is told, and goes again at the next start", async () => {
  const { archive, root } = await freshArchive();
  const { folder } = await sealOne(archive, root);
  await archive.remove(folder.incident, { files: ["crops.jpg"], cause: "retention" });
  await archive.close();
  await writeFile(join(folder.path, "crops.jpg"), "the faces' bytes");
  expect((await verifyEvidence({ folder: root })).findings).toEqual([expect.objectContaining({ fault: "added" })]);
  await (await freshArchive(root)).archive.close();
  expect((await verifyEvidence({ folder: root })).findings).toEqual([]);
});

test("what is under legal hold is not removed, across restarts, until the hold is lifted; both are in the log", async () => {
  const { archive, root } = await freshArchive();
  const { folder } = await sealOne(archive, root);
  await archive.hold(folder.incident, true);
  await archive.hold(folder.incident, true);
  await archive.close();
  const { archive: again } = await freshArchive(root);
  expect(again.get(folder.incident)?.held).toBe(true);
  for (const files of [null, ["crops.jpg"]]) await expect(again.remove(folder.incident, { files, cause: "quota" })).rejects.toMatchObject({ code: "conflict" });
  await again.hold(folder.incident, false);
  await again.remove(folder.incident, { files: null, cause: "request" });
  await again.close();
  expect(await verifyEvidence({ folder: root })).toMatchObject({ findings: [], records: 5 });
  await expect(archive.hold("nobody", true)).rejects.toMatchObject({ code: "not-found" });
});

test("nothing about the stream is left in the log when its evidence is gone", async () => {
  const { archive, root } = await freshArchive();
  const { folder } = await sealOne(archive, root, { stream: "private-person" });
  await archive.remove(folder.incident, { files: null, cause: "request" });
  await archive.close();
  await expect(run("grep", ["-r", "-l", "-a", "-F", "-e", "private-person", "-e", "faces' bytes", root])).rejects.toMatchObject({ code: 1 });
  expect((await readdir(root, { recursive: true })).join()).not.toContain("private-person");
});

test("a folder that is no evidence is left alone", async () => {
  const { archive, root } = await freshArchive();
  const { folder } = await sealOne(archive, root);
  await archive.close();
  await rm(join(folder.path, "manifest.json"));
  await appendFile(join(folder.path, "clip.mp4"), "x");
  const again = await freshArchive(root);
  expect(again.archive.list()).toEqual([]);
  expect(await readdir(folder.path)).toContain("clip.mp4");
});

test("a key file that holds something else is refused by name", async () => {
  const root = await freshFolder();
  await writeFile(join(root, "signing-key.pem"), "not a key");
  await expect(freshArchive(root)).rejects.toMatchObject({ code: "evidence-failed", message: expect.stringContaining("signing-key.pem") as string });
});

test("one folder that cannot be brought in line with the log keeps no other from being opened", async () => {
  const { archive, root } = await freshArchive();
  const spoiled = await sealOne(archive, root);
  const other = await sealOne(archive, root);
  await archive.close();
  await rm(join(spoiled.folder.path, "records.jsonl"));
  await mkdir(join(spoiled.folder.path, "records.jsonl", "inside"), { recursive: true });
  const again = await freshArchive(root);
  expect([spoiled, other].map(({ folder }) => again.archive.get(folder.incident)?.manifest.incident)).toEqual([spoiled, other].map(({ folder }) => folder.incident));
});
