/** Verifies evidence without the daemon: files against manifests, manifests against the log, the log against its chain and its signatures. */
import type { KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TruecastError } from "../../pipelines/errors.ts";
import { sha256Of, sha256OfFile } from "./durable-files.ts";
import { HEAD_FILE, LOG_FILE, readHead } from "./evidence-log.ts";
import { type IncidentFolder, listIncidents, namesIn, RECORDING_FOLDER } from "./folders.ts";
import { isSigned, type LogLine, parseLine } from "./log-record.ts";
import { MANIFEST_FILE, type Manifest, parseManifest, RECORDS_FILE } from "./manifest.ts";
import { fingerprintOf, PUBLIC_KEY_FILE, readPublicKey } from "./signing-key.ts";

export type Fault = "changed" | "missing" | "added" | "reordered" | "not signed";

export interface Finding {
  readonly fault: Fault;
  /** File or line, relative to the folder that is verified. */
  readonly where: string;
  readonly message: string;
}

export interface Verification {
  readonly findings: readonly Finding[];
  /** What is gone rightly: by retention, quota or request, with a signed record each. */
  readonly removed: readonly string[];
  readonly incidents: number;
  readonly files: number;
  readonly records: number;
  readonly fingerprint: string;
  /** True when the key came from elsewhere than the evidence itself. */
  readonly keyIsIndependent: boolean;
}

export interface VerifyOptions {
  /** The evidence folder, or the folder of one incident. */
  readonly folder: string;
  /** PEM; without it, the key that lies with the evidence. */
  readonly publicKeyPem?: string | undefined;
}

/** @throws TruecastError evidence-failed when there is nothing to verify here, or no key to do it with */
export async function verifyEvidence({ folder, publicKeyPem }: VerifyOptions): Promise<Verification> {
  if (await exists(join(folder, LOG_FILE))) return await verifyAll(folder, await keyFor(folder, publicKeyPem));
  if (await exists(join(folder, MANIFEST_FILE))) return await verifyOne(folder, await keyFor(join(folder, "../../.."), publicKeyPem));
  throw new TruecastError("evidence-failed", `${folder} holds neither ${LOG_FILE} (the evidence folder) nor ${MANIFEST_FILE} (the folder of one incident)`);
}

interface Key {
  readonly publicKey: KeyObject;
  readonly independent: boolean;
}

async function keyFor(root: string, pem: string | undefined): Promise<Key> {
  if (pem !== undefined) return { publicKey: readPublicKey(pem, "the public key"), independent: true };
  const path = join(root, PUBLIC_KEY_FILE);
  const found = await readFile(path).catch(() => null);
  if (found === null) throw new TruecastError("evidence-failed", `there is no ${PUBLIC_KEY_FILE} beside the evidence; name one with --public-key`);
  return { publicKey: readPublicKey(found, path), independent: false };
}

/** What the records of one incident say of it, taken together. */
interface IncidentHistory {
  readonly lines: LogLine[];
  sealed: LogLine | null;
  removedFiles: Set<string>;
  removedWhole: boolean;
}

async function verifyAll(root: string, key: Key): Promise<Verification> {
  const findings: Finding[] = [];
  const lines = readLog(await readFile(join(root, LOG_FILE), "utf8"), key, findings);
  await checkHead(root, lines, findings);
  const histories = historiesOf(lines);
  const { incidents, strangers } = await listIncidents(root);
  for (const where of strangers) findings.push({ fault: "added", where, message: "is no part of the evidence" });
  const removed: string[] = [];
  let files = 0;
  for (const folder of incidents) {
    const where = join(folder.day, folder.stream, folder.incident);
    const history = histories.get(folder.incident);
    if (history?.sealed === undefined || history.sealed === null) {
      findings.push({ fault: "added", where, message: "is in no record of the log" });
      continue;
    }
    if (history.removedWhole) findings.push({ fault: "added", where, message: "is here, but the log says that it was deleted" });
    files += await checkFolder(folder, { where, history, findings, removed });
  }
  const here = new Map(incidents.map(({ incident, path }) => [incident, path]));
  const recording = new Set(await namesIn(join(root, RECORDING_FOLDER)));
  for (const [incident, { sealed, removedWhole }] of histories) {
    if (removedWhole) removed.push(incident);
    // Between its record and its place it is still in the folder of recordings; the next start puts it there.
    else if (sealed !== null && !here.has(incident) && !recording.has(incident)) findings.push({ fault: "missing", where: incident, message: `has a record (number ${sealed.record.seq}) but no folder` });
  }
  return { findings, removed, incidents: incidents.length, files, records: lines.length, fingerprint: fingerprintOf(key.publicKey), keyIsIndependent: key.independent };
}

