/** Contrast of the colours in both themes, by WCAG 2.2, success criterion 1.4.3. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const css = readFileSync(join(import.meta.dirname, "styles/tokens.css"), "utf8");

function tokensOf(theme: "dark" | "light"): Map<string, string> {
  const block = new RegExp(`\\[data-theme="${theme}"\\] \\{([^}]*)\\}`).exec(css)?.[1] ?? "";
  return new Map([...block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6});/g)].map((match) => [match[1] ?? "", match[2] ?? ""]));
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const channel = Number.parseInt(hex.slice(start, start + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

describe.each(["dark", "light"] as const)("in the %s theme", (theme) => {
  const tokens = tokensOf(theme);
  const pairs = [
    ...["text", "text-muted", "accent", "authentic", "uncertain", "suspicious", "manipulated", "unscored", "pending-text"].flatMap((ink) => ["page", "panel", "panel-raised"].map((paper) => [ink, paper] as const)),
    ["firing-text", "firing-surface"] as const,
    ["warn-text", "warn-surface"] as const,
    ["info-text", "info-surface"] as const,
  ];

  it.each(pairs)("%s can be read on %s", (ink, paper) => {
    expect(contrast(tokens.get(ink) ?? "#000000", tokens.get(paper) ?? "#000000")).toBeGreaterThanOrEqual(4.5);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("score line %s stands out from its panel", (series) => {
    expect(contrast(tokens.get(`series-${series}`) ?? "#000000", tokens.get("panel") ?? "#000000")).toBeGreaterThanOrEqual(3);
  });
});
