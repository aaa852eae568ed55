/** Boxes of faces side by side, and what lies over two of them. */
import { expect, test } from "vitest";
import type { Box } from "../types.ts";
import { isBridge, isSameFace } from "./box-geometry.ts";

const at = (x: number, y = 200, side = 400): Box => ({ x, y, width: side, height: side });
/** Two faces whose boxes touch. */
const pair = [at(300), at(710)];

test("a box over the inner halves of two faces is a bridge", () => {
  for (const x of [490, 505, 520]) expect(isBridge(at(x), pair), `at ${x}`).toBe(true);
  // As detected in 720p: a smaller box, nearer to one of the two.
  expect(isBridge({ x: 568, y: 211, width: 359, height: 328 }, [{ x: 318, y: 215, width: 387, height: 346 }, { x: 710, y: 159, width: 410, height: 377 }])).toBe(true);
});

test("a face of the two is no bridge, however its box wavers", () => {
  for (const x of [300, 260, 340, 370, 640, 690, 710, 760]) expect(isBridge(at(x), pair), `at ${x}`).toBe(false);
});

test("a third face in a row of three is no bridge, even if the heads overlap by a quarter", () => {
  const row = [at(300), at(600), at(900)];
  for (const face of row) expect(isBridge(face, row.filter((other) => other !== face))).toBe(false);
});

test("a face that looks over the shoulders of two others is no bridge", () => {
  expect(isBridge(at(505, 20), pair)).toBe(false);
});

test("one face, however often it is boxed, holds no bridge", () => {
  expect(isSameFace(at(300), at(330))).toBe(true);
  expect(isBridge(at(560), [at(300), at(330)])).toBe(false);
});
