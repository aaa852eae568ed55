/** A whole fuzz run on a daemon of its own: warm-up, the attack, what is left afterwards, and the slow inputs found again one by one. */
import { setTimeout as delay } from "node:timers/promises";
import { cpuSeconds } from "../../../scripts/bench/processes.ts";
import { startWhipPeer } from "../../ingest/whip/testing/whip-peer.ts";
import { BUSY_MS, type BusyStretch, type Figures, type WatchedDaemon, startWatchedDaemon } from "../watched-daemon.ts";
import { FUZZ_FAMILIES } from "./families.ts";
import type { FuzzFamily, FuzzStream, FuzzTarget } from "./fuzz-case.ts";
import { type Finding, type FuzzProgress, type FuzzRun, planCase, runCase, runFuzz } from "./fuzz-run.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Only these cases, one after the other, in place of a run. */
  readonly cases?: readonly number[];
  /** Only families whose name begins like this. */
  readonly only?: string;
  readonly onProgress?: (progress: FuzzProgress) => void;
  /** What was found by then is reported. */
  readonly signal?: AbortSignal;
}

export interface CampaignReport {
  readonly seed: number;
  readonly inputs: number;
  readonly cases: number;
  readonly seconds: number;
  readonly inputsByFamily: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  readonly before: Figures;
  readonly after: Figures;
  /** The stream beside the attack, and how long it stood still while there was none: on a busy machine not for a moment only. */
  readonly witness: { readonly decodedFrames: number; readonly mostLostSeconds: number; readonly mostLostFrames: number; readonly longestStandstillSeconds: number; readonly standstillSecondsBefore: number };
  /** Longest stretches of processor time without a turn of the event loop; 0 for those under BUSY_MS. */
  readonly longestBusyMs: { readonly daemon: number; readonly ingest: number };
  readonly cpuSeconds: { readonly daemon: number; readonly ingest: number; readonly analysis: number; readonly attacker: number };
}

const AT_ONCE = 24;
const STREAMS: readonly FuzzStream[] = Array.from({ length: AT_ONCE }, (_, index) => ({ name: `fuzz-${index}`, key: `secret-of-fuzz-slot-${String(index).padStart(2, "0")}` }));
/** Caps that the attack alone must not reach. */
const CONFIG = { rtmp: { port: 0, graceMs: 1_000, maxConnections: 128 }, analysis: { workers: 1, maxStreams: AT_ONCE + 2 } };
/** Code compiled, buffers grown, every kind of connection made once. */
const WARM_UP_INPUTS = 3_000;
const WARM_UP_SEED = 1;
/** To see how still the machine is without an attack. */
const QUIET_MS = 8_000;
const IDLE_TIMEOUT_MS = 60_000;
/** Idle connections are closed after five seconds. */
const HTTP_IDLE_MS = 6_000;
const SETTLE_TIMEOUT_MS = 20_000;
/** Cases that may have kept a process busy, replayed to find out. */
const MAX_SUSPECTS = 200;
const REPLAYS = 3;

/**
 * What may stay after a run. Of what is in use, compiled code, caches of regular expressions and the like, and buffers with a bound that
 * fill up: 17 MB in the daemon after 30,000 inputs, 23 MB after 300,000. Resident memory has besides what the allocators keep for later.
 */
export const TOLERANCE = { liveRatio: 1.1, liveMb: 32, rssRatio: 1.25, rssMb: 64, descriptors: 0 } as const;
export const MAX_LOST_SECONDS = 1;

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { seed, only = "" } = options;
  const families = FUZZ_FAMILIES.filter(({ name }) => name.startsWith(only));
  await using watched = await startWatchedDaemon(STREAMS, CONFIG);
  const target: FuzzTarget = { rtmpPort: watched.ports.rtmp, whipPort: watched.ports.whip, httpPort: watched.ports.http, udpPort: await udpPortOf(watched) };
  const attack = { families, streams: STREAMS, watched, target };

  const findings: Finding[] = [];
  await delay(QUIET_MS);
  const standstillSecondsBefore = watched.witness.longestStandstillSeconds;
  watched.witness.reset();
  if (options.cases === undefined) {
    const warmUp = await runFuzz({ ...attack, signal: options.signal, onProgress: options.onProgress, seed: WARM_UP_SEED, inputs: Math.min(WARM_UP_INPUTS, options.inputs) });
    findings.push(...warmUp.findings);
  }
  await watched.idle(IDLE_TIMEOUT_MS);
  await delay(HTTP_IDLE_MS);
  const before = await watched.figures();
  const cpuBefore = cpuOf(watched);
  watched.takeBusy();

  const run = options.cases === undefined ? await runFuzz({ ...attack, ...options }) : await replay(options.cases, { ...attack, seed });
  findings.push(...run.findings);
  const cpuAfter = cpuOf(watched);
  const busy = watched.takeBusy();
  try {
    await watched.idle(IDLE_TIMEOUT_MS);
  } catch (error) {
    findings.push({ what: error instanceof Error ? error.message : String(error), cases: [] });
  }
  if (watched.daemon.exit() === null) findings.push(...(await slowCases(busy, { ...attack, seed, run })));
  const after = watched.daemon.exit() === null ? await watched.figuresAsBefore(before, SETTLE_TIMEOUT_MS) : before;
  findings.push(...remains(before, after));
  const { decodedFrames, mostLostSeconds, mostLostFrames, longestStandstillSeconds } = watched.witness;
  if (mostLostSeconds > MAX_LOST_SECONDS || mostLostFrames > MAX_LOST_SECONDS * 10) findings.push({ what: `the stream beside the attack lost ${mostLostSeconds.toFixed(1)} s, and ${mostLostFrames} frames by the daemon's own count (${await watched.lostByReason()})`, cases: [] });
  return {
    seed,
    inputs: run.inputs,
    cases: run.cases,
    seconds: run.seconds,
    inputsByFamily: run.inputsByFamily,
    findings,
    before,
    after,
    witness: { decodedFrames, mostLostSeconds, mostLostFrames, longestStandstillSeconds, standstillSecondsBefore },
    longestBusyMs: { daemon: longest(busy, "daemon"), ingest: longest(busy, "ingest") },
    cpuSeconds: { daemon: cpuAfter.daemon - cpuBefore.daemon, ingest: cpuAfter.ingest - cpuBefore.ingest, analysis: cpuAfter.analysis - cpuBefore.analysis, attacker: cpuAfter.attacker - cpuBefore.attacker },
  };
}

