/** `npm run kill9 -- --count 1000 --seed N`: kills the daemon at random moments under a load of alerts, and says whether anything was lost or left. */
import { parseArgs } from "node:util";
import { KILL_PHASES, killRepeatedly } from "../daemon/faults/testing/kill-rounds.ts";
import { quantile } from "./bench/statistics.ts";

const { values } = parseArgs({ options: { count: { type: "string", default: "1000" }, seed: { type: "string", default: String(Date.now() % 1_000_000) } } });
const count = Number(values.count);
const seed = Number(values.seed);
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
  console.error("usage: npm run kill9 -- [--count N] [--seed N]");
  process.exit(2);
}

const ending = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
const startedAtMs = performance.now();
console.log(`${count} kills, seed ${seed}`);
const report = await killRepeatedly({ count, seed, signal: ending.signal, say: (text) => console.log(`  … ${text}`) });

const seconds = (values_: readonly number[], q: number): string => (values_.length === 0 ? "–" : (quantile(values_, q) / 1_000).toFixed(2));
console.log(`\nkills: ${KILL_PHASES.map((phase) => `${report.kills[phase]} ${phase}`).join(", ")}; ${((performance.now() - startedAtMs) / 60_000).toFixed(1)} min`);
console.log(`alerts told as stored: ${report.told}; left open by a kill and resolved by the next start: ${report.leftOpen}`);
console.log(`start to API, s: p50 ${seconds(report.startMs, 0.5)}, p99 ${seconds(report.startMs, 0.99)}, longest ${seconds(report.startMs, 1)}`);
console.log(`kill to no child left, s: p50 ${seconds(report.childrenGoneMs, 0.5)}, p99 ${seconds(report.childrenGoneMs, 0.99)}, longest ${seconds(report.childrenGoneMs, 1)}`);
console.log(`violations: ${report.violations.length}`);
for (const violation of report.violations) console.log(`  ${violation}`);
process.exitCode = report.violations.length === 0 ? 0 : 1;
