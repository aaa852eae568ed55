/** Erases alerts on request, so that their bytes are on the disk no longer: neither in free pages nor in the write-ahead log. */
import type { DatabaseSync } from "node:sqlite";
import { TruecastError } from "../../pipelines/errors.ts";

export interface Erasure {
  /**
   * Ended alerts with their history; open ones stay. Returns when nothing of them is left in the store's files.
   * @returns how many were erased
   * @throws TruecastError store-failed, also when they are erased but a reader in another process keeps their bytes in the
   * write-ahead log: the next erasure after that takes them away, and so does closing the store
   */
  eraseAlerts(ids: readonly string[]): number;
  /** Ended alerts of a stream, but for those to keep. */
  eraseStream(stream: string, keep: readonly string[]): number;
}

interface Access {
  readonly read: <T>(work: () => T) => T;
  readonly write: <T>(work: () => T) => T;
}

/**
 * `PRAGMA secure_delete` has freed cells and pages overwritten, at the price of a page write each; the write-ahead log keeps
 * older versions of pages until it is folded in and cut to nothing. VACUUM would do the former by rewriting all of the file,
 * while alerts wait for it.
 */
export function createErasure(database: DatabaseSync, { read, write }: Access): Erasure {
  const checkpoint = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  const byIds = database.prepare("DELETE FROM alerts WHERE state = 'resolved' AND id IN (SELECT value FROM json_each(?))");
  const byStream = database.prepare("DELETE FROM alerts WHERE state = 'resolved' AND stream = ? AND id NOT IN (SELECT value FROM json_each(?))");
  const foldIn = (): Readonly<Record<string, unknown>> => read(() => checkpoint.get() ?? {});
  const erase = (work: () => number): number => {
    const erased = write(work);
    // Also when nothing was erased now: the try before may have stopped here.
    if (foldIn()["busy"] !== 0) throw new TruecastError("store-failed", "The alerts are erased, but another process reads the store and keeps their bytes in its write-ahead log; they go with the next erasure after that, or as Truecast ends.");
    return erased;
  };
  return {
    eraseAlerts: (ids) => erase(() => Number(byIds.run(JSON.stringify(ids)).changes)),
    eraseStream: (stream, keep) => erase(() => Number(byStream.run(stream, JSON.stringify(keep)).changes)),
  };
}
