/** The whole report of a made-up set: every clip in its place, nothing unscored counted as right, the page readable. */
import sharp from "sharp";
import { expect, test } from "vitest";
import { type ChannelReport, reportChannel } from "./channel-report.ts";
import type { AlertRuleUnderTest } from "./incidents.ts";
import { reliabilityPicture, rocPicture, scoresPicture } from "./pictures.ts";
import { type EvaluationReport, warningsOf } from "./report.ts";
import { renderMarkdown } from "./report-markdown.ts";
import type { EvaluatedClip } from "./scored-clip.ts";
import { clipOf, trackOf } from "./testing/clips.ts";

const rule: AlertRuleUnderTest = { earliestAlertMs: 12_000, start: (threshold) => ({ score }) => score >= threshold };
const clues = (index: number) => ({ bitrateKbps: 500 + 13 * ((index * 7) % 11), widthPx: 640, heightPx: 480, sharpness: 0.1 + 0.01 * ((index * 5) % 7) });

/** Ten genuine clips from 0.05 to 0.50, eight swaps from 0.55 to 0.90, two reenactments at 0.30: the latter go unnoticed. */
const SCORED: readonly EvaluatedClip[] = [
  ...Array.from({ length: 10 }, (_, index) => {
    const score = 0.05 + index * 0.05;
    return clipOf({ file: `real-${index}`, label: "real", score, clues: clues(index), tracks: [trackOf([score], { provisional: [[40, score], [60, score], [80, score]] })] });
  }),
  ...Array.from({ length: 8 }, (_, index) => {
    const score = 0.55 + index * 0.05;
    return clipOf({ file: `swap-${index}`, label: "fake", type: "face_swap: <script>|x", score, clues: clues(index + 10), tracks: [trackOf([score], { provisional: [[40, 0.5], [60, score], [80, score]] })] });
  }),
  ...[0, 1].map((index) => clipOf({ file: `talk-${index}`, label: "fake", type: "reenactment", score: 0.3, clues: clues(index + 18), tracks: [trackOf([], { provisional: [[40, 0.3]] })] })),
];
const CLIPS: readonly EvaluatedClip[] = [
  ...SCORED,
  clipOf({ file: "short", label: "fake", unscored: "too-few-frames" }),
  clipOf({ file: "broken", label: "real", unscored: "input-not-media" }),
  clipOf({ file: "faceless", label: "real", unscored: "no-face" }),
];

function channelReport(clips: readonly EvaluatedClip[] = CLIPS): ChannelReport {
  return reportChannel({ channel: "source", clips, threshold: 0.525, rule, bootstrap: { seed: 1, rounds: 200 } });
}

function evaluationReport(channels: readonly ChannelReport[], trained = true): EvaluationReport {
  return {
    format: 1,
    model: { name: "edge", trained, sha256: "ab".repeat(32), bands: { uncertain: 0.3, suspicious: 0.4, manipulated: 0.525, hysteresis: 0.05 }, inputSizePx: 112, cropMargin: 1.3, window: 100, hop: 10 },
    manifest: { file: "m.csv", sha256: "cd".repeat(32), clips: CLIPS.length, groups: CLIPS.length },
    threshold: 0.525,
    alertRule: { dwellMs: 2_000, hysteresis: 0.05, minFrames: 100 },
    bootstrap: { seed: 1, rounds: 200 },
    channels,
  };
}

test("the figures are those of the table, and unscored clips are wrong where all clips count", () => {
  const found = channelReport();
  expect(found).toMatchObject({ clips: { real: 12, fake: 11 }, scored: { real: 10, fake: 10 } });
  // Each reenactment at 0.30 is above five genuine clips, tied with one, below four: 5.5 of ten pairs.
  expect(found.area.value).toBeCloseTo((80 + 2 * 5.5) / 100, 12);
  expect(found.area.interval!.low).toBeLessThan(found.area.value!);
  expect(found.atThreshold).toMatchObject({ accuracy: 0.9, truePositiveRate: 0.8, falsePositiveRate: 0 });
  expect(found.accuracyOfAll).toBeCloseTo(18 / 23, 12);
  expect(found.rateWithoutFalsePositive).toBe(0.8);
  expect(found.rates[0]!.found).toEqual({ kind: "too-few-genuine", genuine: 10, needed: 100 });
  expect(found.unscored).toEqual([
    { label: "fake", reason: "too-few-frames", clips: 1 },
    { label: "real", reason: "input-not-media", clips: 1 },
    { label: "real", reason: "no-face", clips: 1 },
  ]);
});

