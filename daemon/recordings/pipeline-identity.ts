/** Names the code that turns a clip into crops and scores: kept results of other code must not pass for results of this. */
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** Truecast runs unbuilt, so its sources are there. What only computes figures from scores is left out. */
const SOURCES = ["pipelines/*.ts", "pipelines/{decode,faces,horizon,verdict}/**/*.ts", "models/*.ts", "daemon/recordings/*.ts"];

let identity: Promise<string> | undefined;

/** SHA-256 over the sources, hex; any change of them, were it a comment, gives another. */
export function pipelineIdentity(): Promise<string> {
  return (identity ??= hashSources());
}

async function hashSources(): Promise<string> {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((pattern) => globSync(pattern, { cwd: root })).filter((file) => !file.endsWith(".test.ts"));
  for (const file of files.toSorted()) hash.update(file).update("\0").update(await readFile(join(root, file)));
  return hash.digest("hex");
}
