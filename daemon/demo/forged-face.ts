/** Renders the demo's forgery: another photograph's face on one face of a still, the way live face swappers draw it. */
import { affineBetween, applied, type Affine } from "./affine.ts";
import type { Point } from "./demo-scenes.ts";
import { convexHull, depthInside } from "./hull.ts";

export interface RgbImage {
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGB24, row-major. */
  readonly rgb: Uint8Array;
}

export interface ForgedFaceOptions {
  /** The picture that is forged, and the 68 landmarks of the face in it. */
  readonly target: RgbImage;
  readonly targetLandmarks: readonly Point[];
  /** The picture that the other face comes from; as small as a swapper's network would have drawn the face. */
  readonly donor: RgbImage;
  readonly donorLandmarks: readonly Point[];
  /** Frames after which everything repeats. */
  readonly loopFrames: number;
}

export interface ForgedFace {
  /** Where the patch lies on the target; all even. */
  readonly left: number;
  readonly top: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Draws the patch of one frame, RGBA, into `widthPx * heightPx * 4` bytes. */
  render(frame: number, out: Uint8Array): void;
}

/** Where the mask has reached full strength, from its edge inwards, in widths of the face. */
const FEATHER = 0.08;
/** Room for the mask's own trembling, in widths of the hull. */
const ROOM = 0.03;
/** Bounds of the contrast that colour matching may give the donor. */
const GAIN = { min: 0.6, max: 1.6 } as const;

export function createForgedFace({ target, targetLandmarks, donor, donorLandmarks, loopFrames }: ForgedFaceOptions): ForgedFace {
  const hull = convexHull(targetLandmarks);
  const [left, right] = evenBounds(hull.map(({ x }) => x));
  const [top, bottom] = evenBounds(hull.map(({ y }) => y));
  const widthPx = right - left;
  const heightPx = bottom - top;
  const faceWidthPx = Math.max(...hull.map(({ x }) => x)) - Math.min(...hull.map(({ x }) => x));
  const centre = { x: (left + right) / 2, y: (top + bottom) / 2 };
  const toDonor = affineBetween(targetLandmarks, donorLandmarks);
  const colour = colourMatch({ target, donor, toDonor, hull });
  const mask = new Uint8Array(widthPx * heightPx);
  for (let y = 0, i = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++, i++) {
      const depth = depthInside(hull, { x: left + x, y: top + y });
      const edge = Math.max(0, Math.min(1, depth / (FEATHER * faceWidthPx)));
      // Smoothstep.
      mask[i] = 255 * edge * edge * (3 - 2 * edge);
    }
  }

  function render(frame: number, out: Uint8Array): void {
    const tremble = trembleAt(frame, loopFrames);
    const cos = Math.cos(tremble.turn) / tremble.size;
    const sin = Math.sin(tremble.turn) / tremble.size;
    const maskX = Math.round(tremble.maskX * faceWidthPx);
    const maskY = Math.round(tremble.maskY * faceWidthPx);
    const pixel = [0, 0, 0];
    for (let y = 0, o = 0; y < heightPx; y++) {
      for (let x = 0; x < widthPx; x++, o += 4) {
        const inMask = x >= maskX && x < widthPx + maskX && y >= maskY && y < heightPx + maskY;
        const alpha = inMask ? mask[(y - maskY) * widthPx + x - maskX]! : 0;
        out[o + 3] = alpha;
        if (alpha === 0) continue;
        const dx = left + x - centre.x - tremble.x * faceWidthPx;
        const dy = top + y - centre.y - tremble.y * faceWidthPx;
        sample(donor, applied(toDonor, { x: centre.x + dx * cos - dy * sin, y: centre.y + dx * sin + dy * cos }), pixel);
        for (let c = 0; c < 3; c++) out[o + c] = Math.max(0, Math.min(255, (pixel[c]! * colour.gain[c]! + colour.offset[c]!) * tremble.light));
      }
    }
  }

  return { left, top, widthPx, heightPx, render };
}

function evenBounds(values: readonly number[]): [number, number] {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const room = ROOM * (most - least) + 2;
  return [2 * Math.floor((least - room) / 2), 2 * Math.ceil((most + room) / 2)];
}

