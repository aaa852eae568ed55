/** Renders the demo's forgery: another photograph's face, blended over one face the way crude face swaps do. */
import type { Point } from "./demo-scenes.ts";

export interface RgbImage {
  readonly widthPx: number;
  readonly heightPx: number;
  /** RGB24, row-major. */
  readonly rgb: Uint8Array;
}

export interface ForgedFaceOptions {
  /** The picture that is forged, and the eyes of the face in it. */
  readonly target: RgbImage;
  readonly targetEyes: readonly [Point, Point];
  /** The picture that the other face comes from. A small one gives the softness of a face generated at low resolution. */
  readonly donor: RgbImage;
  readonly donorEyes: readonly [Point, Point];
  /** Frames after which everything repeats. */
  readonly loopFrames: number;
}

export interface ForgedFace {
  /** Where the patch lies on the target; both sides even. */
  readonly left: number;
  readonly top: number;
  readonly sidePx: number;
  /** Draws the patch of one frame, RGBA, into `sidePx * sidePx * 4` bytes. */
  render(frame: number, out: Uint8Array): void;
}

/** The mask in distances between the eyes: an oval from the brows to the chin. */
const MASK_RADIUS_X = 1.12;
const MASK_RADIUS_Y = 1.45;
const MASK_CENTRE_BELOW_EYES = 0.5;
/** Share of the mask's radius over which it fades out. */
const MASK_FEATHER = 0.28;
/** Colour the generator gets wrong, grey levels. */
const TINT = [16, -3, -20] as const;

export function createForgedFace({ target, targetEyes, donor, donorEyes, loopFrames }: ForgedFaceOptions): ForgedFace {
  const [eyeA, eyeB] = targetEyes;
  const eyeDistance = Math.hypot(eyeB.x - eyeA.x, eyeB.y - eyeA.y);
  const tilt = Math.atan2(eyeB.y - eyeA.y, eyeB.x - eyeA.x);
  const between = { x: (eyeA.x + eyeB.x) / 2, y: (eyeA.y + eyeB.y) / 2 };
  const centre = {
    x: between.x - Math.sin(tilt) * MASK_CENTRE_BELOW_EYES * eyeDistance,
    y: between.y + Math.cos(tilt) * MASK_CENTRE_BELOW_EYES * eyeDistance,
  };
  const sidePx = 2 * Math.ceil(MASK_RADIUS_Y * 1.1 * eyeDistance);
  const left = 2 * Math.round((centre.x - sidePx / 2) / 2);
  const top = 2 * Math.round((centre.y - sidePx / 2) / 2);

  const [donorA, donorB] = donorEyes;
  const donorBetween = { x: (donorA.x + donorB.x) / 2, y: (donorA.y + donorB.y) / 2 };
  const scale = Math.hypot(donorB.x - donorA.x, donorB.y - donorA.y) / eyeDistance;
  const turn = Math.atan2(donorB.y - donorA.y, donorB.x - donorA.x) - tilt;
  const shift = meanColour(target, centre, eyeDistance * 0.8).map((mean, i) => mean - meanColour(donor, donorBetween, eyeDistance * scale * 0.8)[i]!);

  function render(frame: number, out: Uint8Array): void {
    const wobble = wobbleAt(frame, loopFrames);
    const cosTurn = Math.cos(turn + wobble.turn) * scale * wobble.size;
    const sinTurn = Math.sin(turn + wobble.turn) * scale * wobble.size;
    const cosTilt = Math.cos(tilt);
    const sinTilt = Math.sin(tilt);
    const gain = wobble.gain;
    const offset = shift.map((value, i) => value + TINT[i]! * wobble.tint);
    const lastX = donor.widthPx - 2;
    const lastY = donor.heightPx - 2;
    const { rgb, widthPx } = donor;
    const row = widthPx * 3;
    for (let y = 0, o = 0; y < sidePx; y++) {
      for (let x = 0; x < sidePx; x++, o += 4) {
        const dx = left + x - centre.x - wobble.maskX * eyeDistance;
        const dy = top + y - centre.y - wobble.maskY * eyeDistance;
        const across = (dx * cosTilt + dy * sinTilt) / (MASK_RADIUS_X * eyeDistance);
        const along = (dy * cosTilt - dx * sinTilt) / (MASK_RADIUS_Y * eyeDistance);
        const radius = Math.sqrt(across * across + along * along);
        if (radius >= 1) {
          out[o + 3] = 0;
          continue;
        }
        const edge = Math.min(1, (1 - radius) / MASK_FEATHER);
        // Smoothstep.
        out[o + 3] = 255 * wobble.alpha * edge * edge * (3 - 2 * edge);
        const fromX = left + x - between.x - wobble.x * eyeDistance;
        const fromY = top + y - between.y - wobble.y * eyeDistance;
        const sourceX = Math.max(0, Math.min(lastX, donorBetween.x + fromX * cosTurn - fromY * sinTurn));
        const sourceY = Math.max(0, Math.min(lastY, donorBetween.y + fromX * sinTurn + fromY * cosTurn));
        const ix = sourceX | 0;
        const iy = sourceY | 0;
        const fx = sourceX - ix;
        const fy = sourceY - iy;
        const at = iy * row + ix * 3;
        for (let c = 0; c < 3; c++) {
          const upper = rgb[at + c]! + (rgb[at + 3 + c]! - rgb[at + c]!) * fx;
          const lower = rgb[at + row + c]! + (rgb[at + row + 3 + c]! - rgb[at + row + c]!) * fx;
          const value = (upper + (lower - upper) * fy) * gain + offset[c]!;
          out[o + c] = value < 0 ? 0 : value > 255 ? 255 : value;
        }
      }
    }
  }

  return { left, top, sidePx, render };
}

