/** Erases alerts on request, so that their bytes are on the disk no longer: neither in free pages nor in the write-ahead log. */
import type { DatabaseSync } from "node:sqlite";

export interface Erasure {
  /**
   * Ended alerts with their history; open ones stay. Returns when nothing of them is left in the store's files.
   * @returns how many were erased
   */
  eraseAlerts(ids: readonly string[]): number;
  /** Ended alerts of a stream, but for those to keep. */
  eraseStream(stream: string, keep: readonly string[]): number;
}

interface Access {
  readonly write: <T>(work: () => T) => T;
}

/**
 * `PRAGMA secure_delete` has freed cells and pages overwritten, at the price of a page write each; the write-ahead log keeps
 * older versions of pages until it is folded in and cut to nothing. VACUUM would do the former by rewriting all of the file,
 * while alerts wait for it.
 */
export function createErasure(database: DatabaseSync, { write }: Access): Erasure {
  const byIds = database.prepare("DELETE FROM alerts WHERE state = 'resolved' AND id IN (SELECT value FROM json_each(?))");
  const byStream = database.prepare("DELETE FROM alerts WHERE state = 'resolved' AND stream = ? AND id NOT IN (SELECT value FROM json_each(?))");
  const erase = (work: () => number): number => {
    const erased = write(work);
    if (erased > 0) database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return erased;
  };
  return {
    eraseAlerts: (ids) => erase(() => Number(byIds.run(JSON.stringify(ids)).changes)),
    eraseStream: (stream, keep) => erase(() => Number(byStream.run(stream, JSON.stringify(keep)).changes)),
  };
}
