/** Sources that were added over HTTP, kept across restarts. Their URLs may hold credentials: the file is its user's alone. */
import type { DatabaseSync } from "node:sqlite";

export interface StoredSource {
  readonly name: string;
  readonly url: string;
  readonly format: string | null;
  readonly loop: boolean;
}

export interface SourceTable {
  /** In order of their names. */
  sources(): readonly StoredSource[];
  /** Adds it, or takes the place of the one with its name. */
  putSource(source: StoredSource): void;
  /** @returns false when there was none of this name. */
  removeSource(name: string): boolean;
}

interface Access {
  readonly read: <T>(work: () => T) => T;
  readonly write: <T>(work: () => T) => T;
}

export function createSourceTable(database: DatabaseSync, { read, write }: Access): SourceTable {
  const all = database.prepare("SELECT name, url, format, loop FROM sources ORDER BY name");
  const put = database.prepare("INSERT OR REPLACE INTO sources (name, url, format, loop, changed_at) VALUES (?, ?, ?, ?, ?)");
  const remove = database.prepare("DELETE FROM sources WHERE name = ?");
  return {
    sources: () =>
      read(() =>
        all.all().map((row) => ({ name: String(row["name"]), url: String(row["url"]), format: row["format"] === null ? null : String(row["format"]), loop: row["loop"] === 1 })),
      ),
    putSource({ name, url, format, loop }) {
      write(() => put.run(name, url, format, loop ? 1 : 0, Date.now()));
    },
    removeSource: (name) => write(() => remove.run(name).changes > 0),
  };
}
