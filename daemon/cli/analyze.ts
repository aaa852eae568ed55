/** `truecast analyze`: the live pipeline over a recording, as fast as the machine allows. */
import pino from "pino";
import { openRecording } from "../../pipelines/decode/recording.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { startFaceApiDetector } from "../../pipelines/faces/face-api-detector.ts";
import { createRecording, type RecordingVerdict } from "../../pipelines/verdict/recording-verdict.ts";
import { modelFolder } from "../inference-service.ts";
import { scoreRecording, startRecordingScorer } from "../recordings/recording-scorer.ts";
import { providerOption } from "./options.ts";

interface AnalyzeOptions {
  readonly json?: boolean;
  readonly model: string;
  readonly modelsDir?: string;
  readonly provider: string;
}

export async function analyze(input: string, options: AnalyzeOptions): Promise<void> {
  const provider = providerOption(options.provider);
  const log = pino({ level: "error" }, pino.destination(2));
  await using stack = new AsyncDisposableStack();
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort(new TruecastError("interrupted", `${input}: ended by ${signal}`)));

  // The input first: a wrong file name must not wait for a model to load.
  const recording = stack.use(await openRecording(input, { signal: abort.signal, slowShort: true }));
  const modelDir = modelFolder(options.model, options.modelsDir ?? null);
  const { model, scorer } = stack.use(await startRecordingScorer({ modelDir, provider, log }));
  const detector = stack.use(await startFaceApiDetector({ log }));

  const { durationMs, slowedBy } = recording.info;
  const collected = createRecording(model);
  const progress = createProgress(durationMs);
  let shown = 0;
  const frames = await scoreRecording(recording, {
    name: "recording",
    model,
    scorer,
    detector,
    onScore: ({ trackId, ptsMs, score }) => {
      collected.observeScore(trackId, score);
      const line = { type: "score", track: trackId, ptsMs: Math.round(ptsMs / slowedBy), frames: score.frames, score: rounded(score.score), coverage: rounded(score.coverage) };
      if (options.json) process.stdout.write(`${JSON.stringify(line)}\n`);
    },
    onFrame: (frame, faces) => {
      for (const { trackId, crop } of faces) collected.observeCrop(trackId, frame.ptsMs / slowedBy, crop.kind === "ok" ? null : crop.reason);
      progress.show(frame.ptsMs / slowedBy, ++shown);
    },
  });
  progress.end();
  if (abort.signal.aborted) throw new TruecastError("internal", "interrupted");

  const verdict = collected.verdict();
  const result = { type: "verdict", ...verdictLine(verdict), frames, model: model.name, trained: model.trained, scripted: model.kind === "scripted" };
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else printVerdict(input, verdict, { frames, model });
}

function verdictLine({ verdict, score, reason, tracks }: RecordingVerdict) {
  return { verdict, score: score === null ? null : rounded(score), reason, tracks: tracks.map((track) => ({ ...track, score: track.score === null ? null : rounded(track.score), firstPtsMs: Math.round(track.firstPtsMs), lastPtsMs: Math.round(track.lastPtsMs) })) };
}

function printVerdict(input: string, { verdict, score, reason, tracks }: RecordingVerdict, { frames, model }: { frames: number; model: { name: string; kind: string; trained: boolean } }): void {
  const shown = (value: number | null): string => (value === null ? "–" : value.toFixed(3));
  console.log(`${input}: ${verdict}${reason ? ` (${reason})` : ""}, score ${shown(score)}, ${frames} frames, model ${model.name}`);
  for (const track of tracks) {
    console.log(`  face ${track.track}  ${seconds(track.firstPtsMs)}–${seconds(track.lastPtsMs)}  ${track.verdict}${track.reason ? ` (${track.reason})` : ""}, score ${shown(track.score)}, ${track.frames} crops`);
  }
  if (model.kind === "scripted") console.log("  The scores come from a script, not from a detector.");
  else if (!model.trained) console.log("  This model is untrained: its scores mean nothing.");
}

function seconds(ptsMs: number): string {
  return `${(ptsMs / 1000).toFixed(1)} s`;
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** A line on standard error that is written over; silent where nobody looks. */
function createProgress(durationMs: number | null) {
  const visible = process.stderr.isTTY;
  const startedAt = performance.now();
  let shownAt = 0;
  return {
    show(ptsMs: number, frames: number): void {
      const now = performance.now();
      if (!visible || now - shownAt < 200) return;
      shownAt = now;
      const elapsedMs = now - startedAt;
      const part = durationMs ? Math.min(1, ptsMs / durationMs) : null;
      const left = part ? `, ${Math.ceil((elapsedMs * (1 - part)) / part / 1000)} s left` : "";
      process.stderr.write(`\r\x1b[K${part === null ? "" : `${Math.floor(part * 100)}%, `}${frames} frames, ${(ptsMs / elapsedMs).toFixed(1)}x real time${left}`);
    },
    end(): void {
      if (visible) process.stderr.write("\r\x1b[K");
    },
  };
}
