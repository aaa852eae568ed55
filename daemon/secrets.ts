/** Secrets that Truecast makes for itself at the first start: a stream key and an access token, kept readable by its user alone. */
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TruecastError } from "../pipelines/errors.ts";

/**
 * The secret kept in `dataDir/name`, made when there is none.
 * @returns `fresh` is true when it was made now, so that it is printed exactly once.
 * @throws TruecastError config-invalid when the folder cannot be used
 */
export function keptSecret(dataDir: string, name: string, make: () => string = () => randomBytes(18).toString("base64url")): { readonly secret: string; readonly fresh: boolean; readonly path: string } {
  const path = join(dataDir, name);
  try {
    return makeOrRead(dataDir, path, make);
  } catch (error) {
    throw new TruecastError("config-invalid", `dataDir is ${JSON.stringify(dataDir)} but ${path} cannot be written or read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`, { cause: error });
  }
}

function makeOrRead(dataDir: string, path: string, make: () => string): { readonly secret: string; readonly fresh: boolean; readonly path: string } {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const secret = make();
  try {
    // wx: two processes that start at once must not overwrite each other's secret.
    const file = openSync(path, "wx", 0o600);
    writeSync(file, `${secret}\n`);
    closeSync(file);
    return { secret, fresh: true, path };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return { secret: readFileSync(path, "utf8").trim(), fresh: false, path };
  }
}
