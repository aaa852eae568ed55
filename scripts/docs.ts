/** Writes the generated files anew: config/default.yaml, config/schema.json, docs/configuration.md, docs/openapi.json. */
import { writeFileSync } from "node:fs";
import { overridableKeys } from "../config/load.ts";
import { renderOpenApi } from "../daemon/http/openapi.ts";
import { renderDefaultYaml, renderJsonSchema, renderReference } from "../config/render.ts";

const root = new URL("../", import.meta.url);
const files: Record<string, string> = {
  "config/default.yaml": renderDefaultYaml(),
  "config/schema.json": renderJsonSchema(),
  "docs/configuration.md": renderReference(overridableKeys()),
  "docs/openapi.json": await renderOpenApi(),
};
for (const [path, text] of Object.entries(files)) {
  writeFileSync(new URL(path, root), text);
  console.log(`wrote ${path}`);
}
