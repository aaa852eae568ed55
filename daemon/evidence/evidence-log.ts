/** The evidence log: appended to, never rewritten, each record on the disk before the call returns; its head is kept beside it, so that a cut shows. */
import { type FileHandle, open, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { writeDurably } from "./durable-files.ts";
import { type LogEntry, type LogLine, type LogRecord, parseLine, signedLine } from "./log-record.ts";
import type { SigningKey } from "./signing-key.ts";

export const LOG_FILE = "log.jsonl";
export const HEAD_FILE = "log-head.json";

/** The newest line, as far as the head was written: a crash may leave it one record behind, never ahead. */
export interface LogHead {
  readonly seq: number;
  readonly sha256: string;
}

export interface EvidenceLog {
  /** What the log held when it was opened, in order, once: it grows for ever, so whoever asks keeps of it what is needed. */
  takeLines(): readonly LogLine[];
  /** Appends durably; calls take their turn. @throws the system's error, and nothing is appended then */
  append(entry: LogEntry): Promise<LogLine>;
  close(): Promise<void>;
}

export interface EvidenceLogOptions {
  readonly folder: string;
  readonly key: SigningKey;
  readonly version: string;
  readonly log: Logger;
  /** Wall clock. */
  readonly now: () => number;
}

export async function openEvidenceLog({ folder, key, version, log, now }: EvidenceLogOptions): Promise<EvidenceLog> {
  const path = join(folder, LOG_FILE);
  const headPath = join(folder, HEAD_FILE);
  const { lines, wholeBytes, damaged } = await readLines(path);
  if (damaged !== null) log.error({ code: "evidence-failed", line: damaged }, "the evidence log holds a line that is no record; `truecast evidence verify` tells more");
  const file = await open(path, "a", 0o600);
  let last = lines.at(-1);
  let bytes = wholeBytes;
  let turn: Promise<unknown> = Promise.resolve();

  async function write(entry: LogEntry): Promise<LogLine> {
    const line = signedLine({ ...entry, seq: (last?.record.seq ?? -1) + 1, previous: last?.sha256 ?? null, at: now(), key: key.fingerprint } as LogRecord, key);
    await appendWhole(file, path, `${line.text}\n`, bytes);
    bytes += Buffer.byteLength(line.text) + 1;
    last = line;
    // Shipped with the log, so that there is a witness outside this disk.
    log.info({ seq: line.record.seq, sha256: line.sha256, kind: line.record.kind }, "evidence log");
    try {
      await writeDurably(headPath, `${JSON.stringify({ seq: line.record.seq, sha256: line.sha256 } satisfies LogHead)}\n`);
    } catch (error) {
      // The record stands; a head that is behind is no fault, and the next record brings it up.
      log.warn({ err: error }, "the head of the evidence log could not be written");
    }
    return line;
  }

  const head = await readHead(headPath);
  const lost = head === null ? 0 : Math.max(0, head.seq - (last?.record.seq ?? -1));
  const signedBefore = last?.record.key === key.fingerprint;
  if (lost > 0) log.error({ code: "evidence-failed", lost }, "the evidence log is shorter than its head says: records were cut off");
  if (lost > 0 || !signedBefore) {
    await write({ kind: "begin", version, publicKey: key.publicKey.export({ type: "spki", format: "der" }).toString("base64"), lost });
  }

  return {
    takeLines: () => lines.splice(0),
    append(entry) {
      const next = turn.then(() => write(entry));
      turn = next.catch(() => undefined);
      return next;
    },
    async close() {
      await turn;
      await file.close();
    },
  };
}

export async function readHead(path: string): Promise<LogHead | null> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  try {
    const { seq, sha256 } = JSON.parse(text ?? "null") as LogHead;
    return Number.isInteger(seq) && typeof sha256 === "string" ? { seq, sha256 } : null;
  } catch {
    // Not a head: as good as none, and verification says so.
    return null;
  }
}

/** A line without its line feed was being written when the power went: it was never told to anybody, and is cut off. */
async function readLines(path: string): Promise<{ lines: LogLine[]; wholeBytes: number; damaged: number | null }> {
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
  const wholeBytes = content.lastIndexOf(0x0a) + 1;
  if (wholeBytes < content.length) await truncate(path, wholeBytes);
  const texts = content.subarray(0, wholeBytes).toString("utf8").split("\n").slice(0, -1);
  const parsed = texts.map(parseLine);
  const damaged = parsed.indexOf(null);
  return { lines: parsed.filter((line) => line !== null), wholeBytes, damaged: damaged === -1 ? null : damaged + 1 };
}

/** A half-written line, as on a full disk, is taken back. */
async function appendWhole(file: FileHandle, path: string, text: string, sizeBefore: number): Promise<void> {
  try {
    await file.writeFile(text);
    await file.datasync();
  } catch (error) {
    await truncate(path, sizeBefore);
    throw error;
  }
}
