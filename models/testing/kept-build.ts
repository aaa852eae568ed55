/**
 * Models that tests export with PyTorch, kept in the system's temporary folder between runs: the large one takes most of a
 * minute to export. What runs on the export is run anew each time; only PyTorch's part of the comparison is kept.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildModel, type BuildOptions, trainingDir } from "../build-model.ts";

const run = promisify(execFile);

/** Without any of these a folder is built again: what clears temporary folders by age does not take them whole. */
const FILES = ["manifest.json", "backbone.onnx", "projection.onnx", "horizon.onnx", "crops.bin", "features.bin", "scores.bin"];
/** A folder of other sources may be in use by another checkout's tests; one that nobody used for an hour is not. Each is half a gigabyte. */
const UNUSED_MS = 3_600_000;

/** @returns the folder; it is shared, so nothing may be written there */
export async function keptBuild(options: Omit<BuildOptions, "out"> & { readonly referenceFrames: number }): Promise<string> {
  const prefix = `truecast-export-${options.model}-`;
  const path = join(tmpdir(), prefix + (await keyOf(options)));
  if (FILES.every((file) => existsSync(join(path, file)))) {
    const now = new Date();
    await utimes(path, now, now);
    return path;
  }
  await rm(path, { recursive: true, force: true });
  const part = await mkdtemp(`${path}.part-`);
  try {
    await buildModel({ ...options, out: part });
    await rename(part, path);
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    // Another run may have been first.
    if (!existsSync(join(path, "manifest.json"))) throw error;
  }
  await forgetUnused(prefix);
  return path;
}

/** Everything that decides what an export contains. */
async function keyOf({ python, model, threads, referenceFrames, sequence = false }: Parameters<typeof keptBuild>[0]): Promise<string> {
  const { stdout: versions } = await run(python, ["-c", "import importlib.metadata, sys; print(sys.version, importlib.metadata.version('torch'))"]);
  const hash = createHash("sha256").update(JSON.stringify([versions, model, threads, referenceFrames, sequence]));
  for (const file of globSync("truecast_training/**/*.py", { cwd: trainingDir }).toSorted()) hash.update(file).update(await readFile(join(trainingDir, file)));
  return hash.digest("hex").slice(0, 16);
}

async function forgetUnused(prefix: string): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const path = join(tmpdir(), name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > UNUSED_MS) await rm(path, { recursive: true, force: true });
  }
}
