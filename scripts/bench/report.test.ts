import { expect, it } from "vitest";
import { goalLine, meets, renderTable } from "./report.ts";

it("writes a Markdown table that lines up, numbers to the right", () => {
  expect(renderTable({ title: "", columns: ["model", "ms"], rows: [["edge", 5.604], ["resnext101-lstm", 1234.5], ["none", null]] }).split("\n")).toEqual([
    "| model           |   ms |",
    "| --------------- | ---: |",
    "| edge            |  5.6 |",
    "| resnext101-lstm | 1235 |",
    "| none            |    – |",
  ]);
});

it("says of a goal whether it is met", () => {
  const goal = { name: "ratio", measured: 3.04, limit: 3, unit: "×" } as const;
  expect(meets({ ...goal, kind: "at-least" })).toBe(true);
  expect(goalLine({ ...goal, kind: "at-most" })).toBe("MISSED  ratio: 3.04 × (goal ≤ 3 ×)");
});

it("misses a goal that could not be measured", () => {
  expect(meets({ name: "ratio", measured: Number.NaN, limit: 3, kind: "at-most", unit: "" })).toBe(false);
});
