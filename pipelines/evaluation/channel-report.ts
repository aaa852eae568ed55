/** All figures of one channel: the clips as they are, or re-encoded to one bit rate. */
import type { HorizonFrames } from "../types.ts";
import { baselineScores } from "./baseline.ts";
import { type BootstrapOptions, DEFAULT_BOOTSTRAP, groupBootstrap, type Interval, median } from "./bootstrap.ts";
import { checkGroups, type GroupChecks } from "./group-checks.ts";
import { type AlertRuleUnderTest, countIncidents, type IncidentReport } from "./incidents.ts";
import { type Reliability, reliabilityOf } from "./reliability.ts";
import { type Accuracy, accuracyAt, areaUnderCurve, bestAccuracy, countLabels, equalErrorRate, type RateAtBound, type RocPoint, rocCurve, truePositiveRateAt } from "./roc.ts";
import { type EvaluatedClip, HORIZONS, judgedClips, type Judged, scoreAtHorizon } from "./scored-clip.ts";

export interface Figure {
  readonly value: number | null;
  /** 95%, by resampling groups. */
  readonly interval: Interval | null;
}

export interface ChannelReport {
  readonly channel: string;
  readonly clips: { readonly real: number; readonly fake: number };
  readonly scored: { readonly real: number; readonly fake: number };
  /** Clips without a score by label and reason; they count as wrong in `accuracyOfAll` and nowhere as right. */
  readonly unscored: readonly { readonly label: string; readonly reason: string; readonly clips: number }[];
  readonly area: Figure;
  readonly equalErrorRate: Figure;
  /** At the lower edge of `manipulated`, where an alert begins. */
  readonly atThreshold: Accuracy | null;
  readonly accuracyInterval: Interval | null;
  /** At a score of one half, which is what an accuracy usually means. */
  readonly atHalf: Accuracy | null;
  /** Accuracy at the threshold of the model over all clips of the manifest, an unscored one being wrong. */
  readonly accuracyOfAll: number;
  /** At the best threshold for these clips; its threshold is infinite (null in JSON) where calling nothing fake is best. */
  readonly best: Accuracy | null;
  readonly bestBalanced: Accuracy | null;
  readonly rates: readonly { readonly maxFalsePositiveRate: number; readonly found: RateAtBound }[];
  readonly rateWithoutFalsePositive: number | null;
  readonly reliability: Reliability | null;
  readonly types: readonly TypeReport[];
  readonly horizons: { readonly all: readonly HorizonReport[]; readonly sameClips: readonly HorizonReport[] };
  readonly groups: GroupChecks;
  readonly incidents: IncidentReport;
  readonly baseline: BaselineReport;
  readonly roc: readonly RocPoint[];
  readonly baselineRoc: readonly RocPoint[];
}

export interface TypeReport {
  readonly type: string;
  readonly label: string;
  readonly clips: number;
  readonly scored: number;
  readonly medianScore: number | null;
  /** Share of the scored clips at or above the model's threshold: caught fakes, or false alarms. */
  readonly shareFlagged: number | null;
  /** Fakes of this type against all genuine clips; null for genuine types. No interval under five groups. */
  readonly area: Figure | null;
}

/** Drawn from fewer people or scenes, an interval would only show how the genuine clips vary, and look narrow. */
const MIN_GROUPS_OF_TYPE = 5;

/** One row of the shape of the paper's Table 1. */
export interface HorizonReport {
  readonly frames: HorizonFrames;
  readonly real: number;
  readonly fake: number;
  readonly area: number | null;
  readonly equalErrorRate: number | null;
  readonly atHalf: Accuracy | null;
  readonly best: Accuracy | null;
}

export interface BaselineReport {
  /** Clips that both the model and the baseline could judge. */
  readonly clips: number;
  readonly area: Figure;
  /** Of the model on the same clips. */
  readonly modelArea: number | null;
  /** Model minus baseline on the same clips, paired. */
  readonly lead: Figure;
}

export interface ChannelReportOptions {
  readonly channel: string;
  readonly clips: readonly EvaluatedClip[];
  readonly threshold: number;
  readonly rule: AlertRuleUnderTest;
  readonly bootstrap?: BootstrapOptions;
}

export function reportChannel({ channel, clips, threshold, rule, bootstrap = DEFAULT_BOOTSTRAP }: ChannelReportOptions): ChannelReport {
  const judged = judgedClips(clips);
  const [areaInterval = null, errorInterval = null, accuracyInterval = null] = groupBootstrap(
    judged,
    (drawn) => [areaUnderCurve(drawn), equalErrorRate(drawn), accuracyAt(drawn, threshold)?.accuracy ?? null],
    bootstrap,
  );
  return {
    channel,
    clips: countLabels(clips),
    scored: countLabels(judged),
    unscored: countUnscored(clips),
    area: { value: areaUnderCurve(judged), interval: areaInterval },
    equalErrorRate: { value: equalErrorRate(judged), interval: errorInterval },
    atThreshold: accuracyAt(judged, threshold),
    accuracyInterval,
    atHalf: accuracyAt(judged, 0.5),
    accuracyOfAll: judged.filter(({ label, score }) => (label === "fake") === score >= threshold).length / clips.length,
    best: bestAccuracy(judged),
    bestBalanced: bestAccuracy(judged, "balancedAccuracy"),
    rates: [0.01, 0.001].map((maxFalsePositiveRate) => ({ maxFalsePositiveRate, found: truePositiveRateAt(judged, maxFalsePositiveRate) })),
    rateWithoutFalsePositive: rocCurve(judged).findLast((point) => point.falsePositiveRate === 0)?.truePositiveRate ?? null,
    reliability: reliabilityOf(judged),
    types: reportTypes(clips, threshold, bootstrap),
    horizons: reportHorizons(clips),
    groups: checkGroups(judged),
    incidents: countIncidents(clips, threshold, rule),
    ...reportBaseline(clips, bootstrap),
    roc: rocCurve(judged),
  };
}

