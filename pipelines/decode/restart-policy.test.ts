import { expect, it } from "vitest";
import { createRestartPolicy } from "./restart-policy.ts";

it("restarts at once, then with delays that double up to the limit", () => {
  const policy = createRestartPolicy({ maxRestarts: 100 });
  const delays = Array.from({ length: 9 }, () => policy.ended(0)).map((decision) => decision.kind === "restart" && decision.delayMs);
  expect(delays).toEqual([0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
});

it("forgets earlier failures after ten seconds of frames, not before", () => {
  const policy = createRestartPolicy();
  policy.ended(0);
  policy.delivered(1000);
  policy.delivered(10_999);
  expect(policy.ended(11_000)).toEqual({ kind: "restart", delayMs: 250 });
  policy.delivered(12_000);
  policy.delivered(22_000);
  expect(policy.ended(22_100)).toEqual({ kind: "restart", delayMs: 0 });
});

it("calls more restarts than allowed within a minute a storm, waits, and then begins anew", () => {
  const policy = createRestartPolicy({ maxRestarts: 3 });
  for (const nowMs of [0, 20_000, 40_000]) expect(policy.ended(nowMs).kind).toBe("restart");
  expect(policy.ended(59_999)).toEqual({ kind: "storm", waitMs: 30_000, restarts: 3 });
  expect(policy.ended(90_000)).toEqual({ kind: "restart", delayMs: 0 });
});

it("does not count restarts older than the window", () => {
  const policy = createRestartPolicy({ maxRestarts: 3 });
  for (const nowMs of [0, 20_000, 40_000, 60_000, 80_000]) expect(policy.ended(nowMs).kind).toBe("restart");
});
