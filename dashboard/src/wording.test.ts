/** Words and numbers of the page, and the rule that nothing unscored looks like a verdict. */
import { describe, expect, it } from "vitest";
import { UNSCORED_REASONS } from "../../pipelines/types.ts";
import { alert, modelCard, scored, unscored } from "../testing/scenario.ts";
import { arrowTarget } from "./arrow-keys.ts";
import { formatBitrate, formatClock, formatDuration, formatFps, formatLatency, formatPercent } from "./format.ts";
import { hrefOf, parseRoute } from "./route.ts";
import { shownVerdict } from "./shown-verdict.ts";
import { sentenceOfAlert, sentenceOfBlindSpot, sentenceOfReason, subjectOfAlert } from "./wording.ts";

describe("verdicts", () => {
  it("have a sentence of their own for every reason the pipeline knows", () => {
    const sentences = UNSCORED_REASONS.map(sentenceOfReason);
    expect(new Set(sentences).size).toBe(UNSCORED_REASONS.length);
    for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].*\.$/);
    for (const reason of UNSCORED_REASONS) expect(sentenceOfReason(reason)).not.toContain(`(${reason})`);
  });

  it("name a reason that is newer than this page", () => {
    expect(sentenceOfReason("too-dark")).toBe("No verdict (too-dark).");
  });

  it("show the score of a scored face in a live stream, and what is provisional", () => {
    expect(shownVerdict(scored(0.9), "live", modelCard())).toMatchObject({ kind: "manipulated", score: 0.9, provisionalFrames: null });
    expect(shownVerdict(scored(0.1, 60), "live", modelCard())).toMatchObject({ kind: "authentic", provisionalFrames: 60 });
  });

  it("never show authentic for what is unscored, not live, or judged by an untrained model", () => {
    const authentic = scored(0.02);
    expect(shownVerdict(unscored("no-face", 0.02), "live", modelCard())).toMatchObject({ kind: "unscored", score: null, rawScore: 0.02 });
    for (const state of ["waiting", "starting", "stalled", "reconnecting", "failed"] as const) expect(shownVerdict(authentic, state, modelCard()).kind).toBe("unscored");
    expect(shownVerdict(authentic, "live", modelCard({ trained: false })).kind).toBe("unscored");
  });

  it("show the verdicts of a scripted demonstration, which says so elsewhere", () => {
    expect(shownVerdict(scored(0.9), "live", modelCard({ kind: "scripted", trained: false })).kind).toBe("manipulated");
  });
});

describe("alerts", () => {
  const life = { id: "1", stream: "studio-a", state: "firing", resolution: null, pendingAt: 1, firingAt: 2, resolvedAt: null } as const;

  it("of blind spots are told in words of their own", () => {
    const spots = [
      { ...life, rule: "no-usable-face", measured: 312, limit: 300 },
      { ...life, rule: "low-coverage", measured: 0.8, limit: 0.5 },
      { ...life, rule: "decoder-restarts", measured: 8, limit: 8 },
    ] as const;
    expect(spots.map(subjectOfAlert)).toEqual(["no usable face", "low coverage", "decoder restarts"]);
    expect(spots.map(sentenceOfBlindSpot)).toEqual([
      "No face that can be judged for 5:12 min",
      "80% of the windows hold too little to be judged; 50% are allowed",
      "The decoder was restarted 8 times in a short time",
    ]);
    expect(sentenceOfAlert(spots[0])).toBe("Alert firing: stream studio-a, no usable face.");
  });

  it("of a face name its first track, and the one that it goes on with", () => {
    expect([subjectOfAlert(alert("studio-a", { track: 3, tracks: [3] })), subjectOfAlert(alert("studio-a", { track: 3, tracks: [3, 5, 9] }))]).toEqual(["face #3", "face #3, now #9"]);
  });
});

describe("numbers", () => {
  it("never round a probability to certainty", () => {
    expect([0, 0.004, 0.5, 0.874, 0.998, 1].map(formatPercent)).toEqual(["0%", "1%", "50%", "87%", "99%", "100%"]);
  });

  it("give durations in the largest useful unit", () => {
    expect([-5, 999, 42_000, 185_000, 7_500_000, 277_200_000].map(formatDuration)).toEqual(["0 s", "0 s", "42 s", "3:05 min", "2 h 05 min", "3 d 5 h"]);
  });

  it("give rates and latencies with their unit, and a dash for what is unknown", () => {
    expect([formatBitrate(840), formatBitrate(2840), formatBitrate(null)]).toEqual(["840 kbit/s", "2.8 Mbit/s", "–"]);
    expect([formatLatency(138.4), formatLatency(2300), formatLatency(null)]).toEqual(["138 ms", "2.3 s", "–"]);
    expect([formatFps(10), formatFps(9.97), formatFps(7.4), formatFps(5)]).toEqual(["10", "10", "7.4", "5"]);
  });

  it("add the date to a time of another day", () => {
    const noon = new Date(2026, 10, 24, 12, 0, 5).getTime();
    expect(formatClock(noon, noon + 1000)).toBe("12:00:05");
    expect(formatClock(noon, noon + 86_400_000)).toBe("24 Nov 12:00:05");
  });
});

describe("links", () => {
  it("lead back to the stream they were made for, whatever its name", () => {
    for (const name of ["studio-a", "a/b c", "100%", "<img src=x>", "日本"]) expect(parseRoute(hrefOf({ kind: "stream", name }))).toEqual({ kind: "stream", name });
  });

  it("lead to the wall when they are broken", () => {
    for (const hash of ["", "#", "#/", "#/nowhere", "#/streams/", "#/streams/%E0%A4%A", "#/streams/a/b"]) expect(parseRoute(hash)).toEqual({ kind: "wall" });
  });
});

describe("arrow keys", () => {
  const grid = [0, 1, 2, 3, 4].map((index) => ({ left: (index % 3) * 100, top: Math.floor(index / 3) * 80 }));

  it("walk the rows and columns of the wall as it is laid out", () => {
    expect(arrowTarget("ArrowRight", 0, grid)).toBe(1);
    expect(arrowTarget("ArrowDown", 1, grid)).toBe(4);
    expect(arrowTarget("ArrowDown", 2, grid)).toBe(4);
    expect(arrowTarget("ArrowUp", 3, grid)).toBe(0);
    expect(arrowTarget("End", 0, grid)).toBe(4);
  });

  it("stop at the edges and leave other keys alone", () => {
    expect(arrowTarget("ArrowLeft", 0, grid)).toBeNull();
    expect(arrowTarget("ArrowRight", 4, grid)).toBeNull();
    expect(arrowTarget("ArrowDown", 3, grid)).toBeNull();
    expect(arrowTarget("Enter", 0, grid)).toBeNull();
  });
});