/** A folder that was copied out: the records of its incident are beside it, the chain is not. */
async function verifyOne(path: string, key: Key): Promise<Verification> {
  const findings: Finding[] = [];
  const removed: string[] = [];
  const text = await readFile(join(path, RECORDS_FILE), "utf8").catch(() => null);
  if (text === null) findings.push({ fault: "missing", where: RECORDS_FILE, message: "is not there, so nothing vouches for the manifest" });
  const lines: LogLine[] = [];
  for (const [index, one] of (text ?? "").split("\n").slice(0, -1).entries()) {
    const line = parseLine(one);
    if (line === null) findings.push({ fault: "changed", where: `${RECORDS_FILE}:${index + 1}`, message: "is no record as Truecast writes it" });
    else if (!isSigned(line, key.publicKey)) findings.push(notSigned(`${RECORDS_FILE}:${index + 1}`, line, key.publicKey));
    else lines.push(line);
  }
  const histories = historiesOf(lines);
  const [incident, history] = [...histories][0] ?? ["", null];
  if (text !== null && (histories.size !== 1 || history?.sealed === null)) findings.push({ fault: "changed", where: RECORDS_FILE, message: "does not hold the records of one incident" });
  const files = await checkFolder({ path, incident }, { where: "", history: history ?? emptyHistory(), findings, removed });
  return { findings, removed, incidents: 1, files, records: lines.length, fingerprint: fingerprintOf(key.publicKey), keyIsIndependent: key.independent };
}

function readLog(text: string, key: Key, findings: Finding[]): readonly LogLine[] {
  const texts = text.split("\n");
  if (texts.pop() !== "") findings.push({ fault: "changed", where: `${LOG_FILE}:${texts.length + 1}`, message: "the last line is not whole" });
  const parsed = texts.map(parseLine);
  const known = new Set(parsed.flatMap((line) => (line === null ? [] : [line.record.seq])));
  let expected = 0;
  let previous: string | null = null;
  for (const [index, line] of parsed.entries()) {
    const where = `${LOG_FILE}:${index + 1}`;
    if (line === null) {
      findings.push({ fault: "changed", where, message: "is no record as Truecast writes it" });
      expected++;
      previous = null;
      continue;
    }
    const { record } = line;
    if (!isSigned(line, key.publicKey)) findings.push(notSigned(where, line, key.publicKey));
    if (record.seq !== expected) findings.push(misplaced(where, record.seq, expected, known.has(expected)));
    // After a line that is already named there is nothing to compare with.
    else if (record.previous !== previous && (previous !== null || index === 0)) findings.push({ fault: "changed", where, message: `record ${record.seq} continues another line than the one before it` });
    if (record.kind === "begin" && record.lost > 0) findings.push({ fault: "missing", where, message: `${record.lost} records before this one were cut off; Truecast noticed it at this start` });
    expected = record.seq + 1;
    previous = line.sha256;
  }
  return parsed.filter((line) => line !== null);
}

function misplaced(where: string, seq: number, expected: number, expectedIsElsewhere: boolean): Finding {
  if (seq > expected && !expectedIsElsewhere) return { fault: "missing", where, message: seq === expected + 1 ? `record ${expected} is missing before it` : `records ${expected} to ${seq - 1} are missing before it` };
  return { fault: "reordered", where, message: `record ${seq} stands where record ${expected} belongs` };
}

function notSigned(where: string, { record }: LogLine, publicKey: KeyObject): Finding {
  const foreign = record.key !== fingerprintOf(publicKey);
  return { fault: "not signed", where, message: foreign ? `record ${record.seq} names another key (${record.key.slice(0, 16)}…)` : `the signature of record ${record.seq} does not fit: the record was changed after it was signed` };
}

