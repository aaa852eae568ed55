/** Robust statistics of few and noisy samples: medians, and slopes that one outlier does not move. */

/** @returns NaN without samples */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest samples. @returns NaN without samples */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** Median of the slopes between all pairs (Theil 1950, Sen 1968): a garbage collection is an outlier, a leak is not. */
export function medianSlope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const slopes: number[] = [];
  points.forEach((a, index) => {
    for (const b of points.slice(index + 1)) if (b.x !== a.x) slopes.push((b.y - a.y) / (b.x - a.x));
  });
  return median(slopes);
}
