/** One writer a folder: a lock that the kernel lifts when its process ends, however it ends. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TruecastError } from "../../pipelines/errors.ts";

export const LOCK_FILE = "lock.db";

export interface FolderLock {
  release(): void;
}

/** Node has no flock; SQLite takes one, and a pid in a file would outlive its process. @throws TruecastError conflict */
export function lockFolder(folder: string): FolderLock {
  const database = new DatabaseSync(join(folder, LOCK_FILE), { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw new TruecastError("conflict", `${folder} is in use by another process`, { cause: error });
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}
