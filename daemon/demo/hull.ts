/** The convex hull of landmarks, and how deep a point lies in it. */
import type { Point } from "./demo-scenes.ts";

/** Corners in order round the hull (Andrew's monotone chain); each turns the same way. */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = points.toSorted((p, q) => p.x - q.x || p.y - q.y);
  const half = (chain: readonly Point[]): Point[] => {
    const corners: Point[] = [];
    for (const point of chain) {
      while (corners.length > 1 && turn(corners.at(-2)!, corners.at(-1)!, point) <= 0) corners.pop();
      corners.push(point);
    }
    return corners.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.toReversed())];
}

/** Distance to the nearest side for a point inside; zero or less outside. */
export function depthInside(hull: readonly Point[], point: Point): number {
  let depth = Infinity;
  for (const [i, from] of hull.entries()) {
    const to = hull[(i + 1) % hull.length]!;
    depth = Math.min(depth, turn(from, to, point) / Math.hypot(to.x - from.x, to.y - from.y));
    if (depth <= 0) return depth;
  }
  return depth;
}

/** Twice the signed area of the triangle. */
function turn(a: Point, b: Point, c: Point): number {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}