async function checkHead(root: string, lines: readonly LogLine[], findings: Finding[]): Promise<void> {
  const head = await readHead(join(root, HEAD_FILE));
  if (head === null) {
    findings.push({ fault: "missing", where: HEAD_FILE, message: "cannot be read, so nothing shows whether the log's end was cut off" });
    return;
  }
  const last = lines.at(-1)?.record.seq ?? -1;
  if (head.seq > last) findings.push({ fault: "missing", where: LOG_FILE, message: `the log ends with record ${last}, but its head says ${head.seq}: its end was cut off` });
  else if (lines.find(({ record }) => record.seq === head.seq)?.sha256 !== head.sha256) findings.push({ fault: "changed", where: HEAD_FILE, message: `names another record ${head.seq} than the log has` });
}

function historiesOf(lines: readonly LogLine[]): Map<string, IncidentHistory> {
  const histories = new Map<string, IncidentHistory>();
  for (const line of lines) {
    const { record } = line;
    if (record.kind === "begin") continue;
    const history = histories.get(record.incident) ?? emptyHistory();
    histories.set(record.incident, history);
    history.lines.push(line);
    if (record.kind === "hold") continue;
    if (record.kind === "incident") history.sealed = line;
    else if (record.files === null) history.removedWhole = true;
    else for (const name of record.files) history.removedFiles.add(name);
  }
  return histories;
}

function emptyHistory(): IncidentHistory {
  return { lines: [], sealed: null, removedFiles: new Set(), removedWhole: false };
}

interface FolderCheck {
  readonly where: string;
  readonly history: IncidentHistory;
  readonly findings: Finding[];
  readonly removed: string[];
}

/** @returns how many files are as they were */
async function checkFolder({ path, incident }: Pick<IncidentFolder, "path" | "incident">, { where, history, findings, removed }: FolderCheck): Promise<number> {
  const at = (name: string): string => join(where, name);
  const text = await readFile(join(path, MANIFEST_FILE)).catch(() => null);
  if (text === null) {
    findings.push({ fault: "missing", where: at(MANIFEST_FILE), message: "is not there" });
    return 0;
  }
  const record = history.sealed?.record;
  if (record?.kind === "incident" && sha256Of(text) !== record.manifestSha256) findings.push({ fault: "changed", where: at(MANIFEST_FILE), message: `is not the one that record ${record.seq} signs` });
  if (where !== "" && (await readFile(join(path, RECORDS_FILE), "utf8").catch(() => "")) !== history.lines.map((line) => `${line.text}\n`).join("")) {
    findings.push({ fault: "changed", where: at(RECORDS_FILE), message: "is missing, or has not the log's records of this incident" });
  }
  const manifest = parseManifest(text.toString("utf8"));
  if (manifest === null) {
    findings.push({ fault: "changed", where: at(MANIFEST_FILE), message: "is no manifest of evidence" });
    return 0;
  }
  if (manifest.incident !== incident) findings.push({ fault: "changed", where: at(MANIFEST_FILE), message: "is that of another incident" });
  const known = new Set([MANIFEST_FILE, RECORDS_FILE, ...manifest.files.map(({ name }) => name)]);
  for (const name of await namesIn(path)) if (!known.has(name)) findings.push({ fault: "added", where: at(name), message: "is not in the manifest" });
  return await checkFiles(path, manifest, { at, history, findings, removed });
}

async function checkFiles(path: string, manifest: Manifest, { at, history, findings, removed }: Omit<FolderCheck, "where"> & { readonly at: (name: string) => string }): Promise<number> {
  let good = 0;
  for (const { name, bytes, sha256 } of manifest.files) {
    const found = await sha256OfFile(join(path, name)).catch(() => null);
    const wasRemoved = history.removedFiles.has(name);
    if (found === null) {
      if (wasRemoved) removed.push(at(name));
      else findings.push({ fault: "missing", where: at(name), message: "is in the manifest but not here" });
    } else if (wasRemoved) {
      findings.push({ fault: "added", where: at(name), message: "is here, but the log says that it was deleted" });
    } else if (found.sha256 !== sha256 || found.bytes !== bytes) {
      findings.push({ fault: "changed", where: at(name), message: found.bytes === bytes ? "has other bytes than when it was sealed" : `has ${found.bytes} bytes, ${bytes} when it was sealed` });
    } else good++;
  }
  return good;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false);
}
