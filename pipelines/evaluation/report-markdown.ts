/** The report of an evaluation as a page. */
import type { Interval } from "./bootstrap.ts";
import type { ChannelReport, Figure, HorizonReport } from "./channel-report.ts";
import type { IncidentCount } from "./incidents.ts";
import { type EvaluationReport, warningsOf } from "./report.ts";
import type { Accuracy, RateAtBound } from "./roc.ts";

export interface Picture {
  readonly file: string;
  readonly title: string;
}

export function renderMarkdown(report: EvaluationReport, pictures: readonly Picture[]): string {
  const { model, manifest, channels, threshold, alertRule, bootstrap } = report;
  const [first] = channels;
  const parts = [
    `# Evaluation of ${model.name}`,
    ...warningsOf(report).map((warning) => `> ${warning}`),
    [
      `Model \`${model.sha256.slice(0, 12)}\`, crops of ${model.inputSizePx}×${model.inputSizePx} at margin ${model.cropMargin}. `,
      `Manifest \`${manifest.file}\` (\`${manifest.sha256.slice(0, 12)}\`): ${manifest.clips} clips in ${manifest.groups} groups. `,
      `A clip's score is that of \`truecast analyze\`: of its worst face, the mean of its worst 20 s. `,
      `Threshold ${number(threshold)}, the model's lower edge of “manipulated”. `,
      `In brackets: 95% intervals over ${bootstrap.rounds} draws of whole groups, seed ${bootstrap.seed}.`,
    ].join(""),
    "## By channel",
    table(
      ["channel", "clips scored, real + fake", "AUC", "equal error rate", "accuracy at threshold", "at 0.5", "at the best threshold", "accuracy of all", "baseline AUC", "lead over it"],
      channels.map((channel) => [
        channel.channel,
        `${channel.scored.real} of ${channel.clips.real} + ${channel.scored.fake} of ${channel.clips.fake}`,
        figure(channel.area),
        figure(channel.equalErrorRate),
        withInterval(channel.atThreshold?.accuracy ?? null, channel.accuracyInterval),
        number(channel.atHalf?.accuracy),
        atBest(channel.best, "accuracy"),
        number(channel.accuracyOfAll),
        figure(channel.baseline.area),
        figure(channel.baseline.lead),
      ]),
    ),
    "The best threshold is chosen on these very clips: an upper bound, not a forecast. The baseline is a logistic regression on bit rate, resolution and sharpness, each clip judged by the clips of all other groups.",
    ...pictures.map(({ file, title }) => `![${title}](${file})`),
    ...channels.flatMap((channel) => channelSections(channel, channel === first)),
  ];
  const rule = `Alert rule: dwell ${alertRule.dwellMs} ms, hysteresis ${number(alertRule.hysteresis)}, scores over at least ${alertRule.minFrames} frames.`;
  return `${[...parts, rule].join("\n\n")}\n`;
}

