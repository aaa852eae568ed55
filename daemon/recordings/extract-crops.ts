/** Cuts the face crops of one clip with the live pipeline, and keeps them as NumPy files with one JSON line a track. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { TruecastError } from "../../pipelines/errors.ts";
import type { ScopedFaceDetector } from "../../pipelines/faces/detection-scope.ts";
import { createFacePipeline } from "../../pipelines/faces/face-pipeline.ts";
import { type CropRefusal, SLOT_MS } from "../../pipelines/types.ts";
import { type Channel, channelName, openThroughChannel } from "./channel.ts";
import { contentHash, type ListedClip } from "./clip-list.ts";
import { createNpyFile, type NpyFile } from "./npy-file.ts";
import { despitePauses } from "./pauses.ts";
import { pipelineIdentity } from "./pipeline-identity.ts";

export interface ExtractSettings {
  readonly outDir: string;
  readonly sizePx: number;
  readonly cropMargin: number;
  /** Media time after which a clip is left. */
  readonly maxSeconds: number | null;
}

/** One face of one clip; the arrays have one entry for each crop of the file. */
export interface ExtractedTrack {
  readonly track: number;
  /** Path of the crops, [n, size, size, 3] uint8 RGB, relative to the output folder. */
  readonly crops: string;
  readonly count: number;
  readonly sizePx: number;
  readonly cropMargin: number;
  /** Of the analysed picture, pixels. */
  readonly frameWidthPx: number;
  readonly frameHeightPx: number;
  readonly ptsMs: readonly number[];
  /** Index on the media clock, ten a second. */
  readonly slots: readonly number[];
  /** x, y, width, height of the face in the analysed picture, pixels. */
  readonly boxes: readonly (readonly [number, number, number, number])[];
  readonly sharpness: readonly number[];
  /** Slots of the face that gave no crop. */
  readonly refusals: readonly { readonly slot: number; readonly reason: CropRefusal }[];
}

export interface ExtractedClip {
  readonly tracks: readonly ExtractedTrack[];
  /** Why there is not one crop; null where there are some. */
  readonly leftOut: string | null;
}

const RECORD = "tracks.json";

/**
 * @returns what was extracted, now or by an earlier run with the same clip bytes, channel and settings
 * @throws TruecastError for anything but a clip that cannot be decoded
 */
export async function extractClip(clip: ListedClip, channel: Channel, settings: ExtractSettings, { detector, signal }: { detector: ScopedFaceDetector; signal: AbortSignal }): Promise<ExtractedClip & { readonly how: "done" | "cached" }> {
  const { outDir, sizePx, cropMargin, maxSeconds } = settings;
  // With the name: no two clips of a list write to one folder.
  const key = JSON.stringify([await pipelineIdentity(), clip.file, await contentHash(clip.path), channelName(channel), sizePx, cropMargin, maxSeconds]);
  const stem = basename(clip.file, extname(clip.file)).replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 60);
  const name = join("clips", `${stem}-${channelName(channel)}-${createHash("sha256").update(key).digest("hex").slice(0, 12)}`);
  const earlier = await readFile(join(outDir, name, RECORD), "utf8").catch(() => null);
  if (earlier !== null) return { ...(JSON.parse(earlier) as ExtractedClip), how: "cached" };

  const folder = join(outDir, `${name}.part`);
  const extracted = await cutDespiteFaults({ clip, channel, settings, detector, signal, folder, name });
  await writeFile(join(folder, RECORD), JSON.stringify(extracted));
  await rename(folder, join(outDir, name));
  return { ...extracted, how: "done" };
}

interface OpenTrack {
  readonly file: NpyFile;
  readonly name: string;
  readonly ptsMs: number[];
  readonly slots: number[];
  readonly boxes: [number, number, number, number][];
  readonly sharpness: number[];
  readonly refusals: { slot: number; reason: CropRefusal }[];
}

interface CutOptions {
  readonly clip: ListedClip;
  readonly channel: Channel;
  readonly settings: ExtractSettings;
  readonly detector: ScopedFaceDetector;
  readonly signal: AbortSignal;
  readonly folder: string;
  /** The folder's final place, relative to the output folder. */
  readonly name: string;
}

async function cutDespiteFaults(options: CutOptions): Promise<ExtractedClip> {
  const { folder, signal } = options;
  const startAnew = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
  };
  try {
    return await despitePauses(async () => {
      await startAnew();
      return await cutCrops(options);
    });
  } catch (error) {
    signal.throwIfAborted();
    // A damaged clip must not end the work on thousands of others; what it gave so far is not a clip.
    if (!(error instanceof TruecastError) || !CLIP_FAULTS.has(error.code)) throw error;
    await startAnew();
    return { tracks: [], leftOut: error.code };
  }
}

async function cutCrops({ clip, channel, settings, detector, signal, folder, name }: CutOptions): Promise<ExtractedClip> {
  const { sizePx, cropMargin, maxSeconds } = settings;
  const faces = createFacePipeline({ detector, inputSizePx: sizePx, cropMargin });
  const open = new Map<number, OpenTrack>();
  let frameSize = { frameWidthPx: 0, frameHeightPx: 0 };
  try {
    await using opened = await openThroughChannel(clip.path, channel, { maxSeconds, signal });
    for await (const frame of opened.recording.frames()) {
      if (maxSeconds !== null && frame.ptsMs >= maxSeconds * 1000) break;
      frameSize = { frameWidthPx: frame.widthPx, frameHeightPx: frame.heightPx };
      const slot = Math.floor(frame.ptsMs / SLOT_MS);
      for (const { trackId, box, crop } of (await faces.process(frame)).faces) {
        let track = open.get(trackId);
        if (track === undefined) {
          const file = `track-${trackId}.npy`;
          track = { file: await createNpyFile(join(folder, file), sizePx), name: file, ptsMs: [], slots: [], boxes: [], sharpness: [], refusals: [] };
          open.set(trackId, track);
        }
        if (crop.kind === "refused") {
          track.refusals.push({ slot, reason: crop.reason });
          continue;
        }
        await track.file.append(crop.pixels);
        track.ptsMs.push(rounded(frame.ptsMs, 3));
        track.slots.push(slot);
        track.boxes.push([rounded(box.x, 1), rounded(box.y, 1), rounded(box.width, 1), rounded(box.height, 1)]);
        track.sharpness.push(rounded(crop.sharpness, 4));
      }
    }
  } finally {
    for (const track of open.values()) await track.file.close();
  }
  const tracks = [...open].map(([track, { file, name: fileName, ...lists }]) => ({ track, crops: join(name, fileName), count: file.count, sizePx, cropMargin, ...frameSize, ...lists }));
  const leftOut = tracks.length === 0 ? "no-face" : tracks.every(({ count }) => count === 0) ? (tracks[0]?.refusals[0]?.reason ?? "no-face") : null;
  return { tracks, leftOut };
}

/** What is wrong with a clip rather than with the machine. */
export const CLIP_FAULTS: ReadonlySet<string> = new Set(["input-empty", "input-not-media", "picture-size-refused", "decoder-exited"]);

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
