/** False alarms as people meet them: incidents of the alert rule per hour of a face on screen. */
import { DEFAULT_MIN_COVERAGE } from "../verdict/track-verdict.ts";
import { type EvaluatedClip, faceMsOf, type TrackScore } from "./scored-clip.ts";

/** The daemon's alert rule for one face: takes its scores in order and says whether an alert begins to fire with this one. */
export type AlertRule = (score: TrackScore) => boolean;

export interface AlertRuleUnderTest {
  /** A fresh rule for one face at this threshold. */
  readonly start: (threshold: number) => AlertRule;
  /** Media time from the first frame of a face before which no alert can fire: the horizon and the dwell time. */
  readonly earliestAlertMs: number;
}

export interface IncidentCount {
  readonly threshold: number;
  readonly incidents: number;
  readonly perFaceHour: number | null;
  /** Upper end of the 95% interval of the rate (Poisson, exact, one-sided); per hour in which an alert was possible. */
  readonly upperPerAlertableHour: number | null;
  /** Share of the genuine faces' full-horizon scores at or above the threshold; null without such scores. Says more than no incident in too short a time. */
  readonly genuineScoresAbove: number | null;
  /** Share of the fakes' faces, followed for long enough, for which an alert fired; null without such faces. */
  readonly fakesAlerted: number | null;
}

export interface IncidentReport {
  /** At the threshold in force. */
  readonly inForce: IncidentCount;
  readonly sweep: readonly IncidentCount[];
  /** Hours for which genuine faces were followed. */
  readonly faceHours: number;
  /** The part of them in which an alert could have fired at all; short clips give none. */
  readonly alertableHours: number;
  readonly genuineTracks: number;
  readonly genuineScores: number;
  readonly fakeTracksLongEnough: number;
}

export const SWEEP_THRESHOLDS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99] as const;
const MS_PER_HOUR = 3_600_000;

export function countIncidents(clips: readonly EvaluatedClip[], threshold: number, rule: AlertRuleUnderTest): IncidentReport {
  const tracksOf = (label: EvaluatedClip["label"]) => clips.filter((clip) => clip.label === label).flatMap((clip) => clip.tracks);
  const genuine = tracksOf("real");
  const forged = tracksOf("fake").filter((track) => faceMsOf(track) > rule.earliestAlertMs);
  const faceHours = genuine.reduce((sum, track) => sum + faceMsOf(track), 0) / MS_PER_HOUR;
  const alertableHours = genuine.reduce((sum, track) => sum + Math.max(0, faceMsOf(track) - rule.earliestAlertMs), 0) / MS_PER_HOUR;
  const fullScores = genuine.flatMap(({ scores }) => scores.filter(({ frames, coverage }) => frames === 100 && coverage >= DEFAULT_MIN_COVERAGE));
  const firings = (scores: readonly TrackScore[], at: number): number => {
    const step = rule.start(at);
    return scores.reduce((sum, score) => sum + (step(score) ? 1 : 0), 0);
  };
  const countAt = (at: number): IncidentCount => {
    const incidents = genuine.reduce((sum, { scores }) => sum + firings(scores, at), 0);
    return {
      threshold: at,
      incidents,
      perFaceHour: faceHours > 0 ? incidents / faceHours : null,
      upperPerAlertableHour: alertableHours > 0 ? poissonUpper(incidents) / alertableHours : null,
      genuineScoresAbove: fullScores.length === 0 ? null : fullScores.filter(({ score }) => score >= at).length / fullScores.length,
      fakesAlerted: forged.length === 0 ? null : forged.filter(({ scores }) => firings(scores, at) > 0).length / forged.length,
    };
  };
  return { inForce: countAt(threshold), sweep: SWEEP_THRESHOLDS.map(countAt), faceHours, alertableHours, genuineTracks: genuine.length, genuineScores: fullScores.length, fakeTracksLongEnough: forged.length };
}

/** The mean at which `count` or fewer events would come with a probability of 5%: 3.00 for none, 4.74 for one. */
export function poissonUpper(count: number): number {
  let low = count;
  let high = count + 20 + 10 * Math.sqrt(count + 1);
  for (let step = 0; step < 100; step++) {
    const mean = (low + high) / 2;
    if (poissonAtMost(count, mean) > 0.05) low = mean;
    else high = mean;
  }
  return (low + high) / 2;
}

function poissonAtMost(count: number, mean: number): number {
  let logTerm = -mean;
  let sum = Math.exp(logTerm);
  for (let events = 1; events <= count; events++) {
    logTerm += Math.log(mean / events);
    sum += Math.exp(logTerm);
  }
  return sum;
}
