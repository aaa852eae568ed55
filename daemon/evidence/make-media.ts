/** A worker's first work: the clip and the contact sheet, from what the recorder wrote. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { contactSheet, cropStrip } from "./contact-sheet.ts";
import type { EvidenceClip, EvidenceProblem } from "./manifest.ts";
import type { Picture } from "./pixel-text.ts";
import { recordedCrops, recordedParts } from "./recorded.ts";
import { containerOf, remux } from "./remux.ts";
import { scoreAt } from "./score-line.ts";
import type { MadeFile, WorkerJob, WorkerOutcome } from "./worker.ts";

export async function makeMedia(job: WorkerJob): Promise<WorkerOutcome> {
  const files: MadeFile[] = [];
  const clips: EvidenceClip[] = [];
  const problems: { problem: EvidenceProblem; message: string }[] = [];
  const failed = (problem: EvidenceProblem, error: unknown): void => void problems.push({ problem: isDiskFull(error) ? "disk-full" : problem, message: error instanceof Error ? error.message : String(error) });

  for (const { path, format, codec, baseMs, firstPtsMs, lastPtsMs } of await recordedParts(job.recording)) {
    const { suffix, mediaType } = containerOf(codec);
    const name = clips.length === 0 ? `clip.${suffix}` : `clip-${clips.length + 1}.${suffix}`;
    try {
      await remux({ input: path, inputFormat: format, codec, output: join(job.out, name) });
      if ((await stat(join(job.out, name))).size === 0) throw new Error(`${name} came out empty`);
      clips.push({ name, codec, zeroPtsMs: baseMs, firstPtsMs, lastPtsMs });
      files.push({ name, kind: "clip", mediaType, description: "The stream around the incident, its packets as they came, without sound." });
    } catch (error) {
      failed("clip-failed", error);
    }
  }

  try {
    files.push(...(await makeSheet(job)));
  } catch (error) {
    failed("pictures-failed", error);
  }
  return { files, clips, problems };
}

async function makeSheet({ recording, out, scores, firedPtsMs }: WorkerJob): Promise<readonly MadeFile[]> {
  const recorded = await recordedCrops(recording);
  if (recorded === null) return [];
  const { sizePx } = recorded;
  const crops = recorded.crops.map(({ ptsMs, pixels }) => ({ ptsMs, pixels, score: scoreAt(scores, ptsMs) }));
  await raw(contactSheet(crops, { sizePx, zeroPtsMs: firedPtsMs })).jpeg({ quality: 92, chromaSubsampling: "4:4:4" }).toFile(join(out, "crops.jpg"));
  await raw(cropStrip(crops, sizePx)).png().toFile(join(out, "crops.png"));
  return [
    { name: "crops.jpg", kind: "crops", mediaType: "image/jpeg", description: "The face as the model saw it, two crops a second of the horizon that fired, each with its time from the alert and its score." },
    { name: "crops.png", kind: "crops", mediaType: "image/png", description: "The same crops side by side, without loss and without labels." },
  ];
}

export function raw({ widthPx, heightPx, rgb }: Picture): Sharp {
  return sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } });
}

/** libvips and ffmpeg say it in words only. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (error as NodeJS.ErrnoException).code === "ENOSPC" || /No space left on device/.test(error.message);
}