function countUnscored(clips: readonly EvaluatedClip[]): ChannelReport["unscored"] {
  const groups = Map.groupBy(clips.filter(({ score }) => score === null), ({ label, unscored }) => `${label}\n${unscored ?? "unknown"}`);
  return [...groups].map(([key, members]) => {
    const [label = "", reason = ""] = key.split("\n");
    return { label, reason, clips: members.length };
  });
}

function reportTypes(clips: readonly EvaluatedClip[], threshold: number, bootstrap: BootstrapOptions): TypeReport[] {
  const genuine = judgedClips(clips.filter(({ label }) => label === "real"));
  const byType = Map.groupBy(clips, ({ label, type }) => `${label}\n${type}`);
  const reports = [...byType.values()].flatMap((members): TypeReport[] => {
    const [first] = members;
    if (first === undefined) return [];
    const { type, label } = first;
    const judged = judgedClips(members);
    const scores = judged.map(({ score }) => score);
    const against = [...genuine, ...judged];
    const groups = new Set(judged.map(({ group }) => group)).size;
    const interval = label === "fake" && groups >= MIN_GROUPS_OF_TYPE ? (groupBootstrap(against, (drawn) => [areaUnderCurve(drawn)], bootstrap)[0] ?? null) : null;
    return [
      {
        type,
        label,
        clips: members.length,
        scored: judged.length,
        medianScore: median(scores),
        shareFlagged: scores.length === 0 ? null : scores.filter((score) => score >= threshold).length / scores.length,
        area: label === "fake" ? { value: areaUnderCurve(against), interval } : null,
      },
    ];
  });
  return reports.toSorted((a, b) => (a.label === b.label ? b.clips - a.clips : a.label === "fake" ? -1 : 1));
}

function reportHorizons(clips: readonly EvaluatedClip[]): ChannelReport["horizons"] {
  const rows = HORIZONS.map((frames) => ({
    frames,
    judged: clips.flatMap((clip): (Judged & { readonly file: string })[] => {
      const score = scoreAtHorizon(clip, frames);
      return score === null ? [] : [{ file: clip.file, label: clip.label, group: clip.group, score }];
    }),
  }));
  const inAll = rows.map(({ judged }) => new Set(judged.map(({ file }) => file))).reduce((all, files) => all.intersection(files));
  const report = (frames: HorizonFrames, judged: readonly Judged[]): HorizonReport => ({
    frames,
    ...countLabels(judged),
    area: areaUnderCurve(judged),
    equalErrorRate: equalErrorRate(judged),
    atHalf: accuracyAt(judged, 0.5),
    best: bestAccuracy(judged, "balancedAccuracy"),
  });
  return {
    all: rows.map(({ frames, judged }) => report(frames, judged)),
    sameClips: rows.map(({ frames, judged }) => report(frames, judged.filter(({ file }) => inAll.has(file)))),
  };
}

function reportBaseline(clips: readonly EvaluatedClip[], bootstrap: BootstrapOptions): { readonly baseline: BaselineReport; readonly baselineRoc: readonly RocPoint[] } {
  // On the clips that the model scored: both are asked the same questions.
  const judged = new Map(judgedClips(clips).map((clip) => [clip.file, clip]));
  const paired = baselineScores([...judged.values()]).map((baseline) => ({ ...baseline, modelScore: judged.get(baseline.file)?.score ?? 0 }));
  const areas = (drawn: readonly (Judged & { readonly modelScore: number })[]): [number | null, number | null] => [
    areaUnderCurve(drawn),
    areaUnderCurve(drawn.map(({ label, modelScore }) => ({ label, score: modelScore }))),
  ];
  const leadOf = ([baseline, model]: [number | null, number | null]): number | null => (baseline === null || model === null ? null : model - baseline);
  const [interval = null, leadInterval = null] = groupBootstrap(
    paired,
    (drawn) => {
      const both = areas(drawn);
      return [both[0], leadOf(both)];
    },
    bootstrap,
  );
  const both = areas(paired);
  return {
    baseline: { clips: paired.length, area: { value: both[0], interval }, modelArea: both[1], lead: { value: leadOf(both), interval: leadInterval } },
    baselineRoc: rocCurve(paired),
  };
}