test("a type that the model does not see stands out", () => {
  const types = channelReport().types;
  expect(types.find(({ type }) => type.startsWith("face_swap"))).toMatchObject({ clips: 8, scored: 8, shareFlagged: 1, area: { value: 1 } });
  expect(types.find(({ type }) => type === "reenactment")).toMatchObject({ shareFlagged: 0, area: { value: 0.55 } });
  expect(types.find(({ type }) => type === "camera")).toMatchObject({ clips: 12, scored: 10, shareFlagged: 0, area: null });
});

test("each number of frames is judged on the clips that reach it, and again on those that reach all", () => {
  const { all, sameClips } = channelReport().horizons;
  expect(all.map(({ frames, real, fake }) => [frames, real, fake])).toEqual([[40, 10, 10], [60, 10, 8], [80, 10, 8], [100, 10, 8]]);
  expect(sameClips.map(({ real, fake }) => [real, fake])).toEqual([[10, 8], [10, 8], [10, 8], [10, 8]]);
  expect(all[3]!.area).toBe(1);
  expect(all[0]!.area).toBeLessThan(1);
});

test("the baseline answers for the clips that the model scored, and the lead is paired", () => {
  const { baseline } = channelReport();
  expect(baseline.clips).toBe(20);
  expect(baseline.modelArea).toBeCloseTo(0.91, 12);
  expect(baseline.lead.value).toBeCloseTo(0.91 - baseline.area.value!, 12);
});

test("the page warns of an untrained model first, of small sets and of missing clips, and holds no stray value", () => {
  const report = evaluationReport([channelReport(), channelReport(CLIPS.map((clip) => ({ ...clip, score: null, unscored: "no-face" })))], false);
  const page = renderMarkdown(report, [{ file: "roc.png", title: "ROC curves" }]);
  expect(page).toMatch(/^# Evaluation of edge\n\n> \*\*UNTRAINED\.\*\*/);
  expect(page).toContain("**Small set.**");
  expect(page).toContain("**3 of 23 clips are unscored.**");
  expect(page).toContain("**False alarms per hour cannot be told from these clips.**");
  expect(page).toContain("| source | 10 of 12 + 10 of 11 | 0.910 [");
  expect(page).toContain("face\\_swap: \\<script\\>\\|x");
  expect(page).toContain("![ROC curves](roc.png)");
  expect(page).not.toMatch(/NaN|undefined|null|Infinity/);
  expect(warningsOf(evaluationReport([channelReport()]))[0]).not.toContain("UNTRAINED");
});

test("every table of the page has as many cells in each row as in its header", () => {
  const lines = renderMarkdown(evaluationReport([channelReport()]), []).split("\n");
  const cells = (line: string) => line.replaceAll("\\|", "").split("|").length;
  for (const [index, line] of lines.entries()) {
    if (line.startsWith("|") && lines[index - 1]?.startsWith("|")) expect(cells(line), line).toBe(cells(lines[index - 1]!));
  }
});

test("the report survives JSON, and gives the same bytes twice", () => {
  const text = JSON.stringify(evaluationReport([channelReport()]));
  expect(JSON.stringify(evaluationReport([channelReport()]))).toBe(text);
  expect(text).not.toContain("NaN");
});

test("the pictures are SVG that can be drawn, with the text of the manifest escaped", async () => {
  const channel = channelReport();
  const options = { title: "Scores of <edge> & co", banner: "UNTRAINED" };
  const pictures = [rocPicture([channel, channel], options), reliabilityPicture(channel.reliability!, options), scoresPicture(CLIPS, 0.525, options)];
  for (const svg of pictures) {
    expect(svg).toContain("UNTRAINED");
    expect(svg).not.toMatch(/<script|<edge|NaN|undefined/);
    const { width, height } = await sharp(Buffer.from(svg)).png().toBuffer({ resolveWithObject: true }).then(({ info }) => info);
    expect(width).toBeGreaterThan(400);
    expect(height).toBeGreaterThan(100);
  }
  expect(pictures[0]!.match(/<polyline/g)).toHaveLength(3);
  expect(pictures[2]!.match(/<circle/g)).toHaveLength(20);
});
