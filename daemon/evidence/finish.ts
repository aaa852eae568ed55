/** From what was recorded to a finished folder: clip, pictures, score line, report, hashes, and the manifest last. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FaceAlert, ScorePoint } from "../protocol.ts";
import { sha256OfFile, syncFile, writeDurably } from "./durable-files.ts";
import type { IncidentNote } from "./incident-note.ts";
import { type EvidenceClip, type EvidenceFile, type EvidenceProblem, EVIDENCE_PROBLEMS, FORMAT, type Manifest, MANIFEST_FILE } from "./manifest.ts";
import { scorePicture } from "./score-line.ts";
import { type MadeFile, runWorker, type WorkerOutcome } from "./worker.ts";

export interface FinishOptions {
  /** Of this incident, with what was recorded. */
  readonly recording: string;
  readonly note: IncidentNote;
  /** As it ended. */
  readonly alert: FaceAlert;
  readonly scores: readonly ScorePoint[];
  readonly leftOutScores: number;
  readonly problems: ReadonlySet<EvidenceProblem>;
  readonly heatMap: boolean;
  readonly modelDir: string;
  readonly version: string;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** What went wrong, in words for the log. */
  readonly onProblem: (problem: EvidenceProblem, message: string) => void;
}

export const FINISHED_FOLDER = "finished";
export const SUMS_FILE = "sha256sums.txt";
const MEDIA_TIMEOUT_MS = 120_000;
const HEAT_MAP_TIMEOUT_MS = 300_000;

/** Begins anew each time; what an interrupted try left is removed. */
export async function finishIncident(options: FinishOptions): Promise<{ readonly staging: string; readonly manifest: Manifest }> {
  const { recording, alert, now, version } = options;
  const staging = join(recording, FINISHED_FOLDER);
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { mode: 0o700 });
  const problems = new Set(options.problems);
  if (options.leftOutScores > 0) problems.add("scores-cut");

  const made: MadeFile[] = [];
  const clips: EvidenceClip[] = [];
  const take = (outcome: WorkerOutcome): void => {
    made.push(...outcome.files);
    clips.push(...outcome.clips);
    for (const { problem, message } of outcome.problems) {
      problems.add(problem);
      options.onProblem(problem, message);
    }
  };
  take(await worked(options, staging, "media"));
  if (options.heatMap) take(await worked(options, staging, "heat-map"));

  made.push(...(await writeScores(staging, options)));
  // Told meanwhile.
  for (const problem of options.problems) problems.add(problem);
  const sealedAt = now();
  await writeFile(join(staging, "report.json"), `${JSON.stringify(reportOf(options, { problems, sealedAt }), null, 2)}\n`);
  made.push({ name: "report.json", kind: "verdict", mediaType: "application/json", description: "The facts: alert, model with its hash, rule and thresholds in force, coverage, sampling, stream, version." });

  const files: EvidenceFile[] = [];
  for (const file of made) {
    const path = join(staging, file.name);
    await syncFile(path);
    files.push({ ...file, ...(await sha256OfFile(path)) });
  }
  files.push(await writeSums(staging, files));
  const manifest: Manifest = {
    format: FORMAT,
    incident: alert.id,
    stream: alert.stream,
    complete: problems.size === 0,
    problems: [...problems],
    firedAt: alert.firingAt ?? options.note.beganAt,
    endedAt: alert.resolvedAt ?? sealedAt,
    sealedAt,
    version,
    clips,
    files,
  };
  await writeDurably(join(staging, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return { staging, manifest };
}

/** A worker that dies takes its own files with it and nothing else. */
async function worked({ recording, note, scores, modelDir, signal }: FinishOptions, out: string, work: "media" | "heat-map"): Promise<WorkerOutcome> {
  const job = { work, recording, out, scores, firedPtsMs: note.firedPtsMs, modelDir, modelSha256: note.alert.model.sha256 };
  try {
    return await runWorker(job, { timeoutMs: work === "media" ? MEDIA_TIMEOUT_MS : HEAT_MAP_TIMEOUT_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    const problems: EvidenceProblem[] = work === "media" ? ["clip-failed", "pictures-failed"] : ["heat-map-failed"];
    return { files: [], clips: [], problems: problems.map((problem) => ({ problem, message })) };
  }
}

async function writeScores(staging: string, { alert, scores }: FinishOptions): Promise<readonly MadeFile[]> {
  await writeFile(join(staging, "scores.json"), `${JSON.stringify({ threshold: alert.threshold, points: scores }, null, 1)}\n`);
  await writeFile(join(staging, "scores.svg"), scorePicture(scores, { threshold: alert.threshold, firedAt: alert.firingAt ?? alert.pendingAt, banner: alert.model.scripted ? "SCRIPTED, NOT A DETECTOR" : null }));
  return [
    { name: "scores.json", kind: "verdict", mediaType: "application/json", description: "Every score of the face: media clock, wall clock, score, coverage, frames." },
    { name: "scores.svg", kind: "verdict", mediaType: "image/svg+xml", description: "The same as a picture." },
  ];
}

/** What `sha256sum -c` reads, for whoever has no Truecast. */
async function writeSums(staging: string, files: readonly EvidenceFile[]): Promise<EvidenceFile> {
  const path = join(staging, SUMS_FILE);
  await writeDurably(path, files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join(""));
  return { name: SUMS_FILE, kind: "verdict", mediaType: "text/plain", description: "The hashes of all other files, for sha256sum -c.", ...(await sha256OfFile(path)) };
}

function reportOf({ alert, note, scores, leftOutScores, version }: FinishOptions, { problems, sealedAt }: { readonly problems: ReadonlySet<EvidenceProblem>; readonly sealedAt: number }): object {
  const coverages = scores.map(({ coverage }) => coverage);
  return {
    software: { name: "Truecast", version, node: process.versions.node },
    alert,
    ...note.facts,
    times: { pendingAt: alert.pendingAt, firingAt: alert.firingAt, resolvedAt: alert.resolvedAt, sealedAt, firedPtsMs: note.firedPtsMs },
    scores: {
      count: scores.length,
      leftOut: leftOutScores,
      peak: scores.reduce((peak, { score }) => Math.max(peak, score), 0),
      meanCoverage: coverages.length === 0 ? null : coverages.reduce((sum, coverage) => sum + coverage, 0) / coverages.length,
      lowestCoverage: coverages.length === 0 ? null : Math.min(...coverages),
    },
    problems: [...problems].map((code) => ({ code, meaning: EVIDENCE_PROBLEMS[code] })),
  };
}
