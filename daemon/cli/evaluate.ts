/** `truecast evaluate`: the live pipeline over labelled clips, and every figure that says how good the model is. */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import pino from "pino";
import sharp from "sharp";
import { loadConfig } from "../../config/load.ts";
import { readManifest } from "../../models/manifest.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { DEFAULT_BOOTSTRAP } from "../../pipelines/evaluation/bootstrap.ts";
import { reportChannel } from "../../pipelines/evaluation/channel-report.ts";
import { requireBothLabels } from "../../pipelines/evaluation/clip-manifest.ts";
import type { AlertRuleUnderTest } from "../../pipelines/evaluation/incidents.ts";
import { reliabilityPicture, rocPicture, scoresPicture } from "../../pipelines/evaluation/pictures.ts";
import type { EvaluationReport } from "../../pipelines/evaluation/report.ts";
import { type Picture, renderMarkdown } from "../../pipelines/evaluation/report-markdown.ts";
import type { EvaluatedClip, ScoredClip } from "../../pipelines/evaluation/scored-clip.ts";
import { startFaceApiDetector } from "../../pipelines/faces/face-api-detector.ts";
import { SLOT_MS } from "../../pipelines/types.ts";
import { type AlertRuleSettings, type AlertRuleState, INACTIVE, stepAlertRule } from "../alerts/alert-rule.ts";
import { alertRuleSettings } from "../alerts/alert-settings.ts";
import { modelFolder } from "../inference-service.ts";
import { type Channel, channelName, checkEncoder, parseChannels } from "../recordings/channel.ts";
import { contentHash, type ListedClip, readClipManifest } from "../recordings/clip-list.ts";
import { startRecordingScorer } from "../recordings/recording-scorer.ts";
import { scoreClip } from "../recordings/score-clip.ts";
import { workThrough } from "../recordings/work-through.ts";
import { numberOption, providerOption } from "./options.ts";

export interface EvaluateOptions {
  readonly manifest: string;
  readonly out: string;
  readonly model: string;
  readonly modelsDir?: string;
  readonly bitrates: string;
  readonly height: string;
  readonly maxSeconds?: string;
  readonly config?: string;
  readonly provider: string;
  readonly jobs: string;
  readonly seed: string;
}

type Clip = Awaited<ReturnType<typeof readClipManifest>>[number];
interface Item {
  readonly clip: Clip;
  readonly channel: Channel;
}

export async function evaluate(options: EvaluateOptions): Promise<void> {
  const provider = providerOption(options.provider);
  const channels = parseChannels(options.bitrates, numberOption("height", options.height, { min: 64, max: 2160, step: 2 }));
  const jobs = numberOption("jobs", options.jobs, { min: 1, max: 64, step: 1 });
  const seed = numberOption("seed", options.seed, { min: 0, max: 2 ** 32 - 1, step: 1 });
  const maxSeconds = options.maxSeconds === undefined ? null : numberOption("max-seconds", options.maxSeconds, { min: 0.1, max: 1e6 });
  const { config } = loadConfig({ file: options.config, environment: process.env });
  const modelDir = modelFolder(options.model, options.modelsDir ?? null);
  const { info: model } = await readManifest(modelDir);
  if (model.kind === "scripted") throw new TruecastError("config-invalid", `--model is "${options.model}", a script that detects nothing: its scores are made up and cannot be evaluated`);
  const clips = await readClipManifest(options.manifest);
  requireBothLabels(clips, options.manifest);
  await checkEncoder(channels);

  const items = channels.flatMap((channel) => clips.map((clip) => ({ clip, channel })));
  const scored = await scoreAll(items, { modelDir, provider, jobs, maxSeconds, cacheDir: join(options.out, "scores") });

  const rule = alertRuleSettings(config.alerts, undefined, model.bands.manipulated);
  const evaluated = channels.map((channel) => items.filter((item) => item.channel === channel).map((item) => evaluatedClip(item.clip, scored.get(item))));
  const bootstrap = { ...DEFAULT_BOOTSTRAP, seed };
  const report: EvaluationReport = {
    format: 1,
    model: { name: model.name, trained: model.trained, sha256: model.sha256, bands: model.bands, inputSizePx: model.inputSizePx, cropMargin: model.cropMargin, window: model.window, hop: model.hop },
    manifest: { file: basename(options.manifest), sha256: await contentHash(options.manifest), clips: clips.length, groups: new Set(clips.map(({ group }) => group)).size },
    threshold: rule.threshold,
    alertRule: { dwellMs: rule.dwellMs, hysteresis: rule.hysteresis, minFrames: rule.minFrames },
    bootstrap,
    channels: channels.map((channel, index) => reportChannel({ channel: channelName(channel), clips: evaluated[index] ?? [], threshold: rule.threshold, rule: alertRuleUnderTest(rule), bootstrap })),
  };
  await writeReport(options.out, report, evaluated);
  const first = report.channels[0];
  const area = first?.area.value;
  process.stderr.write(`${join(options.out, "report.md")}: AUC ${area === null || area === undefined ? "–" : area.toFixed(3)} on ${(first?.scored.real ?? 0) + (first?.scored.fake ?? 0)} of ${clips.length} clips (${first?.channel})${model.trained ? "" : "; UNTRAINED model, its scores mean nothing"}\n`);
}