interface Attack {
  readonly families: readonly FuzzFamily[];
  readonly streams: readonly FuzzStream[];
  readonly watched: WatchedDaemon;
  readonly target: FuzzTarget;
  readonly seed: number;
}

/** One at a time, on the first stream. */
async function replay(numbers: readonly number[], { families, streams, watched, target, seed }: Attack): Promise<FuzzRun> {
  const startedMs = performance.now();
  const findings: Finding[] = [];
  const inputsByFamily = new Map<string, number>();
  const [stream] = streams;
  for (const number of numbers) {
    const plan = planCase(families, seed, number);
    try {
      if (stream !== undefined) await runCase(plan, { seed, target, stream });
    } catch (error) {
      findings.push({ what: `${plan.family.name}: ${String(error)}`, seed, cases: [number] });
    }
    for (const what of watched.wrongs()) findings.push({ what, seed, cases: [number] });
    inputsByFamily.set(plan.family.name, (inputsByFamily.get(plan.family.name) ?? 0) + plan.family.inputs);
    if (findings.length > 0) break;
  }
  const inputs = [...inputsByFamily.values()].reduce((sum, count) => sum + count, 0);
  return { inputs, cases: numbers.length, nextCase: 0, seconds: (performance.now() - startedMs) / 1_000, inputsByFamily, findings, timeline: { between: () => numbers } };
}

/**
 * A busy stretch beside two dozen attacks may be the sum of many, or the garbage collector's. The cases that were under way are
 * replayed alone: one that keeps a process busy that long by itself, each time, is a finding.
 */
async function slowCases(busy: readonly BusyStretch[], context: Attack & { readonly run: FuzzRun }): Promise<Finding[]> {
  const { run, watched, seed } = context;
  const worst = busy.toSorted((a, b) => b.busyMs - a.busyMs);
  const suspects = [...new Set(worst.flatMap(({ fromMs, toMs }) => run.timeline.between(fromMs, toMs)))].slice(0, MAX_SUSPECTS);
  const findings: Finding[] = [];
  for (const number of suspects) {
    let shortestMs = Number.POSITIVE_INFINITY;
    for (let time = 0; time < REPLAYS && shortestMs >= BUSY_MS; time += 1) {
      await replay([number], { ...context, seed });
      const stretches = watched.takeBusy();
      shortestMs = Math.min(shortestMs, Math.max(0, ...stretches.map(({ busyMs }) => busyMs)));
    }
    if (shortestMs >= BUSY_MS) findings.push({ what: `${planCase(context.families, seed, number).family.name} keeps a process busy for ${shortestMs} ms at a stretch`, seed, cases: [number] });
  }
  return findings;
}

function longest(busy: readonly BusyStretch[], process: BusyStretch["process"]): number {
  return Math.max(0, ...busy.filter((stretch) => stretch.process === process).map(({ busyMs }) => busyMs));
}

function remains(before: Figures, after: Figures): Finding[] {
  const findings: Finding[] = [];
  for (const part of ["daemon", "ingest"] as const) {
    const [first, last] = [before[part], after[part]];
    if (last.liveMb > Math.max(first.liveMb * TOLERANCE.liveRatio, first.liveMb + TOLERANCE.liveMb)) findings.push({ what: `${part} has ${last.liveMb.toFixed(1)} MB in use, and ${first.liveMb.toFixed(1)} MB before`, cases: [] });
    if (last.rssMb > Math.max(first.rssMb * TOLERANCE.rssRatio, first.rssMb + TOLERANCE.rssMb)) findings.push({ what: `${part} holds ${last.rssMb.toFixed(0)} MB, and ${first.rssMb.toFixed(0)} MB before`, cases: [] });
    if (last.descriptors > first.descriptors + TOLERANCE.descriptors) findings.push({ what: `${part} has ${last.descriptors} descriptors open, and ${first.descriptors} before`, cases: [] });
  }
  if (after.processes > before.processes) findings.push({ what: `${after.processes} processes run, and ${before.processes} before`, cases: [] });
  return findings;
}

function cpuOf({ daemon }: WatchedDaemon): CampaignReport["cpuSeconds"] {
  if (daemon.exit() !== null) return { daemon: 0, ingest: 0, analysis: 0, attacker: 0 };
  const own = process.cpuUsage();
  return { daemon: cpuSeconds(daemon.pid), ingest: cpuSeconds(daemon.childPid("ingest")), analysis: cpuSeconds(daemon.childPid("analysis-0")), attacker: (own.user + own.system) / 1e6 };
}

/** Only an answer tells. */
async function udpPortOf({ ports }: WatchedDaemon): Promise<number> {
  const [stream] = STREAMS;
  if (stream === undefined) throw new RangeError("no streams");
  await using peer = await startWhipPeer({ port: ports.whip, stream: stream.name, key: stream.key });
  await fetch(`http://127.0.0.1:${ports.whip}${peer.sessionPath}`, { method: "DELETE", headers: { authorization: `Bearer ${stream.key}` } });
  return peer.udpPort;
}
