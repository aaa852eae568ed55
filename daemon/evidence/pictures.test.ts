import sharp from "sharp";
import { expect, test } from "vitest";
import type { ScorePoint } from "../protocol.ts";
import { contactSheet, cropStrip } from "./contact-sheet.ts";
import { drawText, blankPicture, type Picture } from "./pixel-text.ts";
import { createScoreLine, scoreAt, scorePicture } from "./score-line.ts";

const SIZE = 8;
const crops = Array.from({ length: 7 }, (_, index) => ({ ptsMs: 10_000 + index * 500, pixels: new Uint8Array(SIZE * SIZE * 3).fill(30 * (index + 1)), score: index === 3 ? null : 0.9 }));

function shade({ rgb, widthPx }: Picture, x: number, y: number): number {
  return rgb[(y * widthPx + x) * 3] ?? -1;
}

function pointOf(ptsMs: number, score: number): ScorePoint {
  return { at: 1_700_000_000_000 + ptsMs, ptsMs, track: 1, frames: 100, score, coverage: 1 };
}

test("the contact sheet has every crop as it is, five in a row, each under its label", () => {
  const sheet = contactSheet(crops, { sizePx: SIZE, zeroPtsMs: 13_000 });
  expect([sheet.widthPx, sheet.heightPx]).toEqual([5 * 12 + 4, 2 * 32 + 4]);
  for (const [index] of crops.entries()) {
    const x = 4 + (index % 5) * 12;
    const y = 4 + Math.floor(index / 5) * 32 + 20;
    expect([shade(sheet, x, y), shade(sheet, x + SIZE - 1, y + SIZE - 1)]).toEqual([30 * (index + 1), 30 * (index + 1)]);
  }
  expect(shade(sheet, 0, 0)).toBe(0);
});

test("the strip gives back, bit for bit, what went into the model", async () => {
  const noisy = crops.map((crop, index) => ({ ...crop, pixels: crop.pixels.map((_, at) => (at * 31 + index * 7) % 256) }));
  const { rgb, widthPx, heightPx } = cropStrip(noisy, SIZE);
  const png = await sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } }).png().toBuffer();
  for (const [index, { pixels }] of noisy.entries()) {
    const back = await sharp(png).extract({ left: index * SIZE, top: 0, width: SIZE, height: SIZE }).raw().toBuffer();
    expect(Buffer.compare(back, pixels)).toBe(0);
  }
});

test("labels are drawn without any font, and are told apart", () => {
  const drawn = (text: string): string => {
    const picture = blankPicture(80, 12);
    drawText(picture, text, { x: 1, y: 1, scale: 2 });
    return Buffer.from(picture.rgb).toString("base64");
  };
  const texts = "0123456789.-+:%s".split("");
  expect(new Set([...texts, " "].map(drawn)).size).toBe(texts.length + 1);
  expect(drawn("?")).toBe(drawn(" "));
  expect(drawn("a label that is much longer than its picture")).toHaveLength(drawn("").length);
});

test("a crop is labelled with the score that it took part in", () => {
  const points = [pointOf(10_000, 0.1), pointOf(11_000, 0.2), pointOf(12_000, 0.3)];
  expect([9_500, 10_000, 10_100, 12_500].map((ptsMs) => scoreAt(points, ptsMs))).toEqual([0.1, 0.1, 0.2, 0.3]);
  expect(scoreAt([], 0)).toBeNull();
});

test("a very long score line keeps its beginning and its end, and says how much of its middle is gone", () => {
  const line = createScoreLine();
  for (let second = 0; second < 20_000; second++) line.add(pointOf(second * 1_000, 0.5));
  expect([line.points.length, line.leftOut, line.points[0]?.ptsMs, line.points.at(-1)?.ptsMs]).toEqual([14_400, 5_600, 0, 19_999_000]);
});

test("the score picture is SVG that renders, marks the threshold, and escapes what it is given", async () => {
  const svg = scorePicture([pointOf(0, 0.1), pointOf(1_000, 0.95), pointOf(2_000, 1)], { threshold: 0.9, firedAt: 1_700_000_001_000, banner: "<script>alert(1)</script>" });
  expect(svg).not.toContain("<script");
  expect((await sharp(Buffer.from(svg)).metadata()).format).toBe("svg");
  expect(svg).toContain('stroke-dasharray="6 4"');
  expect(svg).toContain('points="48,259.2 496,48.4 944,36"');
  expect(scorePicture([], { threshold: 0.9, firedAt: 0, banner: null })).toContain("</svg>");
});
