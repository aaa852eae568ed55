/** The shipped edge model with its claim to be trained taken away, for tests of what an untrained model is shown as. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Writes `modelsDir`/edge. */
export async function copyEdgeUntrained(modelsDir: string): Promise<void> {
  const folder = join(modelsDir, "edge");
  await mkdir(modelsDir, { recursive: true });
  await cp(fileURLToPath(new URL("../edge", import.meta.url)), folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as Record<string, unknown>;
  await writeFile(join(folder, "manifest.json"), JSON.stringify({ ...manifest, trained: false, accuracy: null }));
}
