/** The hull of a square with points inside it and on its side. */
import { expect, test } from "vitest";
import { convexHull, depthInside } from "./hull.ts";

const hull = convexHull([{ x: 5, y: 5 }, { x: 10, y: 10 }, { x: 0, y: 0 }, { x: 5, y: 0 }, { x: 0, y: 10 }, { x: 10, y: 0 }, { x: 3, y: 7 }]);

test("keeps the corners alone", () => {
  expect(hull).toHaveLength(4);
  expect(hull).toEqual(expect.arrayContaining([{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }, { x: 0, y: 10 }]));
});

test.each([
  [{ x: 5, y: 5 }, 5],
  [{ x: 2, y: 6 }, 2],
  [{ x: 9, y: 3 }, 1],
  [{ x: 0, y: 4 }, 0],
])("the point %j lies %d deep", (point, depth) => expect(depthInside(hull, point)).toBeCloseTo(depth, 9));

test("a point outside lies at no depth", () => {
  for (const point of [{ x: -1, y: 5 }, { x: 11, y: 5 }, { x: 5, y: -3 }, { x: 20, y: 20 }]) expect(depthInside(hull, point)).toBeLessThan(0);
});