/** Bilinear; places outside the picture take its edge. */
function sample({ rgb, widthPx, heightPx }: RgbImage, { x, y }: Point, out: number[]): void {
  const sourceX = Math.max(0, Math.min(widthPx - 2, x));
  const sourceY = Math.max(0, Math.min(heightPx - 2, y));
  const ix = Math.floor(sourceX);
  const iy = Math.floor(sourceY);
  const fx = sourceX - ix;
  const fy = sourceY - iy;
  const row = widthPx * 3;
  for (let c = 0, at = iy * row + ix * 3; c < 3; c++, at++) {
    const upper = rgb[at]! + (rgb[at + 3]! - rgb[at]!) * fx;
    const lower = rgb[at + row]! + (rgb[at + row + 3]! - rgb[at + row]!) * fx;
    out[c] = upper + (lower - upper) * fy;
  }
}

/** Brings mean and contrast of each of the donor's channels to the target's, over the face: a swapper's usual colour transfer. */
function colourMatch({ target, donor, toDonor, hull }: { target: RgbImage; donor: RgbImage; toDonor: Affine; hull: readonly Point[] }): { readonly gain: readonly number[]; readonly offset: readonly number[] } {
  const sums = [0, 1, 2].map(() => ({ target: 0, target2: 0, donor: 0, donor2: 0 }));
  const ofTarget = [0, 0, 0];
  const ofDonor = [0, 0, 0];
  let n = 0;
  const xs = hull.map(({ x }) => x);
  const ys = hull.map(({ y }) => y);
  for (let y = Math.min(...ys); y < Math.max(...ys); y += 2) {
    for (let x = Math.min(...xs); x < Math.max(...xs); x += 2) {
      if (depthInside(hull, { x, y }) <= 0) continue;
      n++;
      sample(target, { x, y }, ofTarget);
      sample(donor, applied(toDonor, { x, y }), ofDonor);
      for (const [c, sum] of sums.entries()) {
        sum.target += ofTarget[c]!;
        sum.target2 += ofTarget[c]! ** 2;
        sum.donor += ofDonor[c]!;
        sum.donor2 += ofDonor[c]! ** 2;
      }
    }
  }
  const spread = (sum: number, sum2: number): number => Math.sqrt(Math.max(1, sum2 / n - (sum / n) ** 2));
  const gain = sums.map((sum) => Math.max(GAIN.min, Math.min(GAIN.max, spread(sum.target, sum.target2) / spread(sum.donor, sum.donor2))));
  return { gain, offset: sums.map((sum, c) => sum.target / n - (gain[c]! * sum.donor) / n) };
}

interface Tremble {
  /** Shift of the face and of the mask against each other, in widths of the face. */
  readonly x: number;
  readonly y: number;
  readonly maskX: number;
  readonly maskY: number;
  readonly turn: number;
  readonly size: number;
  readonly light: number;
}

/** Every frame of a swap is made by itself, so place, size and light tremble a little. Whole periods a loop, so that it closes. */
function trembleAt(frame: number, loopFrames: number): Tremble {
  const at = ((frame % loopFrames) / loopFrames) * 2 * Math.PI;
  const wave = (periods: number, phase: number): number => Math.sin(at * periods + phase);
  const noise = (salt: number): number => hashed((frame % loopFrames) * 16 + salt) - 0.5;
  return {
    x: 0.006 * wave(14, 1) + 0.008 * noise(1),
    y: 0.006 * wave(11, 2) + 0.008 * noise(2),
    maskX: 0.004 * wave(23, 0) + 0.006 * noise(3),
    maskY: 0.004 * wave(17, 1) + 0.006 * noise(4),
    turn: 0.008 * wave(9, 3) + 0.006 * noise(5),
    size: 1 + 0.006 * wave(19, 0) + 0.006 * noise(6),
    light: 1 + 0.01 * wave(60, 0) + 0.015 * noise(7),
  };
}

/** 0..1, the same for the same number: the video must not differ from one making to the next. */
function hashed(n: number): number {
  let hash = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
