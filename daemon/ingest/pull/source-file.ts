/** Opens a local file for a source: only a regular file that truly lies below an allowed folder, whatever links lead there. */
import { constants } from "node:fs";
import { type FileHandle, open, readlink, realpath } from "node:fs/promises";
import { relative, isAbsolute, sep } from "node:path";
import { TruecastError } from "../../../pipelines/errors.ts";
import { errorName } from "../../outbound/outbound-guard.ts";

/** @throws TruecastError address-refused, input-not-found, input-empty */
export async function openSourceFile(path: string, fileRoots: readonly string[]): Promise<FileHandle> {
  const roots = await Promise.all(fileRoots.map((root) => realpath(root).catch(() => null)));
  const isBelow = (file: string): boolean =>
    roots.some((root) => {
      if (root === null) return false;
      const way = relative(root, file);
      return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
    });
  const refused = new TruecastError("address-refused", "The file lies in none of the folders of pull.fileRoots in the configuration.");
  // What is not below a root by its own name is refused before anything tells whether it exists.
  if (!fileRoots.some((root) => path.startsWith(root.endsWith(sep) ? root : root + sep)) || path.split(sep).includes("..")) throw refused;
  const real = await realpath(path).catch(notFound);
  if (!isBelow(real)) throw refused;
  // NONBLOCK: opening a pipe would wait for whoever writes into it.
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(notFound);
  try {
    // A folder may have been replaced by a link in between: what counts is what was opened.
    if (process.platform === "linux" && !isBelow(await readlink(`/proc/self/fd/${file.fd}`))) throw refused;
    const found = await file.stat();
    if (!found.isFile()) throw new TruecastError("input-not-found", "What the URL names is no regular file.");
    if (found.size === 0) throw new TruecastError("input-empty", "The file is empty.");
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function notFound(error: unknown): never {
  throw new TruecastError("input-not-found", `The file cannot be read (${errorName(error)}).`, { cause: error });
}
