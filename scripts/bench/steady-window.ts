/** Watches the daemon for a while and says whether every stream got all it should: nothing discarded, nothing lost, full windows. */
import { DISCARD_REASONS, type DiscardReason, SAMPLE_RATE_HZ } from "../../pipelines/types.ts";
import { bucketsBetween } from "./exposition.ts";
import { type LiveLoad, total } from "./live-load.ts";
import { type BenchContext, wait } from "./section.ts";

export interface SteadyWindow {
  readonly streams: number;
  /** A second and stream. */
  readonly analysedFps: number;
  readonly scoredFps: number;
  readonly discarded: number;
  readonly discardedBy: Readonly<Partial<Record<DiscardReason, number>>>;
  readonly lost: number;
  readonly samplingFps: number;
  /** Of all scores of the window; 0 when a stream had none. */
  readonly minCoverage: number;
  readonly frameAge: ReadonlyMap<number, number>;
  /** % of a core. */
  readonly cpu: number;
  readonly inferenceCpu: number;
  readonly publisherCpu: number;
}

/** The first full horizon is ten seconds old, and a score waits for its hop. */
export const HORIZON_SECONDS = 13;
/** Slots of the media clock that two publishers' loops and our window's edges may cost. */
const FPS_TOLERANCE = 0.98;
const MIN_COVERAGE = 0.99;

/** Call it once the streams have been live for `HORIZON_SECONDS`. */
export async function watchWindow(load: LiveLoad, context: BenchContext, seconds: number): Promise<SteadyWindow> {
  const beforeAt = Date.now();
  const before = await load.metrics();
  const cpuBefore = load.cpu();
  const publishersBefore = load.publisherCpu();
  await wait(seconds, context);
  const after = await load.metrics();
  const cpuAfter = load.cpu();
  const elapsed = (Date.now() - beforeAt) / 1000;
  const streams = load.publishing;
  const grown = (name: string, labels?: Readonly<Record<string, string>>): number => after.sum(name, labels) - before.sum(name, labels);
  const details = await load.details();
  const coverages = details.map(({ scores }) => Math.min(1, ...scores.filter(({ at }) => at >= beforeAt).map(({ coverage }) => coverage)));
  const scored = details.every(({ scores }) => scores.some(({ at }) => at >= beforeAt));
  // Two frames may fall into one slot when a publisher's loop restarts: one of them is enough.
  const discardedBy: Partial<Record<DiscardReason, number>> = {};
  for (const reason of DISCARD_REASONS) {
    const count = grown("truecast_frames_discarded_total", { reason });
    if (reason !== "same-slot" && count > 0) discardedBy[reason] = count;
  }
  const percent = (cores: number): number => (100 * cores) / elapsed;
  return {
    streams,
    analysedFps: grown("truecast_frames_analysed_total") / elapsed / streams,
    scoredFps: grown("truecast_frame_age_seconds_count") / elapsed / streams,
    discarded: Object.values(discardedBy).reduce((sum, count) => sum + count, 0),
    discardedBy,
    lost: grown("truecast_frames_lost_total"),
    samplingFps: (await load.system()).samplingFps,
    minCoverage: scored && details.length === streams ? Math.min(...coverages) : 0,
    frameAge: bucketsBetween(before.buckets("truecast_frame_age_seconds"), after.buckets("truecast_frame_age_seconds")),
    cpu: percent(total(cpuAfter) - total(cpuBefore)),
    inferenceCpu: percent(cpuAfter.inference - cpuBefore.inference),
    publisherCpu: percent(load.publisherCpu() - publishersBefore),
  };
}

/** Why this load is too much; empty when the machine holds it. */
export function shortfalls(window: SteadyWindow): string[] {
  const found: string[] = [];
  for (const [reason, count] of Object.entries(window.discardedBy)) found.push(`${count} ${reason}`);
  if (window.lost > 0) found.push(`${window.lost} lost`);
  if (window.samplingFps < SAMPLE_RATE_HZ) found.push(`sampling fell to ${window.samplingFps} fps`);
  if (window.analysedFps < FPS_TOLERANCE * SAMPLE_RATE_HZ) found.push(`${window.analysedFps.toFixed(2)} frames analysed a second`);
  if (window.minCoverage < MIN_COVERAGE) found.push(`coverage ${window.minCoverage.toFixed(3)}`);
  return found;
}
