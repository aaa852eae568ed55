import { describe, expect, test } from "vitest";
import { INGEST_LIMITS } from "./limits.ts";
import { createPublisherLiveness } from "./publisher-liveness.ts";

/** Ticks every `INGEST_LIMITS.tickMs` and tells when something changed. */
function changesBetween(liveness: ReturnType<typeof createPublisherLiveness>, fromMs: number, toMs: number, audioEveryTick = false) {
  const changes: { atMs: number; kind: string }[] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += INGEST_LIMITS.tickMs) {
    const heard = audioEveryTick ? liveness.packet("audio", nowMs) : null;
    const change = heard ?? liveness.tick(nowMs);
    if (change !== null) changes.push({ atMs: nowMs, kind: change.kind });
    if (change?.kind === "end") break;
  }
  return changes;
}

describe("the liveness of a publisher, with the default time-outs", () => {
  test("a publisher that sends nothing is reported within 10 s and ended 5 s later", () => {
    const changes = changesBetween(createPublisherLiveness(INGEST_LIMITS, 0), 0, 60_000);
    expect(changes.map((change) => change.kind)).toEqual(["stalled", "end"]);
    expect(changes[0]?.atMs).toBeLessThanOrEqual(10_000);
    expect((changes[1]?.atMs ?? 0) - (changes[0]?.atMs ?? 0)).toBe(5_000);
  });

  test("a packet in time keeps it live", () => {
    const liveness = createPublisherLiveness(INGEST_LIMITS, 0);
    for (let nowMs = 0; nowMs < 60_000; nowMs += INGEST_LIMITS.stallWarnMs - 1) {
      expect(liveness.packet("video", nowMs)).toBeNull();
      expect(liveness.tick(nowMs + 1)).toBeNull();
    }
    expect(liveness.state).toEqual({ kind: "live" });
  });

  test("a packet after the report resumes it, and the whole time runs again", () => {
    const liveness = createPublisherLiveness(INGEST_LIMITS, 0);
    expect(changesBetween(liveness, 0, 9_000).map((change) => change.kind)).toEqual(["stalled"]);
    expect(liveness.packet("video", 9_100)).toEqual({ kind: "resumed" });
    expect(changesBetween(liveness, 9_250, 17_000)).toEqual([]);
    expect(changesBetween(liveness, 17_250, 24_000)).toMatchObject([{ kind: "stalled" }, { kind: "end" }]);
  });

  test("audio without video is reported once as no-video after 10 s and never ended", () => {
    const liveness = createPublisherLiveness(INGEST_LIMITS, 0);
    expect(changesBetween(liveness, 0, 120_000, true)).toEqual([{ atMs: 10_000, kind: "no-video" }]);
    expect(liveness.packet("video", 120_001)).toEqual({ kind: "resumed" });
  });

  test("audio that falls silent too becomes a stall", () => {
    const liveness = createPublisherLiveness(INGEST_LIMITS, 0);
    changesBetween(liveness, 0, 12_000, true);
    expect(changesBetween(liveness, 12_250, 60_000).map((change) => change.kind)).toEqual(["stalled", "end"]);
  });
});
