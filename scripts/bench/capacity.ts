/** How many streams this machine holds with nothing discarded: doubles until it fails, then halves the gap. */
import { histogramQuantile } from "./exposition.ts";
import { type LiveLoad, startLiveLoad } from "./live-load.ts";
import type { Cell } from "./report.ts";
import { type BenchContext, type Section, wait } from "./section.ts";
import { HORIZON_SECONDS, shortfalls, type SteadyWindow, watchWindow } from "./steady-window.ts";

export const MODEL = "edge";
const MAX_STREAMS = 64;

interface Step {
  readonly window: SteadyWindow;
  readonly failures: readonly string[];
}

async function tryStreams(load: LiveLoad, context: BenchContext, count: number): Promise<Step> {
  await load.setStreams(count);
  await wait(HORIZON_SECONDS, context);
  const window = await watchWindow(load, context, context.quick ? 10 : 30);
  const failures = shortfalls(window);
  context.say(`${count} streams: ${failures.length === 0 ? "held" : failures.join(", ")}`);
  return { window, failures };
}

/** Asks for the next load to try, given the highest that held and the lowest that failed; null when it is settled. */
export function nextTry(held: number, failed: number | null, limit: number): number | null {
  if (failed === null) return held >= limit ? null : Math.min(limit, Math.max(1, held * 2));
  return failed - held <= 1 ? null : Math.floor((held + failed) / 2);
}

export const capacity: Section = {
  name: "capacity",
  about: `720p30 one-face streams with ${MODEL} and nothing discarded`,
  async run(context) {
    const rows: Cell[][] = [];
    let held = 0;
    let failed: number | null = null;
    await using load = await startLiveLoad({ model: MODEL, maxStreams: MAX_STREAMS, signal: context.signal });
    for (let count = nextTry(held, failed, MAX_STREAMS); count !== null; count = nextTry(held, failed, MAX_STREAMS)) {
      let step = await tryStreams(load, context, count);
      // Once is an accident of the machine; twice is its limit. Overload from before must not count: start from rest.
      if (step.failures.length > 0 && !context.quick) {
        await load.setStreams(0);
        await waitForFullSampling(load, context);
        step = await tryStreams(load, context, count);
      }
      if (step.failures.length === 0) held = count;
      else {
        failed = count;
        await load.setStreams(0);
        await waitForFullSampling(load, context);
      }
      const { window, failures } = step;
      rows.push([count, window.analysedFps, window.discarded, window.lost, window.minCoverage, 1000 * histogramQuantile(window.frameAge, 0.95), window.cpu, window.publisherCpu, failures.length === 0 ? "held" : failures.join(", ")]);
    }
    context.capacity = { streams: held };
    rows.sort((a, b) => Number(a[0]) - Number(b[0]));
    return {
      kind: "measured",
      tables: [
        {
          title: `Streams held: ${held}`,
          columns: ["streams", "frames/s each", "discarded", "lost", "least coverage", "frame age p95, ms", "CPU, % of a core", "publishers, %", "outcome"],
          rows,
        },
      ],
      goals: [],
      notes: [
        `Held means, over ${context.quick ? 10 : 30} s: none discarded (but second frames of one slot), none lost, sampling at 10 a second, every score's coverage 0.99 or more.`,
        "Publishers (ffmpeg -c copy) run on the same machine and take their share of it.",
      ],
    };
  },
};

/** After an overload the sampling rate rises in steps of 15 calm seconds. */
async function waitForFullSampling(load: LiveLoad, context: BenchContext): Promise<void> {
  while ((await load.system()).samplingFps < 10) await wait(1, context);
}
