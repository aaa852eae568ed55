/** Reads Prometheus' text format as far as the benchmark needs it: sums of counters, quantiles of histograms. */

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  /** Sum over all samples of that name whose labels are those; 0 without any. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  values(name: string): readonly number[];
  /** Cumulative counts by upper edge, summed over all labels, ascending; the last edge is Infinity. */
  buckets(name: string): ReadonlyMap<number, number>;
}

const SAMPLE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parseExposition(text: string): Exposition {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : SAMPLE.exec(line);
    if (!match?.groups) continue;
    const labels = Object.fromEntries([...(match.groups["labels"] ?? "").matchAll(LABEL)].map(([, key, value]) => [key, value]));
    samples.push({ name: match.groups["name"] ?? "", labels, value: numberOf(match.groups["value"] ?? "") });
  }
  const named = (name: string): Sample[] => samples.filter((sample) => sample.name === name);
  return {
    sum(name, labels = {}) {
      return named(name)
        .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
        .reduce((total, { value }) => total + value, 0);
    },
    values: (name) => named(name).map(({ value }) => value),
    buckets(name) {
      const counts = new Map<number, number>();
      for (const { labels, value } of named(`${name}_bucket`)) {
        const edge = numberOf(labels["le"] ?? "");
        counts.set(edge, (counts.get(edge) ?? 0) + value);
      }
      return new Map([...counts].sort(([a], [b]) => a - b));
    },
  };
}

/** What came between two scrapes of the same histogram. */
export function bucketsBetween(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): Map<number, number> {
  return new Map([...after].map(([edge, count]) => [edge, count - (before.get(edge) ?? 0)]));
}

/** As PromQL's histogram_quantile: linear within a bucket. @returns NaN without observations */
export function histogramQuantile(buckets: ReadonlyMap<number, number>, q: number): number {
  const rank = q * ([...buckets.values()].at(-1) ?? 0);
  let lowerEdge = 0;
  let lowerCount = 0;
  for (const [edge, count] of buckets) {
    if (count >= rank && count > lowerCount) return edge === Number.POSITIVE_INFINITY ? lowerEdge : lowerEdge + ((edge - lowerEdge) * (rank - lowerCount)) / (count - lowerCount);
    lowerEdge = edge;
    lowerCount = count;
  }
  return Number.NaN;
}

/** Share of the observations at or under an edge of a bucket: exact, where a quantile is interpolated. */
export function shareUpTo(buckets: ReadonlyMap<number, number>, edge: number): number {
  return (buckets.get(edge) ?? Number.NaN) / ([...buckets.values()].at(-1) ?? 0);
}

function numberOf(text: string): number {
  return text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
}
