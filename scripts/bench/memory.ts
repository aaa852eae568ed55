/** Memory of the daemon and of each stream, and whether it grows. */
import { byPart, type ByPart, type LiveLoad, mapParts, type Part, PARTS, startLiveLoad, total } from "./live-load.ts";
import { MODEL } from "./capacity.ts";
import type { Memory } from "./processes.ts";
import type { Cell } from "./report.ts";
import { type BenchContext, type Section, wait } from "./section.ts";
import { median, medianSlope } from "./statistics.ts";

const STREAM_COUNTS = [0, 1, 4] as const;
const MAX_DAEMON_MB = 400;
const MAX_STREAM_MB = 60;
/** A heap breathes by a few megabytes between two collections. */
const MAX_GROWTH_MB = 10;
const SAMPLE_SECONDS = 5;

interface Sampled {
  readonly atMs: number;
  readonly memory: ByPart<Memory>;
}

async function sample(load: LiveLoad, context: BenchContext, seconds: number): Promise<Sampled[]> {
  const samples: Sampled[] = [];
  const endMs = performance.now() + seconds * 1000;
  do {
    samples.push({ atMs: performance.now(), memory: load.memory() });
    await wait(Math.min(SAMPLE_SECONDS, seconds / 4), context);
  } while (performance.now() < endMs);
  return samples;
}

function middle(samples: readonly Sampled[]): ByPart<Memory> {
  const of = (part: Part, key: keyof Memory): number => median(samples.map(({ memory: held }) => held[part][key]));
  return byPart((part) => ({ rssMb: of(part, "rssMb"), pssMb: of(part, "pssMb") }));
}

function pssOf(memory: ByPart<Memory>): number {
  return total(mapParts(memory, ({ pssMb }) => pssMb));
}

export const memory: Section = {
  name: "memory",
  about: "resident memory of the daemon and of each stream, and its growth",
  async run(context) {
    const settleSeconds = context.quick ? 12 : 40;
    const growthMinutes = context.quick ? 1 : 10;
    await using load = await startLiveLoad({ model: MODEL, maxStreams: Math.max(...STREAM_COUNTS), signal: context.signal });
    const rows: Cell[][] = [];
    const pss = new Map<number, number>();
    for (const count of STREAM_COUNTS) {
      context.say(`${count} streams`);
      await load.setStreams(count);
      await wait(settleSeconds, context);
      const held = middle(await sample(load, context, context.quick ? 4 : 20));
      pss.set(count, pssOf(held));
      rows.push([String(count), "PSS", ...PARTS.map((part) => held[part].pssMb), pssOf(held)]);
      rows.push([String(count), "RSS", ...PARTS.map((part) => held[part].rssMb), total(mapParts(held, ({ rssMb }) => rssMb))]);
    }
    const [none = Number.NaN, one = Number.NaN, four = Number.NaN] = STREAM_COUNTS.map((count) => pss.get(count));
    const stream = (four - one) / 3;
    // What the first stream brings into being (the detector's memory above all) stays for all others: it is the daemon's.
    const daemon = one - stream;

    context.say(`growth over ${growthMinutes} min with 4 streams`);
    const samples = await sample(load, context, growthMinutes * 60);
    const quarter = Math.ceil(samples.length / 4);
    const [first, last] = [middle(samples.slice(0, quarter)), middle(samples.slice(-quarter))];
    const grown = byPart((part) => last[part].pssMb - first[part].pssMb);
    const slopeMbPerHour = medianSlope(samples.map(({ atMs, memory: held }) => ({ x: atMs / 3_600_000, y: pssOf(held) })));
    return {
      kind: "measured",
      tables: [
        { title: `Memory with ${MODEL}, MB`, columns: ["streams", "", ...PARTS, "sum"], rows },
        { title: "Taken apart (PSS), MB", columns: ["daemon, before its first stream", "daemon, with streams", "each stream, its ffmpeg included"], rows: [[none, daemon, stream]] },
        { title: `Growth over ${growthMinutes} min with 4 streams (PSS)`, columns: [...PARTS, "sum, last quarter less first, MB", "median slope, MB/h"], rows: [[...PARTS.map((part) => grown[part]), total(grown), slopeMbPerHour]] },
      ],
      goals: [
        { name: "memory of the daemon", measured: Math.max(none, daemon), limit: MAX_DAEMON_MB, kind: "at-most", unit: "MB" },
        { name: "memory of each stream", measured: stream, limit: MAX_STREAM_MB, kind: "at-most", unit: "MB" },
        { name: `growth over ${growthMinutes} min`, measured: total(grown), limit: MAX_GROWTH_MB, kind: "at-most", unit: "MB" },
      ],
      notes: [
        "PSS counts pages that processes share in equal parts, so that its sum is what the machine really gives; RSS counts them in each process again.",
        "Each stream: the difference between four streams and one, a third of it. Daemon, with streams: one stream's sum less that.",
      ],
    };
  },
};
