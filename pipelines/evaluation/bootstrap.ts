/** Intervals by resampling whole groups: clips of one person or scene are not independent of each other. */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  readonly seed: number;
  readonly rounds: number;
}

export const DEFAULT_BOOTSTRAP: BootstrapOptions = { seed: 1, rounds: 2000 };

/**
 * Percentile interval of 95% of each statistic over rounds that draw as many groups as there are, with replacement
 * (cluster bootstrap; Field & Welsh 2007). A statistic that is null in a round (a class was not drawn) is left out of
 * that round; null when it was in more than half of them, or when there are fewer than two groups.
 * @param statistics computed together on one draw, so that their differences are paired
 */
export function groupBootstrap<Item extends { readonly group: string }>(
  items: readonly Item[],
  statistics: (drawn: readonly Item[]) => readonly (number | null)[],
  { seed, rounds }: BootstrapOptions = DEFAULT_BOOTSTRAP,
): (Interval | null)[] {
  const groups = [...Map.groupBy(items, ({ group }) => group).values()];
  const width = statistics(items).length;
  if (groups.length < 2) return Array.from({ length: width }, () => null);
  const random = seededRandom(seed);
  const samples: number[][] = Array.from({ length: width }, () => []);
  for (let round = 0; round < rounds; round++) {
    const drawn = groups.flatMap(() => groups[Math.floor(random() * groups.length)] ?? []);
    for (const [index, value] of statistics(drawn).entries()) if (value !== null) samples[index]?.push(value);
  }
  return samples.map((values) => {
    if (values.length <= rounds / 2) return null;
    values.sort((a, b) => a - b);
    return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
  });
}

/** Of sorted values, linear between neighbours. */
export function quantile(sorted: readonly number[], part: number): number {
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number | null {
  return values.length === 0 ? null : quantile(values.toSorted((a, b) => a - b), 0.5);
}

/** Numbers in [0, 1) that are the same for the same seed on every machine (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
