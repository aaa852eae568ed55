/** The data folder belongs to one daemon at a time, and remembers the folder of sockets that a killed one could not take away. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Logger } from "pino";
import { TruecastError } from "../pipelines/errors.ts";

export interface DataFolder extends AsyncDisposable {
  /** A new folder for this run's Unix sockets, under the system's temporary one: a socket's path may have 107 bytes. Gone with `close`. */
  makeRuntimeFolder(): Promise<string>;
  close(): Promise<void>;
}

/** SQLite's primary result code for a lock that another process holds. */
const SQLITE_BUSY = 5;
const LOCK_FILE = "truecast.lock";
/** The runtime folder's name, and the inode of the lock: a copy of the data folder must not take the sockets of the daemon that it was copied from. */
const RECORD = /^(truecast-[A-Za-z0-9]{6}) (\d+)$/;

/**
 * The lock is a transaction on an empty database that is never committed: the kernel takes it back however the process ends.
 * @throws TruecastError data-in-use; config-invalid when the folder cannot be used
 */
export function claimDataFolder(dataDir: string, log: Logger): DataFolder {
  const lock = locked(dataDir);
  const record = join(dataDir, "runtime-folder");
  const inode = String(statSync(join(dataDir, LOCK_FILE), { bigint: true }).ino);
  let runtimeFolder: string | null = null;

  const end = async (): Promise<void> => {
    if (runtimeFolder !== null) await rm(runtimeFolder, { recursive: true, force: true });
    rmSync(record, { force: true });
    lock.close();
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= end());
  return {
    async makeRuntimeFolder() {
      removeLeftBehind(record, inode);
      runtimeFolder = await mkdtemp(join(tmpdir(), "truecast-"));
      try {
        writeFileSync(record, `${basename(runtimeFolder)} ${inode}`);
      } catch (error) {
        // A full disk is no reason not to watch: all it costs is this folder, should the daemon be killed.
        log.warn({ err: error, path: record }, "the folder of sockets cannot be noted");
      }
      return runtimeFolder;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function locked(dataDir: string): DatabaseSync {
  const path = join(dataDir, LOCK_FILE);
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(path, { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    const { code, errcode } = error as { readonly code?: string; readonly errcode?: number };
    if (errcode !== undefined && (errcode & 0xff) === SQLITE_BUSY) {
      throw new TruecastError("data-in-use", `dataDir is ${JSON.stringify(dataDir)}, which another Truecast is using. Stop that one, or give this one a folder of its own.`, { cause: error });
    }
    throw new TruecastError("config-invalid", `dataDir is ${JSON.stringify(dataDir)} but ${path} cannot be written or read (${code ?? "unknown error"})`, { cause: error });
  }
}

/** Whoever holds the lock knows that the run which noted it is over. */
function removeLeftBehind(record: string, inode: string): void {
  let noted: string;
  try {
    noted = readFileSync(record, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const [, name, ownInode] = RECORD.exec(noted) ?? [];
  if (name !== undefined && ownInode === inode) rmSync(join(tmpdir(), name), { recursive: true, force: true });
}
