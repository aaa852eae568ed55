/** The report of an evaluation as data; report.json is this and the score of each clip. */
import type { ModelInfo } from "../types.ts";
import type { ChannelReport } from "./channel-report.ts";

export interface EvaluationReport {
  readonly format: 1;
  readonly model: Pick<ModelInfo, "name" | "trained" | "sha256" | "bands" | "inputSizePx" | "cropMargin" | "window" | "hop">;
  readonly manifest: { readonly file: string; readonly sha256: string; readonly clips: number; readonly groups: number };
  readonly threshold: number;
  readonly alertRule: { readonly dwellMs: number; readonly hysteresis: number; readonly minFrames: number };
  readonly bootstrap: { readonly seed: number; readonly rounds: number };
  readonly channels: readonly ChannelReport[];
}

/** What a reader must know before any figure. */
export function warningsOf(report: EvaluationReport): string[] {
  const warnings: string[] = [];
  const [first] = report.channels;
  if (!report.model.trained) warnings.push("**UNTRAINED.** The weights of this model are random or unproven. Its scores mean nothing, and neither do the figures below.");
  if (first === undefined) return warnings;
  const { real, fake } = first.scored;
  if (real < 100 || fake < 100) warnings.push(`**Small set.** ${real} genuine and ${fake} fake clips were scored; read the intervals, not the values.`);
  const missing = first.clips.real + first.clips.fake - real - fake;
  if (missing > 0) warnings.push(`**${missing} of ${first.clips.real + first.clips.fake} clips are unscored.** They are in no figure but “accuracy of all”, where they count as wrong.`);
  const { baseline, area } = first;
  if (baseline.lead.interval !== null && baseline.lead.interval.low <= 0 && area.value !== null) {
    warnings.push("**Not shown to beat the trivial baseline.** The interval of the lead over a regression on bit rate, resolution and sharpness holds zero.");
  }
  if (first.incidents.alertableHours * 60 < 60) {
    warnings.push(`**False alarms per hour cannot be told from these clips.** An alert needs a longer look than most of them last: the genuine clips hold ${(first.incidents.alertableHours * 60).toFixed(1)} minutes in which one was possible.`);
  }
  return warnings;
}
