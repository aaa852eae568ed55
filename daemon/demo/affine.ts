/** The affine map that brings one set of points nearest to another. */
import type { Point } from "./demo-scenes.ts";

/** x' = a·x + b·y + c, y' = d·x + e·y + f. */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

/** Least squares over pairs of the same index. The points of `from` must not lie on one line. */
export function affineBetween(from: readonly Point[], to: readonly Point[]): Affine {
  const n = from.length;
  const mean = (points: readonly Point[]): Point => ({ x: points.reduce((sum, { x }) => sum + x, 0) / n, y: points.reduce((sum, { y }) => sum + y, 0) / n });
  const middle = mean(from);
  const middleTo = mean(to);
  let xx = 0;
  let xy = 0;
  let yy = 0;
  let ux = 0;
  let uy = 0;
  let vx = 0;
  let vy = 0;
  for (const [i, point] of from.entries()) {
    const x = point.x - middle.x;
    const y = point.y - middle.y;
    const u = to[i]!.x - middleTo.x;
    const v = to[i]!.y - middleTo.y;
    xx += x * x;
    xy += x * y;
    yy += y * y;
    ux += u * x;
    uy += u * y;
    vx += v * x;
    vy += v * y;
  }
  const determinant = xx * yy - xy * xy;
  const a = (ux * yy - uy * xy) / determinant;
  const b = (uy * xx - ux * xy) / determinant;
  const d = (vx * yy - vy * xy) / determinant;
  const e = (vy * xx - vx * xy) / determinant;
  return { a, b, c: middleTo.x - a * middle.x - b * middle.y, d, e, f: middleTo.y - d * middle.x - e * middle.y };
}

export function applied({ a, b, c, d, e, f }: Affine, { x, y }: Point): Point {
  return { x: a * x + b * y + c, y: d * x + e * y + f };
}
