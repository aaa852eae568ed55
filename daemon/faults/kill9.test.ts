/** Fault matrix (docs/operations.md): the daemon killed with SIGKILL in every phase, under a load of alerts; `npm run kill9` does it a thousand times. */
import { expect, test } from "vitest";
import { killRepeatedly } from "./testing/kill-rounds.ts";
import { tell } from "./testing/recovery.ts";

test("a dozen kills in every phase: the store is sound, no alert that was told as stored is lost, no child and no port is left", { timeout: 180_000 }, async () => {
  const report = await killRepeatedly({ count: 12, seed: 9 });
  tell(`daemon killed: no child left after ${(Math.max(...report.childrenGoneMs) / 1_000).toFixed(1)} s at most; ${report.told} alerts told, ${report.leftOpen} left open and resolved`);
  expect(report.violations).toEqual([]);
  expect(Object.values(report.kills).filter((count) => count === 0)).toEqual([]);
  expect(report.told).toBeGreaterThan(0);
});
