/** `npm run cycles`: publishers that come and go on one daemon; says what is left of them. See docs/robustness.md. */
import { parseArgs } from "node:util";
import { type CycleReport, runCycleCampaign } from "../daemon/testing/cycles/cycle-campaign.ts";

const { values } = parseArgs({ options: { count: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } } });
const [count, seed] = [Number(values.count), Number(values.seed)];
if (!Number.isInteger(count) || !Number.isInteger(seed) || count < 1) {
  console.error("usage: npm run cycles -- [--count 10000] [--seed N]");
  process.exit(2);
}
const ending = new AbortController();
// The daemon must not outlive this process.
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
let toldAtSeconds = 0;
const report = await runCycleCampaign({
  count,
  seed,
  signal: ending.signal,
  onProgress({ cycles, seconds }) {
    if (seconds < toldAtSeconds) toldAtSeconds = 0; // After the warm-up.
    if (seconds < toldAtSeconds + 10) return;
    toldAtSeconds = seconds;
    console.error(`  … ${cycles} cycles, ${seconds.toFixed(0)} s`);
  },
});
print(report);
process.exitCode = report.wrongs.length === 0 ? 0 : 1;

function print({ cycles, seconds, byKind, before, after, witness, wrongs }: CycleReport): void {
  console.log(`${cycles} cycles in ${seconds.toFixed(0)} s, ${(cycles / seconds).toFixed(0)} a second`);
  for (const [kind, each] of byKind) console.log(`  ${kind}: ${each}`);
  for (const part of ["daemon", "ingest", "analysis"] as const) {
    console.log(`${part}: ${before[part].rssMb.toFixed(0)} → ${after[part].rssMb.toFixed(0)} MB resident, ${before[part].liveMb.toFixed(1)} → ${after[part].liveMb.toFixed(1)} MB in use, ${before[part].descriptors} → ${after[part].descriptors} descriptors`);
  }
  console.log(`processes: ${before.processes} → ${after.processes}`);
  console.log(`the stream beside them: at most ${witness.mostLostSeconds.toFixed(2)} s (${witness.mostLostFrames} frames by the daemon's count) lost in ten seconds; longest standstill ${witness.longestStandstillSeconds.toFixed(2)} s`);
  for (const wrong of wrongs) console.log(`\nFOUND: ${wrong}`);
  if (wrongs.length === 0) console.log("nothing is left of them");
}
