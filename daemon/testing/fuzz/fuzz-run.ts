/** Plans cases from a seed, keeps many of them going at once, and holds what they do to the daemon against what it may do. */
import { setTimeout as delay } from "node:timers/promises";
import { createRandom } from "../seeded-random.ts";
import type { WatchedDaemon } from "../watched-daemon.ts";
import { type FuzzFamily, type FuzzStream, type FuzzTarget, NotServed } from "./fuzz-case.ts";

export interface FuzzRunOptions {
  readonly families: readonly FuzzFamily[];
  readonly seed: number;
  readonly target: FuzzTarget;
  readonly streams: readonly FuzzStream[];
  readonly watched: WatchedDaemon;
  /** The first case's number. */
  readonly firstCase?: number;
  /** Cases are begun until they have sent this many inputs. */
  readonly inputs: number;
  readonly onProgress?: ((progress: FuzzProgress) => void) | undefined;
  /** Begins no further case once it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

export interface FuzzProgress {
  readonly inputs: number;
  readonly cases: number;
  readonly seconds: number;
}

export interface FuzzRun extends FuzzProgress {
  readonly nextCase: number;
  readonly inputsByFamily: ReadonlyMap<string, number>;
  /** What went wrong, with the cases that were under way. */
  readonly findings: readonly Finding[];
  readonly timeline: CaseTimeline;
}

export interface Finding {
  readonly what: string;
  /** Of these cases; they are absent where none can be named. */
  readonly seed?: number;
  /** One of them did it. */
  readonly cases: readonly number[];
}

export interface CaseTimeline {
  /** Cases that were under way at some time of the span; `Date.now()` times. */
  between(fromMs: number, toMs: number): readonly number[];
}

/** One less than an address may have. */
const SESSIONS_AT_ONCE = 7;
/** They take seconds. */
const CASE_TIMEOUT_MS = 90_000;
const LOOK_EVERY_MS = 100;
/** What is noticed now may have been done a little before. */
const NOTICE_MS = 2_000;
const MAX_FINDINGS = 20;

export interface PlannedCase {
  readonly number: number;
  readonly family: FuzzFamily;
}

/** A function of seed and number alone. Families are picked so that each sends its share of the inputs. */
export function planCase(families: readonly FuzzFamily[], seed: number, number: number): PlannedCase {
  const total = families.reduce((sum, { weight, inputs }) => sum + weight / inputs, 0);
  let left = createRandom(seed ^ 0x5eed, number).next() * total;
  for (const family of families) {
    left -= family.weight / family.inputs;
    if (left < 0) return { number, family };
  }
  const last = families.at(-1);
  if (last === undefined) throw new RangeError("no families");
  return { number, family: last };
}

export async function runCase({ family, number }: PlannedCase, { seed, target, stream }: { readonly seed: number; readonly target: FuzzTarget; readonly stream: FuzzStream }): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new NotServed(`the case has not come to its end after ${CASE_TIMEOUT_MS / 1_000} s`)), CASE_TIMEOUT_MS);
  try {
    await Promise.race([family.run({ target, stream, random: createRandom(seed, number) }), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

export async function runFuzz(options: FuzzRunOptions): Promise<FuzzRun> {
  const { families, seed, target, watched, onProgress } = options;
  const startedMs = performance.now();
  const timeline = createTimeline();
  const inputsByFamily = new Map<string, number>();
  const findings: Finding[] = [];
  let next = options.firstCase ?? 0;
  let planned = 0;
  let inputs = 0;
  let cases = 0;
  let over = false;

  const sessions = createGate(SESSIONS_AT_ONCE);

  const worker = async (stream: FuzzStream): Promise<void> => {
    while (!over && options.signal?.aborted !== true && planned < options.inputs) {
      const plan = planCase(families, seed, next++);
      planned += plan.family.inputs;
      using _session = plan.family.holdsSession === true ? await sessions.enter() : null;
      const began = timeline.begin(plan.number);
      try {
        await runCase(plan, { seed, target, stream });
      } catch (error) {
        findings.push({ what: `${plan.family.name}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`, seed, cases: [plan.number] });
      }
      timeline.end(began);
      inputs += plan.family.inputs;
      cases += 1;
      inputsByFamily.set(plan.family.name, (inputsByFamily.get(plan.family.name) ?? 0) + plan.family.inputs);
    }
  };

  const watch = async (): Promise<void> => {
    let known = 0;
    while (!over) {
      await delay(LOOK_EVERY_MS);
      const wrongs = watched.wrongs();
      for (const what of wrongs.slice(known)) findings.push({ what, seed, cases: timeline.between(Date.now() - NOTICE_MS, Date.now()) });
      known = wrongs.length;
      if (findings.length >= MAX_FINDINGS || watched.daemon.exit() !== null) over = true;
      onProgress?.({ inputs, cases, seconds: (performance.now() - startedMs) / 1_000 });
    }
  };

  const watching = watch();
  await Promise.all(options.streams.map(worker));
  over = true;
  await watching;
  return { inputs, cases, nextCase: next, seconds: (performance.now() - startedMs) / 1_000, inputsByFamily, findings, timeline };
}

/** Lets so many in at a time, in the order in which they came. */
function createGate(room: number): { enter(): Promise<Disposable> } {
  const waiting: (() => void)[] = [];
  let free = room;
  return {
    async enter() {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return {
        [Symbol.dispose]() {
          const next = waiting.shift();
          if (next === undefined) free += 1;
          else next();
        },
      };
    },
  };
}

interface CaseSpan {
  readonly number: number;
  readonly fromMs: number;
  toMs: number;
}

/** Of the last cases only. */
function createTimeline(): CaseTimeline & { begin(number: number): CaseSpan; end(span: CaseSpan): void } {
  const kept = 20_000;
  const spans: CaseSpan[] = [];
  return {
    begin(number) {
      const span = { number, fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY };
      spans.push(span);
      if (spans.length > 2 * kept) spans.splice(0, kept);
      return span;
    },
    end(span) {
      span.toMs = Date.now();
    },
    between: (fromMs, toMs) => spans.filter((span) => span.fromMs <= toMs && span.toMs >= fromMs).map(({ number }) => number),
  };
}
