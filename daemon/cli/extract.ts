/** `truecast extract`: the face crops that the daemon would cut from clips, as files that training reads. */
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pino from "pino";
import { TruecastError } from "../../pipelines/errors.ts";
import { startFaceApiDetector } from "../../pipelines/faces/face-api-detector.ts";
import { readManifest } from "../../models/manifest.ts";
import { modelFolder } from "../inference-service.ts";
import { type Channel, channelName, checkEncoder, parseChannels } from "../recordings/channel.ts";
import { clipsOfFiles, type ListedClip, readClipManifest } from "../recordings/clip-list.ts";
import { type ExtractedClip, extractClip } from "../recordings/extract-crops.ts";
import { workThrough } from "../recordings/work-through.ts";
import { numberOption } from "./options.ts";

export interface ExtractOptions {
  readonly manifest?: string;
  readonly out: string;
  readonly bitrates: string;
  readonly height: string;
  readonly maxSeconds?: string;
  readonly size?: string;
  readonly margin?: string;
  readonly model: string;
  readonly modelsDir?: string;
  readonly jobs: string;
}

export async function extract(files: readonly string[], options: ExtractOptions): Promise<void> {
  const channels = parseChannels(options.bitrates, numberOption("height", options.height, { min: 64, max: 2160, step: 2 }));
  const jobs = numberOption("jobs", options.jobs, { min: 1, max: 64, step: 1 });
  const maxSeconds = options.maxSeconds === undefined ? null : numberOption("max-seconds", options.maxSeconds, { min: 0.1, max: 1e6 });
  if ((options.manifest === undefined) === (files.length === 0)) throw new TruecastError("config-invalid", "give either --manifest FILE or files");
  const clips = options.manifest === undefined ? clipsOfFiles(files) : await readClipManifest(options.manifest);
  const { info } = await readManifest(modelFolder(options.model, options.modelsDir ?? null));
  const settings = {
    outDir: options.out,
    sizePx: options.size === undefined ? info.inputSizePx : numberOption("size", options.size, { min: 16, max: 512, step: 1 }),
    cropMargin: options.margin === undefined ? info.cropMargin : numberOption("margin", options.margin, { min: 1, max: 3 }),
    maxSeconds,
  };
  await checkEncoder(channels);
  await mkdir(options.out, { recursive: true });

  const log = pino({ level: "error" }, pino.destination(2));
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort(new TruecastError("internal", "interrupted; the same command goes on from here")));
  const items = clips.flatMap((clip) => channels.map((channel) => ({ clip, channel })));
  const results = new Map<Item, ExtractedClip>();
  await workThrough<Item, Awaited<ReturnType<typeof startFaceApiDetector>>>(items, {
    jobs,
    signal: abort.signal,
    openWorker: () => startFaceApiDetector({ log }),
    async work(item, detector) {
      const result = await extractClip(item.clip, item.channel, settings, { detector, signal: abort.signal });
      results.set(item, result);
      return result.how;
    },
    nameOf: ({ clip, channel }) => `${clip.file} (${channelName(channel)})`,
  });
  await writeIndex(options.out, items, results);
}

interface Item {
  readonly clip: ListedClip;
  readonly channel: Channel;
}

/** In the order of the manifest, whatever the order of the work: the same clips give the same bytes. */
async function writeIndex(outDir: string, items: readonly Item[], results: ReadonlyMap<Item, ExtractedClip>): Promise<void> {
  const index: string[] = [];
  const leftOut: string[] = [];
  let crops = 0;
  for (const item of items) {
    const { file, label, type, group } = item.clip;
    const head = { file, label, type, group, channel: channelName(item.channel) };
    const result = results.get(item);
    if (result === undefined) continue;
    if (result.leftOut !== null) leftOut.push(JSON.stringify({ ...head, reason: result.leftOut }));
    for (const track of result.tracks.filter(({ count }) => count > 0)) {
      crops += track.count;
      index.push(JSON.stringify({ ...head, ...track }));
    }
  }
  await replaceFile(join(outDir, "index.jsonl"), index);
  await replaceFile(join(outDir, "left-out.jsonl"), leftOut);
  process.stderr.write(`${join(outDir, "index.jsonl")}: ${crops} crops of ${index.length} faces; ${leftOut.length} of ${items.length} clips gave none (left-out.jsonl)\n`);
}

async function replaceFile(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(`${path}.part`, lines.map((line) => `${line}\n`).join(""));
  await rename(`${path}.part`, path);
}
