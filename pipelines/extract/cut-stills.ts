/**
 * Cuts the faces of photographs for training, with the daemon's own detector and resampler:
 * `node pipelines/extract/cut-stills.ts --out DIR [--size 256] [--margin 2] FOLDER...`
 *
 * Writes `faces.u8` (RGB, [n, size, size, 3] bytes) and `faces.jsonl`, one line a face in the same order. A second run
 * does nothing when the output is complete and starts anew when it is not.
 */
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import pino from "pino";
import sharp from "sharp";
import { TruecastError } from "../errors.ts";
import { sideOf, squareAround } from "../faces/box-geometry.ts";
import { startFaceApiDetector } from "../faces/face-api-detector.ts";
import { resample, type RgbPicture } from "../faces/resample.ts";
import type { Box, Detection, Frame } from "../types.ts";
import { descriptorOf, type Landmarks, landmarksIn, loadFaceNetworks, rounded } from "./face-networks.ts";

/** Smaller faces say nothing about fine structure. */
const MIN_FACE_PX = 64;

/** One face, as a line of `faces.jsonl`. */
export interface CutFace {
  /** Folder and name of the photograph. */
  readonly source: string;
  /** Longer side of the face box in the photograph, pixels: what was there before the cut was scaled. */
  readonly facePx: number;
  /** Face box in pixels of the cut: x, y, width, height. */
  readonly box: readonly [number, number, number, number];
  /** The 68 landmarks of iBUG 300-W in pixels of the cut: x, y. */
  readonly landmarks: Landmarks;
  /** Face descriptor, 128 numbers; under about 0.5 apart two are the same person. */
  readonly descriptor: readonly number[];
}

function largest(found: readonly Detection[]): Box | null {
  const [first] = [...found].sort((a, b) => sideOf(b.box) - sideOf(a.box));
  return first === undefined ? null : first.box;
}

export async function cutStills(folders: readonly string[], options: { readonly outDir: string; readonly sizePx: number; readonly margin: number }): Promise<{ readonly cut: number; readonly leftOut: number }> {
  const { outDir, sizePx, margin } = options;
  await mkdir(outDir, { recursive: true });
  await loadFaceNetworks();
  await using detector = await startFaceApiDetector({ log: pino({ level: "error" }, pino.destination(2)) });
  const pixels = createWriteStream(join(outDir, "faces.u8.part"));
  const lines: string[] = [];
  let leftOut = 0;
  for (const folder of folders) {
    const names = (await readdir(folder)).filter((name) => /\.(?:jpe?g|png|webp)$/i.test(name)).sort();
    for (const [index, name] of names.entries()) {
      const { data, info } = await sharp(join(folder, name)).rotate().resize({ width: 1280, height: 1280, fit: "inside", withoutEnlargement: true }).toColourspace("srgb").removeAlpha().raw().toBuffer({ resolveWithObject: true });
      const frame: Frame = { ptsMs: 0, widthPx: info.width, heightPx: info.height, rgb: new Uint8Array(data), decodedAtMs: 0 };
      const box = largest(await detector.detect(frame));
      if (box === null || sideOf(box) < MIN_FACE_PX || info.channels !== 3) {
        leftOut++;
        continue;
      }
      const region = squareAround(box, margin);
      const scale = sizePx / region.width;
      const cut: RgbPicture = { widthPx: sizePx, heightPx: sizePx, rgb: resample({ picture: frame, region, widthPx: sizePx, heightPx: sizePx }) };
      const inCut: Box = { x: (box.x - region.x) * scale, y: (box.y - region.y) * scale, width: box.width * scale, height: box.height * scale };
      const line: CutFace = {
        source: `${basename(folder)}/${name}`,
        facePx: rounded(sideOf(box), 1),
        box: [rounded(inCut.x, 2), rounded(inCut.y, 2), rounded(inCut.width, 2), rounded(inCut.height, 2)],
        landmarks: await landmarksIn(cut, inCut),
        descriptor: await descriptorOf(cut, inCut),
      };
      lines.push(JSON.stringify(line));
      if (!pixels.write(cut.rgb)) await new Promise((resolve) => pixels.once("drain", resolve));
      if (process.stderr.isTTY || index % 100 === 0) process.stderr.write(`\r${basename(folder)}: ${index + 1} of ${names.length} `);
    }
  }
  await new Promise<void>((resolve, reject) => pixels.end((error?: Error | null) => (error ? reject(error) : resolve())));
  await rename(join(outDir, "faces.u8.part"), join(outDir, "faces.u8"));
  await writeFile(join(outDir, "faces.jsonl"), `${lines.join("\n")}\n`);
  return { cut: lines.length, leftOut };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: "string" }, size: { type: "string", default: "256" }, margin: { type: "string", default: "2" } } });
  if (values.out === undefined || positionals.length === 0) throw new TruecastError("config-invalid", "usage: node pipelines/extract/cut-stills.ts --out DIR [--size PX] [--margin FACTOR] FOLDER...");
  if (existsSync(join(values.out, "faces.jsonl"))) {
    process.stdout.write(`${values.out} is complete already.\n`);
  } else {
    const { cut, leftOut } = await cutStills(positionals, { outDir: values.out, sizePx: Number(values.size), margin: Number(values.margin) });
    process.stdout.write(`\n${cut} faces cut, ${leftOut} photographs without a usable face left out.\n`);
  }
}
