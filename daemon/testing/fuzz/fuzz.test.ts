/** Thirty thousand mutated inputs against the whole daemon: nothing ends, nobody else notices, nothing is left. `npm run fuzz` does more. */
import { expect, test } from "vitest";
import { FUZZ_FAMILIES } from "./families.ts";
import { type CampaignReport, runCampaign } from "./fuzz-campaign.ts";

const INPUTS = 30_000;
const SEED = 20_261_125;
/** On two cores that other programs kept busy it took under two minutes. */
const TIMEOUT_MS = 15 * 60_000;

const replays = ({ findings }: CampaignReport) => findings.map(({ what, seed, cases }) => (cases.length === 0 ? what : `${what} (npm run fuzz -- --seed ${seed} --case ${cases.join(",")})`));

test(`${INPUTS} mutated inputs end no process, cost no other stream a second, and leave nothing behind`, { timeout: TIMEOUT_MS }, async () => {
  const report = await runCampaign({ seed: SEED, inputs: INPUTS });
  expect(replays(report)).toEqual([]);
  expect(report.inputs).toBeGreaterThanOrEqual(INPUTS);
  expect([...report.inputsByFamily.keys()].toSorted()).toEqual(FUZZ_FAMILIES.map(({ name }) => name).toSorted());
  expect(report.witness.decodedFrames).toBeGreaterThan(report.seconds * 9);
});
