/** Writes THIRD_PARTY_NOTICES.md: every package that Truecast ships or bundles, with its licence and the licence's own text. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { renderNotices } from "./third-party.ts";

const path = fileURLToPath(new URL("../THIRD_PARTY_NOTICES.md", import.meta.url));
writeFileSync(path, await renderNotices());
console.log(`wrote ${path}`);