function channelSections(channel: ChannelReport, full: boolean): string[] {
  const { groups, incidents, reliability } = channel;
  const sections = [
    `## Channel ${channel.channel}`,
    table(
      ["figure", "value"],
      [
        ["balanced accuracy at threshold", number(channel.atThreshold?.balancedAccuracy)],
        ["fakes caught, genuine flagged at threshold", `${number(channel.atThreshold?.truePositiveRate)}, ${number(channel.atThreshold?.falsePositiveRate)}`],
        ["best balanced accuracy", atBest(channel.bestBalanced, "balancedAccuracy")],
        ["fakes caught with no genuine clip flagged", number(channel.rateWithoutFalsePositive)],
        ...channel.rates.map(({ maxFalsePositiveRate, found }) => [`fakes caught at ${maxFalsePositiveRate * 100}% false positives`, rate(found)]),
        ["expected calibration error", number(reliability?.expectedCalibrationError)],
        ["Brier score", number(reliability?.brier)],
        ["accuracy at thresholds chosen on other groups", `${number(groups.crossValidated?.accuracy)} (balanced ${number(groups.crossValidated?.balancedAccuracy)})`],
        ["AUC with one group left out", groups.withoutOne === null ? "–" : `${number(groups.withoutOne.lowest.area)} (without ${code(groups.withoutOne.lowest.group)}) to ${number(groups.withoutOne.highest.area)} (without ${code(groups.withoutOne.highest.group)})`],
        ["pairs of one person or scene in the right order", groups.sameScene === null ? "– (no group has both labels)" : `${number(groups.sameScene.rightShare)} of ${groups.sameScene.pairs} in ${groups.sameScene.groups} groups`],
      ],
    ),
    "### By frames",
    horizonTable(channel.horizons.all),
    "The first score of each clip that stands on so many frames. The same on the clips that have all four:",
    horizonTable(channel.horizons.sameClips),
    "### False alarms",
    `${channel.incidents.genuineTracks} genuine faces, ${number(incidents.faceHours)} face-hours, ${number(incidents.alertableHours)} of them after the time an alert needs; ${incidents.genuineScores} scores over 100 frames. The bound is the upper end of a 95% interval, for an hour in which an alert is possible.`,
    incidentTable([incidents.inForce, ...incidents.sweep]),
  ];
  if (channel.unscored.length > 0) {
    sections.push("### Unscored", table(["label", "reason", "clips"], channel.unscored.map(({ label, reason, clips }) => [label, code(reason), String(clips)])));
  }
  if (full) {
    sections.push(
      "### By type",
      "Fakes of each type against all genuine clips; an interval only where they come from five groups or more.",
      table(
        ["type", "label", "scored", "median score", "at or above threshold", "AUC"],
        channel.types.map((type) => [cell(type.type), type.label, `${type.scored} of ${type.clips}`, number(type.medianScore), number(type.shareFlagged), type.area === null ? "" : figure(type.area)]),
      ),
    );
  }
  return sections;
}

function horizonTable(rows: readonly HorizonReport[]): string {
  return table(
    ["frames", "real", "fake", "AUC", "equal error rate", "accuracy at 0.5", "best balanced accuracy"],
    rows.map((row) => [String(row.frames), String(row.real), String(row.fake), number(row.area), number(row.equalErrorRate), number(row.atHalf?.accuracy), number(row.best?.balancedAccuracy)]),
  );
}

function incidentTable(counts: readonly IncidentCount[]): string {
  return table(
    ["threshold", "false incidents", "per face-hour", "at most, per hour", "genuine scores above", "fakes alerted"],
    counts.map((count, index) => [`${number(count.threshold)}${index === 0 ? " (in force)" : ""}`, String(count.incidents), number(count.perFaceHour), number(count.upperPerAlertableHour), number(count.genuineScoresAbove), number(count.fakesAlerted)]),
  );
}

function rate(found: RateAtBound): string {
  return found.kind === "measured" ? number(found.truePositiveRate) : `– (${found.genuine} genuine clips; ${found.needed} needed)`;
}

function atBest(best: Accuracy | null, what: "accuracy" | "balancedAccuracy"): string {
  if (best === null) return "–";
  return `${number(best[what])} ${Number.isFinite(best.threshold) ? `at ${number(best.threshold)}` : "(calling nothing fake)"}`;
}

function figure({ value, interval }: Figure): string {
  return withInterval(value, interval);
}

function withInterval(value: number | null, interval: Interval | null): string {
  return interval === null ? number(value) : `${number(value)} [${number(interval.low)}, ${number(interval.high)}]`;
}

function number(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value.toFixed(3);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** Text of a manifest may hold what ends a cell. */
function cell(text: string): string {
  return text.replace(/[\\|`*_<>[\]]/g, "\\$&").replace(/\s+/g, " ");
}

function code(text: string): string {
  return `\`${text.replace(/[`|\s]+/g, " ")}\``;
}
