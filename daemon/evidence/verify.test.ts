/** Every way of tampering that we could think of, on real folders: each must show, and be called by its name. */
import { generateKeyPairSync, sign } from "node:crypto";
import { appendFile, copyFile, cp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { SealedIncident } from "./archive.ts";
import { canonicalJson } from "./canonical-json.ts";
import { HEAD_FILE, LOG_FILE } from "./evidence-log.ts";
import { fingerprintOf } from "./signing-key.ts";
import { freshArchive, freshFolder, sealOne } from "./testing/sealed.ts";
import { type Finding, verifyEvidence } from "./verify.ts";

let root: string;
let incidents: SealedIncident[];
let publicKeyPem: string;

beforeEach(async () => {
  const fresh = await freshArchive();
  root = fresh.root;
  incidents = [await sealOne(fresh.archive, root), await sealOne(fresh.archive, root, { stream: "gate" }), await sealOne(fresh.archive, root)];
  await fresh.archive.close();
  publicKeyPem = await readFile(join(root, "public-key.pem"), "utf8");
});

const findings = async (folder = root): Promise<readonly Finding[]> => (await verifyEvidence({ folder, publicKeyPem })).findings;
const first = (): SealedIncident => incidents[0] ?? expect.fail();
const inFirst = (name: string): string => join(relative(root, first().folder.path), name);

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x01;
  await writeFile(path, bytes);
}

const logLines = async (): Promise<string[]> => (await readFile(join(root, LOG_FILE), "utf8")).trimEnd().split("\n");
const writeLog = (lines: readonly string[]): Promise<void> => writeFile(join(root, LOG_FILE), lines.map((line) => `${line}\n`).join(""));

test("what nobody touched is verified whole", async () => {
  const verification = await verifyEvidence({ folder: root, publicKeyPem });
  expect(verification).toMatchObject({ findings: [], removed: [], incidents: 3, files: 9, records: 4, keyIsIndependent: true });
});

describe("files", () => {
  test("one flipped bit in any file of an incident is named with the file, wherever in the file it is", async () => {
    const { manifest, folder } = first();
    for (const name of [...manifest.files.map((file) => file.name), "manifest.json", "records.jsonl"]) {
      const path = join(folder.path, name);
      const { length } = await readFile(path);
      for (const at of [0, Math.floor(length / 2), length - 1]) {
        await flipByte(path, at);
        expect(await findings(), `${name} at ${at}`).toContainEqual(expect.objectContaining({ fault: "changed", where: inFirst(name) }));
        await flipByte(path, at);
      }
    }
    expect(await findings()).toEqual([]);
  });

  test("a removed file, manifest or folder is missing", async () => {
    await rm(join(first().folder.path, "crops.jpg"));
    expect(await findings()).toEqual([expect.objectContaining({ fault: "missing", where: inFirst("crops.jpg") })]);
    await rm(join(first().folder.path, "manifest.json"));
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "missing", where: inFirst("manifest.json") }));
    await rm(first().folder.path, { recursive: true });
    expect(await findings()).toEqual([expect.objectContaining({ fault: "missing", where: first().folder.incident })]);
  });

  test("an added file, or an added incident, is added", async () => {
    await writeFile(join(first().folder.path, "extra.jpg"), "planted");
    expect(await findings()).toEqual([expect.objectContaining({ fault: "added", where: inFirst("extra.jpg") })]);
    await rm(join(first().folder.path, "extra.jpg"));
    const planted = "00000000-0000-4000-8000-000000000000";
    await cp(first().folder.path, join(first().folder.path, "..", planted), { recursive: true });
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "added", where: expect.stringContaining(planted) as string }));
  });

  test("two incidents that changed places are told", async () => {
    const [a, , c] = incidents;
    if (!a || !c) return expect.fail();
    await rename(a.folder.path, `${a.folder.path}-aside`);
    await rename(c.folder.path, a.folder.path);
    await rename(`${a.folder.path}-aside`, c.folder.path);
    expect((await findings()).filter(({ fault }) => fault === "changed").length).toBeGreaterThanOrEqual(2);
  });

  test("a manifest rewritten to fit a changed file does not fit its record", async () => {
    const path = join(first().folder.path, "manifest.json");
    await writeFile(path, (await readFile(path, "utf8")).replace(/"complete": true/, '"complete": false'));
    expect(await findings()).toEqual([expect.objectContaining({ fault: "changed", where: inFirst("manifest.json"), message: expect.stringContaining("record 1") as string })]);
  });
});

