/** `npm run fuzz`: attacks a daemon with mutated input and says what gave way; see docs/robustness.md. */
import { parseArgs } from "node:util";
import { type CampaignReport, runCampaign } from "../daemon/testing/fuzz/fuzz-campaign.ts";

const USAGE = "usage: npm run fuzz -- [--inputs 100000] [--seed N] [--case N[,N…]] [--only <beginning of a family's name>]";

const options = readOptions();
if (options === null) {
  console.error(USAGE);
  process.exit(2);
}
const ending = new AbortController();
// The daemon under attack must not outlive this process.
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
for (const name of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(name, (error: unknown) => {
    console.error(error);
    process.exitCode = 70;
    ending.abort();
  });
}
let toldAtSeconds = 0;
const report = await runCampaign({
  ...options,
  signal: ending.signal,
  onProgress({ inputs, cases, seconds }) {
    if (seconds < toldAtSeconds) toldAtSeconds = 0; // After the warm-up.
    if (seconds < toldAtSeconds + 10) return;
    toldAtSeconds = seconds;
    console.error(`  … ${inputs} inputs in ${cases} cases, ${seconds.toFixed(0)} s`);
  },
});
print(report);
if (report.findings.length > 0) process.exitCode = 1;

function print({ seed, inputs, cases, seconds, inputsByFamily, findings, before, after, witness, longestBusyMs, cpuSeconds }: CampaignReport): void {
  console.log(`seed ${seed}: ${inputs} inputs in ${cases} cases, ${seconds.toFixed(0)} s, ${(inputs / seconds).toFixed(0)} a second`);
  console.log([...inputsByFamily].map(([name, count]) => `  ${name} ${count}`).join("\n"));
  console.log(`processor seconds: ${Object.entries(cpuSeconds).map(([part, value]) => `${part} ${value.toFixed(1)}`).join(", ")}`);
  for (const part of ["daemon", "ingest", "analysis"] as const) {
    console.log(`${part}: ${before[part].rssMb.toFixed(0)} → ${after[part].rssMb.toFixed(0)} MB resident, ${before[part].liveMb.toFixed(1)} → ${after[part].liveMb.toFixed(1)} MB in use, ${before[part].descriptors} → ${after[part].descriptors} descriptors`);
  }
  console.log(`processes: ${before.processes} → ${after.processes}`);
  console.log(`the stream beside it: ${witness.decodedFrames} frames, at most ${witness.mostLostSeconds.toFixed(2)} s (${witness.mostLostFrames} frames by the daemon's count) lost in ten seconds; longest standstill ${witness.longestStandstillSeconds.toFixed(2)} s, ${witness.standstillSecondsBefore.toFixed(2)} s without an attack`);
  const busy = (ms: number) => (ms === 0 ? "under 100 ms" : `${ms} ms`);
  console.log(`longest stretch of processor time: daemon ${busy(longestBusyMs.daemon)}, ingest ${busy(longestBusyMs.ingest)}`);
  for (const { what, seed: of = seed, cases: guilty } of findings) {
    console.log(`\nFOUND: ${what}`);
    if (guilty.length > 0) console.log(`  replay: npm run fuzz -- --seed ${of} --case ${guilty.join(",")}`);
  }
  if (findings.length === 0) console.log("nothing gave way");
}

function readOptions(): { readonly seed: number; readonly inputs: number; readonly cases?: readonly number[]; readonly only?: string } | null {
  try {
    const { values } = parseArgs({ options: { inputs: { type: "string", default: "100000" }, seed: { type: "string", default: String(Date.now() % 1_000_000) }, case: { type: "string" }, only: { type: "string" } } });
    const cases = values.case?.split(",").map(Number);
    const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
    if (![inputs, seed, ...(cases ?? [])].every((value) => Number.isInteger(value) && value >= 0)) return null;
    return { seed, inputs, ...(cases === undefined ? {} : { cases }), ...(values.only === undefined ? {} : { only: values.only }) };
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return null;
  }
}
