import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const pages = globSync(["*.md", "docs/**/*.md", "models/*/README.md", "models/training/**/*.md"], { cwd: root }).filter((page) => page !== "THIRD_PARTY_NOTICES.md");

test("every relative link of every page leads to a file", () => {
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(root, page), "utf8").replaceAll(/```[\s\S]*?```/g, "");
    return [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].filter(([, target]) => !existsSync(join(root, dirname(page), target ?? ""))).map(([, target]) => `${page}: ${target}`);
  });
  expect(pages.length).toBeGreaterThan(8);
  expect(broken).toEqual([]);
});

test("every npm script that a page names exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };
  const named = pages.flatMap((page) => [...readFileSync(join(root, page), "utf8").matchAll(/npm run (?:--silent )?([a-z0-9:]+)/g)].map((match) => match[1] ?? ""));
  expect(named.length).toBeGreaterThan(3);
  expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
});