describe("the log", () => {
  test("one flipped bit in any line is named with the line", async () => {
    const lines = await logLines();
    for (const [index] of lines.entries()) {
      const changed = lines.with(index, (lines[index] ?? "").replace(/"seq":(\d)/, '"seq":1$1'));
      await writeLog(changed);
      expect((await findings()).map(({ where }) => where), `line ${index + 1}`).toContain(`${LOG_FILE}:${index + 1}`);
    }
    await writeLog(lines.with(1, (lines[1] ?? "").replace("record", "recorD")));
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "changed", where: `${LOG_FILE}:2` }));
  });

  test("two records that changed places are reordered", async () => {
    const [begin = "", one = "", two = "", three = ""] = await logLines();
    await writeLog([begin, two, one, three]);
    const found = await findings();
    expect(found.filter(({ fault }) => fault === "reordered").map(({ where }) => where)).toEqual(expect.arrayContaining([`${LOG_FILE}:2`, `${LOG_FILE}:3`]));
  });

  test("a record taken out of the middle is missing", async () => {
    const [begin = "", , two = "", three = ""] = await logLines();
    await writeLog([begin, two, three]);
    expect(await findings()).toEqual(expect.arrayContaining([expect.objectContaining({ fault: "missing", where: `${LOG_FILE}:2`, message: "record 1 is missing before it" }), expect.objectContaining({ fault: "added", where: relative(root, first().folder.path) })]));
  });

  test("a log whose end was cut off is told, though what is left is a whole chain", async () => {
    const lines = await logLines();
    await writeLog(lines.slice(0, -1));
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "missing", where: LOG_FILE, message: expect.stringContaining("its end was cut off") as string }));
    await rm(join(root, HEAD_FILE));
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "missing", where: HEAD_FILE }));
  });

  test("a log cut off together with what it told of, and its head, is told by nothing but a copy of the head", async () => {
    const lines = await logLines();
    const head = await readFile(join(root, HEAD_FILE));
    await writeLog(lines.slice(0, -1));
    await rm(incidents.at(-1)?.folder.path ?? "", { recursive: true });
    await rm(join(root, HEAD_FILE));
    expect(await findings()).toEqual([expect.objectContaining({ fault: "missing", where: HEAD_FILE })]);
    await writeFile(join(root, HEAD_FILE), head);
    expect(await findings()).toEqual([expect.objectContaining({ fault: "missing", where: LOG_FILE })]);
  });

  test("a start that finds the log cut goes on, and says so for ever", async () => {
    const lines = await logLines();
    await writeLog(lines.slice(0, 2));
    const { archive } = await freshArchive(root);
    await sealOne(archive, root);
    await archive.close();
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "missing", message: expect.stringContaining("2 records before this one were cut off") as string }));
  });

  test("half a line at the end, as a power cut leaves it, is taken off and harms nothing", async () => {
    await appendFile(join(root, LOG_FILE), '{"record":{"at":1');
    const { archive } = await freshArchive(root);
    await sealOne(archive, root);
    await archive.close();
    expect(await findings()).toEqual([]);
  });

  test("a whole log signed anew with another key is not signed", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const forged = (await logLines()).map((line) => {
      const { record } = JSON.parse(line) as { record: Record<string, never> };
      const changed = { ...record, key: fingerprintOf(publicKey) };
      return canonicalJson({ record: changed, signature: sign(null, Buffer.from(canonicalJson(changed)), privateKey).toString("base64") });
    });
    await writeLog(forged);
    await writeFile(join(root, "public-key.pem"), publicKey.export({ type: "spki", format: "pem" }));
    const found = await findings();
    expect(found.filter(({ fault }) => fault === "not signed")).toHaveLength(4);
    expect(found[0]?.message).toContain("names another key");
    // Whoever can write the evidence can write the key beside it, which is why that one proves nothing.
    expect((await verifyEvidence({ folder: root })).keyIsIndependent).toBe(false);
  });

  test("a signature by another key under the right key's name does not fit", async () => {
    const lines = await logLines();
    const { privateKey } = generateKeyPairSync("ed25519");
    const { record } = JSON.parse(lines[1] ?? "") as { record: Record<string, never> };
    const signature = sign(null, Buffer.from(canonicalJson(record)), privateKey).toString("base64");
    await writeLog(lines.with(1, canonicalJson({ record, signature })));
    expect(await findings()).toContainEqual(expect.objectContaining({ fault: "not signed", where: `${LOG_FILE}:2`, message: expect.stringContaining("does not fit") as string }));
  });
});

describe("the folder of one incident, copied out", () => {
  let copy: string;
  beforeEach(async () => {
    copy = join(await freshFolder(), "copy");
    await cp(first().folder.path, copy, { recursive: true });
  });

  test("is verified by its own records, with the key named", async () => {
    expect(await verifyEvidence({ folder: copy, publicKeyPem })).toMatchObject({ findings: [], files: 3, records: 1 });
    await expect(verifyEvidence({ folder: copy })).rejects.toMatchObject({ code: "evidence-failed" });
  });

  test("shows a changed file, another incident's record, and a missing record", async () => {
    await flipByte(join(copy, "clip.mp4"), 3);
    expect(await findings(copy)).toEqual([expect.objectContaining({ fault: "changed", where: "clip.mp4" })]);
    await flipByte(join(copy, "clip.mp4"), 3);
    await copyFile(join(incidents[1]?.folder.path ?? "", "records.jsonl"), join(copy, "records.jsonl"));
    expect((await findings(copy)).map(({ fault, where }) => `${fault} ${where}`)).toContain("changed manifest.json");
    await rm(join(copy, "records.jsonl"));
    expect(await findings(copy)).toContainEqual(expect.objectContaining({ fault: "missing", where: "records.jsonl" }));
  });
});

test("a folder without evidence is no evidence", async () => {
  await expect(verifyEvidence({ folder: await freshFolder() })).rejects.toMatchObject({ code: "evidence-failed" });
});
