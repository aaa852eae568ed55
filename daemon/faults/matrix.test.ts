/** The table of docs/operations.md, held to the tests that it names. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const page = fileURLToPath(new URL("../../docs/operations.md", import.meta.url));
const [, table = ""] = readFileSync(page, "utf8").split("\n## Faults\n");
const rows = (table.split("\n## ")[0] ?? "")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .slice(1)
  .map((line) => line.slice(2, -2).split(" | "));
const filesIn = (cell: string): string[] => [...cell.matchAll(/\]\(([^)]+)\)/g)].map(([, target = ""]) => join(dirname(page), target));

test("each fault has what is seen, a bound, a figure and tests that exist", () => {
  expect(rows.length).toBeGreaterThan(25);
  for (const row of rows) {
    expect(row, row[0]).toHaveLength(5);
    const files = filesIn(row[4] ?? "");
    expect(files.length, row[0]).toBeGreaterThan(0);
    expect(files.filter((file) => !file.endsWith(".test.ts") || !existsSync(file)), row[0]).toEqual([]);
  }
});

test("each test of a fault is in the table", () => {
  const named = new Set(rows.flatMap((row) => filesIn(row[4] ?? "")));
  const tests = globSync("*.test.ts", { cwd: import.meta.dirname }).map((name) => join(import.meta.dirname, name)).filter((file) => file !== fileURLToPath(import.meta.url));
  expect(tests.length).toBeGreaterThan(5);
  expect(tests.filter((file) => !named.has(file))).toEqual([]);
});
