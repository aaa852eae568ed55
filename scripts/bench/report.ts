/** What a section of the benchmark gives: a table for people, values for the JSON, and its goals with what was measured. */

export type Cell = string | number | null;

export interface Goal {
  readonly name: string;
  readonly measured: number;
  readonly limit: number;
  readonly kind: "at-least" | "at-most";
  readonly unit: string;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface SectionResult {
  readonly tables: readonly Table[];
  readonly goals: readonly Goal[];
  /** One sentence each: how it was measured, what was left out. */
  readonly notes: readonly string[];
}

export type SectionOutcome =
  | ({ readonly kind: "measured" } & SectionResult)
  /** Something that this machine lacks. */
  | { readonly kind: "skipped"; readonly reason: string };

export function meets({ measured, limit, kind }: Goal): boolean {
  return kind === "at-least" ? measured >= limit : measured <= limit;
}

export function goalLine(goal: Goal): string {
  const sign = goal.kind === "at-least" ? "≥" : "≤";
  const unit = goal.unit === "" ? "" : ` ${goal.unit}`;
  return `${meets(goal) ? "met   " : "MISSED"}  ${goal.name}: ${formatNumber(goal.measured)}${unit} (goal ${sign} ${formatNumber(goal.limit)}${unit})`;
}

/** Three significant digits at most, none of them beyond what a median can carry. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return String(Math.round(value));
  return value.toPrecision(3).replace(/\.?0+$/, "");
}

/** A Markdown table, its columns padded so that it reads in a terminal too. */
export function renderTable({ columns, rows }: Table): string {
  const text = [columns, ...rows.map((row) => row.map((cell) => (cell === null ? "–" : typeof cell === "number" ? formatNumber(cell) : cell)))];
  const widths = columns.map((_, column) => Math.max(...text.map((row) => (row[column] ?? "").length)));
  const isNumeric = columns.map((_, column) => rows.every((row) => typeof row[column] !== "string"));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (isNumeric[column] ? (row[column] ?? "").padStart(width) : (row[column] ?? "").padEnd(width))).join(" | ")} |`;
  const rule = `| ${widths.map((width, column) => (isNumeric[column] ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`;
  return [line(text[0] ?? []), rule, ...text.slice(1).map(line)].join("\n");
}
