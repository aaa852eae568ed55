/** The clips a command works on: those of a manifest, or the files named on the command line. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { TruecastError } from "../../pipelines/errors.ts";
import { type Label, type ManifestClip, parseClipManifest } from "../../pipelines/evaluation/clip-manifest.ts";

export interface ListedClip {
  /** As the manifest or the command line names it. */
  readonly file: string;
  readonly path: string;
  /** Null for files named on the command line. */
  readonly label: Label | null;
  readonly type: string | null;
  readonly group: string | null;
}

/** @throws TruecastError manifest-invalid (naming line and column), input-not-found */
export async function readClipManifest(manifestPath: string): Promise<(ListedClip & ManifestClip)[]> {
  const text = await readFile(manifestPath, "utf8").catch((error: unknown) => {
    throw new TruecastError("input-not-found", `${manifestPath}: no such manifest, or it may not be read.`, { cause: error });
  });
  const clips = parseClipManifest(text, manifestPath).map((clip) => ({ ...clip, path: resolve(dirname(manifestPath), clip.file) }));
  for (const { path, file, line } of clips) {
    // Before hours of work, not in the middle of them.
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) throw new TruecastError("manifest-invalid", `${manifestPath}:${line}: column file: "${file}" is no file (looked at ${path})`);
  }
  return clips;
}

export function clipsOfFiles(files: readonly string[]): ListedClip[] {
  return files.map((file) => ({ file, path: resolve(file), label: null, type: null, group: null }));
}

/** SHA-256 of a file's bytes, hex: what names a clip in a cache, wherever it lies. */
export async function contentHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
