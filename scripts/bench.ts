/** `npm run bench`: measures speed and memory against their goals; prints tables, writes one JSON. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { capacity } from "./bench/capacity.ts";
import { delivery } from "./bench/delivery.ts";
import { frameAge } from "./bench/frame-age.ts";
import { backbone, horizon } from "./bench/inference.ts";
import { loadAverage, thisMachine } from "./bench/machine.ts";
import { memory } from "./bench/memory.ts";
import { overload } from "./bench/overload.ts";
import { recovery } from "./bench/recovery.ts";
import { goalLine, renderTable, type SectionOutcome } from "./bench/report.ts";
import type { BenchContext, Section } from "./bench/section.ts";
import { streamCpu } from "./bench/stream-cpu.ts";
import { webrtc } from "./bench/webrtc.ts";

const SECTIONS: readonly Section[] = [backbone, horizon, recovery, streamCpu, capacity, frameAge, delivery, overload, webrtc, memory];
const USAGE = `usage: npm run bench -- [--only ${SECTIONS.map(({ name }) => name).join(",")}] [--quick] [--out FILE]`;

interface Measured {
  readonly loadBefore: number;
  readonly seconds: number;
  readonly outcome: SectionOutcome;
}

const options = readOptions();
if (options === null) {
  console.error(USAGE);
  process.exit(2);
}

const ending = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
const context: BenchContext = { quick: options.quick, signal: ending.signal, say: (text) => console.error(`  … ${text}`) };
const machine = thisMachine();
const startedAt = new Date().toISOString();
const sections: Record<string, Measured> = {};

console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; Node ${machine.node}, ffmpeg ${machine.ffmpeg}; load ${loadAverage().toFixed(2)}\n`);
try {
  for (const section of options.sections) {
    const loadBefore = loadAverage();
    const startedMs = performance.now();
    console.log(`## ${section.name}: ${section.about} (load before: ${loadBefore.toFixed(2)})\n`);
    const outcome = await section.run(context);
    print(outcome);
    sections[section.name] = { loadBefore, seconds: Math.round((performance.now() - startedMs) / 1000), outcome };
    // After each section: what was measured is kept if a later one fails.
    save(options.out);
  }
  console.log(`written to ${options.out}`);
} catch (error) {
  if (!ending.signal.aborted) throw error;
  console.error("ended before it was through");
  process.exitCode = 130;
}

function print(outcome: SectionOutcome): void {
  if (outcome.kind === "skipped") {
    console.log(`skipped: ${outcome.reason}\n`);
    return;
  }
  for (const table of outcome.tables) console.log(`${table.title}\n\n${renderTable(table)}\n`);
  for (const goal of outcome.goals) console.log(goalLine(goal));
  for (const note of outcome.notes) console.log(`- ${note}`);
  console.log("");
}

function save(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ startedAt, quick: context.quick, machine, sections }, null, 2)}\n`);
}

function readOptions(): { readonly sections: readonly Section[]; readonly quick: boolean; readonly out: string } | null {
  try {
    const { values } = parseArgs({ options: { only: { type: "string" }, quick: { type: "boolean", default: false }, out: { type: "string", default: "var/bench.json" } } });
    const names = values.only?.split(",") ?? SECTIONS.map(({ name }) => name);
    const sections = SECTIONS.filter(({ name }) => names.includes(name));
    return sections.length === names.length ? { sections, quick: values.quick, out: values.out } : null;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return null;
  }
}
