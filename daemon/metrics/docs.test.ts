/** The reference pages of errors, terms and metrics, held to the tables they describe. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../pipelines/errors.ts";
import { DISCARD_REASONS, LOSS_REASONS, NEWCOMER_REFUSALS, UNSCORED_REASONS, VERDICT_KINDS } from "../../pipelines/types.ts";
import { ALERT_TRANSITION_KINDS } from "../alerts/alert-rule.ts";
import { STAGES } from "./metrics.ts";
import { definedMetrics } from "./testing/defined-metrics.ts";

const page = (name: string): string => readFileSync(join(import.meta.dirname, "../../docs", name), "utf8");

/** Cells of the table rows whose first cell is a code span, in order. */
function rowsOf(markdown: string): string[][] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.slice(2, -2).split(" | "));
}

/** The part of a page under one heading. */
function section(markdown: string, heading: string): string {
  const [, after] = markdown.split(`\n${heading}\n`);
  if (after === undefined) throw new Error(`no heading ${heading}`);
  return after.split(/\n#+ /)[0] ?? "";
}

const quoted = (values: readonly string[]): string[] => values.map((value) => `\`${value}\``);
const codes = (markdown: string): (string | undefined)[] => rowsOf(markdown).map(([code]) => code);

test("errors.md has every code with its meaning, in the table's order, and something to do about it", () => {
  const rows = rowsOf(page("errors.md"));
  expect(rows.map(([code, meaning]) => [code, meaning])).toEqual(Object.entries(ERROR_CODES).map(([code, meaning]) => [`\`${code}\``, meaning]));
  for (const [code, , advice] of rows) expect(advice, `advice for ${code}`).toMatch(/\w+.*\.$/);
});

test("glossary.md has every reason of unscored, discarded, lost and refused", () => {
  const glossary = page("glossary.md");
  expect(codes(section(glossary, "### Why a face or stream is unscored"))).toEqual(quoted(UNSCORED_REASONS));
  expect(codes(section(glossary, "### Discarded"))).toEqual(quoted(DISCARD_REASONS));
  expect(codes(section(glossary, "### Lost"))).toEqual(quoted(LOSS_REASONS));
  expect(codes(section(glossary, "## Detections that became no face"))).toEqual(quoted(NEWCOMER_REFUSALS));
});

test("glossary.md names every verdict and every transition of an alert", () => {
  const glossary = page("glossary.md");
  for (const word of [...VERDICT_KINDS, "unscored", ...ALERT_TRANSITION_KINDS]) expect(glossary).toContain(`**${word}**`);
});

test("metrics.md has every metric with its type, labels and help", () => {
  const [reference, questions] = page("metrics.md").split("\n## Questions they answer\n");
  const expected = definedMetrics().map(({ name, type, labelNames, help }) => [`\`${name}\``, type, quoted(labelNames).join(", ") || "–", help]);
  expect(rowsOf(reference ?? "")).toEqual(expected);
  for (const word of quoted([...STAGES, ...ALERT_TRANSITION_KINDS])) expect(reference).toContain(word);
  const known = new Set(expected.map(([name]) => name?.slice(1, -1)));
  const used = (questions ?? "").match(/truecast_[a-z_]+/g) ?? [];
  expect(used.map((name) => name.replace(/_bucket$/, "")).filter((name) => !known.has(name))).toEqual([]);
});
