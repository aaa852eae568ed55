/** The affine fit: exact where an affine map exists, nearest where none does. */
import { expect, test } from "vitest";
import { affineBetween, applied } from "./affine.ts";

const FROM = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 0, y: 20 }, { x: 7, y: 9 }];

test("finds the map again that moved, turned, scaled and sheared the points", () => {
  const map = { a: 0.4, b: -1.2, c: 30, d: 0.9, e: 0.3, f: -8 };
  const found = affineBetween(FROM, FROM.map((point) => applied(map, point)));
  for (const key of ["a", "b", "c", "d", "e", "f"] as const) expect(found[key]).toBeCloseTo(map[key], 9);
});

test("no other map is nearer to points that none fits", () => {
  const to = [{ x: 1, y: 2 }, { x: 12, y: -1 }, { x: 3, y: 17 }, { x: 5, y: 14 }];
  const found = affineBetween(FROM, to);
  const error = (map: typeof found): number => FROM.reduce((sum, point, i) => sum + (applied(map, point).x - to[i]!.x) ** 2 + (applied(map, point).y - to[i]!.y) ** 2, 0);
  for (const key of ["a", "b", "c", "d", "e", "f"] as const) {
    for (const step of [-0.01, 0.01]) expect(error({ ...found, [key]: found[key] + step })).toBeGreaterThan(error(found));
  }
});
