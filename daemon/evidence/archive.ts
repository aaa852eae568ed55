/** Sealed evidence: what is there, its way in, legal holds, and its ways out, each with a signed record before a file goes. */
import { mkdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import { sha256Of, syncFolder, writeDurably } from "./durable-files.ts";
import { type EvidenceLog, openEvidenceLog } from "./evidence-log.ts";
import { lockFolder } from "./folder-lock.ts";
import { type IncidentFolder, incidentFolder, listIncidents } from "./folders.ts";
import type { LogEntry, LogLine, RemovalCause } from "./log-record.ts";
import { MANIFEST_FILE, type Manifest, parseManifest, RECORDS_FILE } from "./manifest.ts";
import { openSigningKey } from "./signing-key.ts";

/** Sealed evidence of one incident. */
export interface SealedIncident {
  readonly folder: IncidentFolder;
  readonly manifest: Manifest;
  readonly held: boolean;
  /** Names of files that are gone, each with its record. */
  readonly removed: ReadonlySet<string>;
}

export interface Archive extends AsyncDisposable {
  /** Bytes of all files that are still there. */
  readonly bytes: number;
  get(incident: string): SealedIncident | null;
  /** Also when it was deleted since. */
  has(incident: string): boolean;
  /** When all of it was deleted, and why; null when it was not. */
  removalOf(incident: string): { readonly at: number; readonly cause: RemovalCause } | null;
  /** Oldest first. */
  list(): readonly SealedIncident[];
  /**
   * Signs a finished folder and puts it in its place. Its files are whole and on the disk, its manifest is the last of them.
   * May be called again for a folder whose sealing was interrupted.
   */
  seal(staging: string, manifest: Manifest): Promise<SealedIncident>;
  /** The manifest of a finished folder whose record stands, but which is not in its place yet; else null. */
  interrupted(staging: string): Promise<Manifest | null>;
  /** @throws TruecastError not-found */
  hold(incident: string, held: boolean): Promise<void>;
  /**
   * Takes out the files, or all of the incident; null does so.
   * @throws TruecastError not-found; conflict when it is held
   */
  remove(incident: string, options: { readonly files: readonly string[] | null; readonly cause: RemovalCause }): Promise<void>;
  close(): Promise<void>;
}

export interface ArchiveOptions {
  /** Of all evidence. */
  readonly folder: string;
  readonly version: string;
  readonly log: Logger;
  readonly now?: () => number;
}

/** Reads what is there, and finishes what an earlier run began to delete. @throws TruecastError conflict when another process has it open, evidence-failed; the system's error */
export async function openArchive({ folder: root, version, log, now = Date.now }: ArchiveOptions): Promise<Archive> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  // Two writers would fork the chain.
  const lock = lockFolder(root);
  const records = await openRecords().catch((error: unknown) => {
    lock.release();
    throw error;
  });
  const sealed = new Map<string, SealedIncident>();
  const removals = new Map<string, { readonly at: number; readonly cause: RemovalCause }>();
  const linesOf = Map.groupBy(
    records.takeLines().filter(({ record }) => record.kind !== "begin"),
    ({ record }) => (record.kind === "begin" ? "" : record.incident),
  );
  let bytes = 0;
  let turn: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;

  await readAll().catch(async (error: unknown) => {
    await close();
    throw error;
  });

  async function openRecords(): Promise<EvidenceLog> {
    return await openEvidenceLog({ folder: root, key: await openSigningKey(root), version, log, now });
  }

  async function close(): Promise<void> {
    await turn;
    await records.close();
    lock.release();
  }

  /** One change at a time: each reads what the one before has left. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work);
    turn = next.catch(() => undefined);
    return next;
  }

  async function readAll(): Promise<void> {
    for (const [incident, lines] of linesOf) {
      const whole = lines.find(({ record }) => record.kind === "removal" && record.files === null)?.record;
      if (whole?.kind === "removal") removals.set(incident, { at: whole.at, cause: whole.cause });
    }
    const { incidents } = await listIncidents(root);
    for (const folder of incidents) {
      const lines = linesOf.get(folder.incident) ?? [];
      if (removals.has(folder.incident)) {
        await mended(folder, () => removeFolder(folder));
        continue;
      }
      const manifest = parseManifest(await readFile(join(folder.path, MANIFEST_FILE), "utf8").catch(() => ""));
      if (manifest === null || !lines.some(({ record }) => record.kind === "incident")) {
        log.error({ incident: folder.incident, path: folder.path, code: "evidence-failed" }, "a folder of evidence has no manifest or no record; it is left alone");
        continue;
      }
      const entry: SealedIncident = { folder, manifest, held: heldBy(lines), removed: removedBy(lines) };
      await mended(folder, async () => {
        for (const name of entry.removed) await rm(join(folder.path, name), { force: true });
        await writeRecords(folder, lines);
      });
      sealed.set(folder.incident, entry);
      bytes += bytesOf(entry);
    }
    for (const incident of removals.keys()) linesOf.delete(incident);
  }

  /** What cannot be set right here, on a full disk or in a folder of another user, is tried again by the next start and keeps nothing else. */
  async function mended(folder: IncidentFolder, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => log.error({ err: error, code: "evidence-failed", incident: folder.incident, path: folder.path }, "a folder of evidence could not be brought in line with the log"));
  }

  async function append(entry: LogEntry & { readonly incident: string }): Promise<readonly LogLine[]> {
    const line = await records.append(entry);
    const lines = [...(linesOf.get(entry.incident) ?? []), line];
    linesOf.set(entry.incident, lines);
    return lines;
  }

  function known(incident: string): SealedIncident {
    const entry = sealed.get(incident);
    if (entry === undefined) throw new TruecastError("not-found", `There is no sealed evidence of an incident ${JSON.stringify(incident)}.`);
    return entry;
  }

  const archive: Archive = {
    get bytes() {
      return bytes;
    },
    get: (incident) => sealed.get(incident) ?? null,
    has: (incident) => sealed.has(incident) || removals.has(incident),
    removalOf: (incident) => removals.get(incident) ?? null,
    list: () => [...sealed.values()].toSorted((a, b) => a.manifest.firedAt - b.manifest.firedAt),
    seal: (staging, manifest) =>
      inTurn(async () => {
        const { incident, stream, firedAt } = manifest;
        const already = sealed.get(incident);
        if (already !== undefined) return already;
        const manifestSha256 = sha256Of(await readFile(join(staging, MANIFEST_FILE)));
        const before = linesOf.get(incident) ?? [];
        const isRecorded = before.some(({ record }) => record.kind === "incident" && record.manifestSha256 === manifestSha256);
        const lines = isRecorded ? before : await append({ kind: "incident", incident, manifestSha256 });
        await writeDurably(join(staging, RECORDS_FILE), textOf(lines));
        const folder = incidentFolder(root, { stream, incident, atMs: firedAt });
        await mkdir(dirname(folder.path), { recursive: true, mode: 0o700 });
        await rename(staging, folder.path);
        // The day's and the stream's own entries too, which may be new: after a power cut the record must not stand alone.
        for (const parent of [dirname(folder.path), join(root, folder.day), root]) await syncFolder(parent);
        const entry: SealedIncident = { folder, manifest, held: heldBy(lines), removed: new Set() };
        sealed.set(incident, entry);
        bytes += bytesOf(entry);
        return entry;
      }),
    async interrupted(staging) {
      const text = await readFile(join(staging, MANIFEST_FILE)).catch(() => null);
      const manifest = text === null ? null : parseManifest(text.toString("utf8"));
      if (text === null || manifest === null) return null;
      const manifestSha256 = sha256Of(text);
      return (linesOf.get(manifest.incident) ?? []).some(({ record }) => record.kind === "incident" && record.manifestSha256 === manifestSha256) ? manifest : null;
    },
    hold: (incident, held) =>
      inTurn(async () => {
        const entry = known(incident);
        if (entry.held === held) return;
        const lines = await append({ kind: "hold", incident, held });
        sealed.set(incident, { ...entry, held });
        await writeRecords(entry.folder, lines);
      }),
    remove: (incident, { files, cause }) =>
      inTurn(async () => {
        const entry = known(incident);
        if (entry.held) throw new TruecastError("conflict", `The evidence of incident ${incident} is under legal hold; lift the hold first.`);
        const names = files?.filter((name) => !entry.removed.has(name)) ?? null;
        if (names?.length === 0) return;
        const lines = await append({ kind: "removal", incident, files: names === null ? null : [...names], cause });
        const before = bytesOf(entry);
        if (names === null) {
          sealed.delete(incident);
          removals.set(incident, { at: now(), cause });
          bytes -= before;
          linesOf.delete(incident);
          await removeFolder(entry.folder);
          return;
        }
        const left: SealedIncident = { ...entry, removed: new Set([...entry.removed, ...names]) };
        sealed.set(incident, left);
        bytes += bytesOf(left) - before;
        for (const name of names) await rm(join(entry.folder.path, name), { force: true });
        await writeRecords(entry.folder, lines);
      }),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => archive.close(),
  };
  return archive;
}