async function scoreAll(
  items: readonly Item[],
  { modelDir, provider, jobs, maxSeconds, cacheDir }: { modelDir: string; provider: ReturnType<typeof providerOption>; jobs: number; maxSeconds: number | null; cacheDir: string },
): Promise<Map<Item, ScoredClip>> {
  const log = pino({ level: "error" }, pino.destination(2));
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort(new TruecastError("internal", "interrupted; the same command goes on from here")));
  await using scorer = await startRecordingScorer({ modelDir, provider, log });
  const scored = new Map<Item, ScoredClip>();
  await workThrough<Item, Awaited<ReturnType<typeof startFaceApiDetector>>>(items, {
    jobs,
    signal: abort.signal,
    openWorker: () => startFaceApiDetector({ log }),
    async work(item, detector) {
      const result = await scoreClip(item.clip, item.channel, { cacheDir, maxSeconds, scorer, detector, signal: abort.signal });
      scored.set(item, result);
      return result.how;
    },
    nameOf: ({ clip, channel }) => `${clip.file} (${channelName(channel)})`,
  });
  return scored;
}

function evaluatedClip({ file, label, type, group }: ListedClip & Clip, scored: ScoredClip | undefined): EvaluatedClip {
  if (scored === undefined) throw new TruecastError("internal", `${file} was not scored`);
  const { score, unscored, frames, clues, tracks } = scored;
  return { file, label, type, group, score, unscored, frames, clues, tracks };
}

/** The daemon's own rule, on the media clock. */
function alertRuleUnderTest(settings: AlertRuleSettings): AlertRuleUnderTest {
  return {
    earliestAlertMs: settings.minFrames * SLOT_MS + settings.dwellMs,
    start(threshold) {
      let state: AlertRuleState = INACTIVE;
      return (score) => {
        const step = stepAlertRule(state, { kind: "score", ptsMs: score.ptsMs, atMs: score.ptsMs, score }, { ...settings, threshold }, () => ({ id: "", stream: "", track: 1, tracks: [1], model: { name: "", sha256: "", scripted: false } }));
        state = step.state;
        return step.transitions.some(({ kind }) => kind === "firing");
      };
    },
  };
}

async function writeReport(outDir: string, report: EvaluationReport, evaluated: readonly (readonly EvaluatedClip[])[]): Promise<void> {
  const banner = report.model.trained ? null : "UNTRAINED";
  const pictures: (Picture & { readonly svg: string })[] = [{ file: "roc.png", title: "ROC curves", svg: rocPicture(report.channels, { title: `ROC of ${report.model.name}`, banner }) }];
  for (const [index, channel] of report.channels.entries()) {
    if (channel.reliability !== null) {
      pictures.push({ file: `reliability-${channel.channel}.png`, title: `Reliability, ${channel.channel}`, svg: reliabilityPicture(channel.reliability, { title: `Reliability of ${report.model.name}, ${channel.channel}`, banner }) });
    }
    pictures.push({ file: `scores-${channel.channel}.png`, title: `Scores by type, ${channel.channel}`, svg: scoresPicture(evaluated[index] ?? [], report.threshold, { title: `Scores of ${report.model.name}, ${channel.channel}`, banner }) });
  }
  await mkdir(outDir, { recursive: true });
  for (const { file, svg } of pictures) await sharp(Buffer.from(svg), { density: 144 }).png({ palette: true }).toFile(join(outDir, file));
  const clips = report.channels.map(({ channel }, index) => ({ channel, clips: (evaluated[index] ?? []).map(({ tracks, ...clip }) => ({ ...clip, faces: tracks.length })) }));
  await replaceFile(join(outDir, "report.json"), `${JSON.stringify({ ...report, clips }, null, 2)}\n`);
  await replaceFile(join(outDir, "report.md"), renderMarkdown(report, pictures));
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.part`, text);
  await rename(`${path}.part`, path);
}
