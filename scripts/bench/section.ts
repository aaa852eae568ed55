/** What every section of the benchmark is given, and how it waits. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SectionOutcome } from "./report.ts";

export interface BenchContext {
  /** Shorter windows and fewer rounds: shows that everything runs, not what the machine can do. */
  readonly quick: boolean;
  readonly signal: AbortSignal;
  /** Progress, one line. */
  readonly say: (text: string) => void;
  /** What `capacity` found, for the sections that load the machine to a share of it. */
  capacity?: { readonly streams: number };
}

export interface Section {
  readonly name: string;
  readonly about: string;
  run(context: BenchContext): Promise<SectionOutcome>;
}

/** @throws AbortError when the benchmark is ended */
export async function wait(seconds: number, { signal }: BenchContext): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal });
}