interface Wobble {
  /** Shift of the face and of the mask against each other, in distances between the eyes. */
  readonly x: number;
  readonly y: number;
  readonly maskX: number;
  readonly maskY: number;
  readonly turn: number;
  readonly size: number;
  readonly alpha: number;
  readonly gain: number;
  readonly tint: number;
}

/**
 * What betrays a swap in time: every frame is made by itself, so place, size and colour tremble; now and then the
 * face is lost for two or three frames and the real one shows through. Whole periods a loop, so that it closes.
 */
function wobbleAt(frame: number, loopFrames: number): Wobble {
  const at = ((frame % loopFrames) / loopFrames) * 2 * Math.PI;
  const wave = (periods: number, phase: number): number => Math.sin(at * periods + phase);
  const tremble = (salt: number): number => noise((frame % loopFrames) * 16 + salt) - 0.5;
  const dropout = noise((Math.floor(frame / 3) % Math.ceil(loopFrames / 3)) * 16 + 9) < 0.035;
  return {
    x: 0.03 * wave(14, 1) + 0.05 * tremble(1),
    y: 0.03 * wave(11, 2) + 0.05 * tremble(2),
    maskX: 0.04 * wave(23, 0) + 0.05 * tremble(3),
    maskY: 0.04 * wave(17, 1) + 0.05 * tremble(4),
    turn: 0.03 * wave(9, 3) + 0.02 * tremble(5),
    size: 1 + 0.03 * wave(19, 0) + 0.02 * tremble(6),
    alpha: dropout ? 0.35 : 0.95 + 0.05 * tremble(7),
    gain: 1 + 0.05 * wave(60, 0) + 0.06 * tremble(8),
    tint: 1 + 0.5 * wave(13, 0),
  };
}

/** 0..1, the same for the same number: the video must not differ from one making to the next. */
function noise(n: number): number {
  let hash = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

function meanColour({ rgb, widthPx, heightPx }: RgbImage, centre: Point, radius: number): [number, number, number] {
  const sum: [number, number, number] = [0, 0, 0];
  let n = 0;
  for (let y = Math.max(0, Math.floor(centre.y - radius)); y < Math.min(heightPx, centre.y + radius); y++) {
    for (let x = Math.max(0, Math.floor(centre.x - radius)); x < Math.min(widthPx, centre.x + radius); x++, n++) {
      const at = (y * widthPx + x) * 3;
      for (let c = 0; c < 3; c++) sum[c]! += rgb[at + c]!;
    }
  }
  return [sum[0] / n, sum[1] / n, sum[2] / n];
}
