/** Pictures for the tests of this folder: frames made of the photographs that @vladmandic/face-api ships. */
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import type { Box, Frame } from "../../types.ts";
import { resample, type RgbPicture } from "../resample.ts";

/** Faces in the photographs, pixels of the original, as TinyFaceDetector boxes them at its best scale. */
export const FACES: Readonly<Record<number, readonly Box[]>> = {
  1: [box(395, 402, 220, 221), box(818, 439, 234, 228), box(1453, 229, 242, 226)],
  3: [box(554, 371, 261, 250), box(1463, 354, 250, 233), box(1064, 261, 272, 251)],
  5: [box(1377, 444, 241, 234), box(572, 468, 210, 220), box(1086, 236, 224, 207), box(748, 139, 215, 211), box(332, 926, 271, 261)],
  6: [box(1143, 372, 252, 233), box(1427, 320, 304, 269), box(641, 407, 245, 244), box(198, 540, 295, 256)],
};

function box(x: number, y: number, width: number, height: number): Box {
  return { x, y, width, height };
}

const loaded = new Map<number, Promise<RgbPicture>>();

export function photograph(sample: number): Promise<RgbPicture> {
  const known = loaded.get(sample);
  if (known !== undefined) return known;
  const file = fileURLToPath(import.meta.resolve(`@vladmandic/face-api/demo/sample${sample}.jpg`));
  const reading = sharp(file)
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
    .then(({ data, info }) => ({ widthPx: info.width, heightPx: info.height, rgb: new Uint8Array(data) }));
  loaded.set(sample, reading);
  return reading;
}

export interface View {
  readonly ptsMs?: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** What of the photograph fills the frame; its edge repeats beyond the border. */
  readonly region: Box;
}

export function frameOf(photo: RgbPicture, { ptsMs = 0, widthPx, heightPx, region }: View): Frame {
  return { ptsMs, widthPx, heightPx, rgb: resample({ picture: photo, region, widthPx, heightPx }), decodedAtMs: 0 };
}

/** Where a box of the photograph lies in a frame of that view. */
export function inView(face: Box, { widthPx, heightPx, region }: View): Box {
  const scaleX = widthPx / region.width;
  const scaleY = heightPx / region.height;
  return { x: (face.x - region.x) * scaleX, y: (face.y - region.y) * scaleY, width: face.width * scaleX, height: face.height * scaleY };
}

/** A frame of one colour, to paste faces on. */
export function plainFrame(widthPx: number, heightPx: number, ptsMs: number): Frame {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = 96 + ((i * 7) % 13);
  return { ptsMs, widthPx, heightPx, rgb, decodedAtMs: 0 };
}

/** Pastes a head (an oval 1.7 times the face's box) so that its face has the given longer side and centre. */
export function pasteFace(frame: Frame, photo: RgbPicture, face: Box, at: { readonly x: number; readonly y: number; readonly sidePx: number }): void {
  const sourceSide = Math.max(face.width, face.height) * 1.7;
  const size = Math.round(at.sidePx * 1.7);
  const region = { x: face.x + face.width / 2 - sourceSide / 2, y: face.y + face.height / 2 - sourceSide / 2, width: sourceSide, height: sourceSide };
  const head = resample({ picture: photo, region, widthPx: size, heightPx: size });
  const left = Math.round(at.x - size / 2);
  const top = Math.round(at.y - size / 2);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const inside = ((x - size / 2) / (size / 2)) ** 2 + ((y - size / 2) / (size / 2)) ** 2 < 1;
      if (!inside || left + x < 0 || top + y < 0 || left + x >= frame.widthPx || top + y >= frame.heightPx) continue;
      const to = ((top + y) * frame.widthPx + left + x) * 3;
      frame.rgb.set(head.subarray((y * size + x) * 3, (y * size + x) * 3 + 3), to);
    }
  }
}

/** Blurs a frame by a Gaussian of this many pixels. */
export async function blurred(frame: Frame, sigmaPx: number): Promise<Frame> {
  const raw = { width: frame.widthPx, height: frame.heightPx, channels: 3 } as const;
  const data = await sharp(frame.rgb, { raw }).blur(sigmaPx).raw().toBuffer();
  return { ...frame, rgb: new Uint8Array(data) };
}