/** Days and streams without evidence leave no name behind. */
async function removeFolder({ path }: IncidentFolder): Promise<void> {
  await rm(path, { recursive: true, force: true });
  const stream = dirname(path);
  await syncFolder(stream);
  for (const folder of [stream, dirname(stream)]) {
    const isGone = await rmdir(folder).then(() => true, (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOTEMPTY") return false;
      throw error;
    });
    if (!isGone) return;
  }
}

async function writeRecords(folder: IncidentFolder, lines: readonly LogLine[]): Promise<void> {
  const path = join(folder.path, RECORDS_FILE);
  const text = textOf(lines);
  if ((await readFile(path, "utf8").catch(() => null)) !== text) await writeDurably(path, text);
}

function textOf(lines: readonly LogLine[]): string {
  return lines.map(({ text }) => `${text}\n`).join("");
}

function heldBy(lines: readonly LogLine[]): boolean {
  const last = lines.findLast(({ record }) => record.kind === "hold")?.record;
  return last?.kind === "hold" && last.held;
}

function removedBy(lines: readonly LogLine[]): ReadonlySet<string> {
  return new Set(lines.flatMap(({ record }) => (record.kind === "removal" ? (record.files ?? []) : [])));
}

function bytesOf({ manifest, removed }: SealedIncident): number {
  return manifest.files.reduce((sum, { name, bytes }) => sum + (removed.has(name) ? 0 : bytes), 0);
}
