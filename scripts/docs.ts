/** Writes the generated files anew: config/default.yaml, config/schema.json, docs/configuration.md. */
import { writeFileSync } from "node:fs";
import { overridableKeys } from "../config/load.ts";
import { renderDefaultYaml, renderJsonSchema, renderReference } from "../config/render.ts";

const root = new URL("../", import.meta.url);
const files: Record<string, string> = {
  "config/default.yaml": renderDefaultYaml(),
  "config/schema.json": renderJsonSchema(),
  "docs/configuration.md": renderReference(overridableKeys()),
};
for (const [path, text] of Object.entries(files)) {
  writeFileSync(new URL(path, root), text);
  console.log(`wrote ${path}`);
}
