/** What a face looks like: luma templates that carry a box between detections, colours that tell people apart. */
import type { Box } from "../types.ts";
import { centreX, centreY, sideOf, squareAround } from "./box-geometry.ts";
import { lumaOf, resample, type RgbPicture } from "./resample.ts";

/** Samples across a face. 20 are enough for its eyes and mouth, and few enough for a fraction of a millisecond. */
const PATCH = 20;
/** Samples the face may move in each direction between two frames: 0.45 of its side. */
const REACH = 9;
const WINDOW = PATCH + 2 * REACH;
/** Growth of the face between two frames that is tried. */
const GROWTHS = [0.93, 1, 1.07] as const;
const COLOUR_GRID = 8;

export interface Template {
  /** Zero-mean patches of unit length, one for each of GROWTHS. */
  readonly patches: readonly Float32Array[];
}

export interface Match {
  /** Shift of the centre since the box that the search began at, pixels of the frame. */
  readonly dx: number;
  readonly dy: number;
  /** Size against the template's, 0.93..1.07. */
  readonly growth: number;
  /** Normalised cross-correlation at the peak, -1..1. */
  readonly correlation: number;
}

export function templateOf(picture: RgbPicture, box: Box): Template {
  // A face that has grown by g shows the template's inner 1/g in a patch of the old size.
  return { patches: GROWTHS.map((growth) => unitLength(lumaPatch(picture, squareAround(box, 1 / growth), PATCH))) };
}

/** Looks for the template around a box; the template keeps its scale, so the caller follows growth by the match. */
export function findTemplate(picture: RgbPicture, template: Template, around: Box): Match {
  const window = lumaPatch(picture, squareAround(around, WINDOW / PATCH), WINDOW);
  let best = { x: REACH, y: REACH, scale: 1, correlation: -2 };
  const consider = (x: number, y: number, scale: number): void => {
    if (x < 0 || y < 0 || x > 2 * REACH || y > 2 * REACH) return;
    const correlation = correlationAt(window, template.patches[scale]!, x, y);
    if (correlation > best.correlation) best = { x, y, scale, correlation };
  };
  // Every second position at the old size, then all neighbours of the best at all sizes.
  for (let y = 1; y < 2 * REACH; y += 2) for (let x = 1; x < 2 * REACH; x += 2) consider(x, y, 1);
  for (let scale = 0; scale < GROWTHS.length; scale++) {
    const { x: atX, y: atY } = best;
    for (let y = atY - 1; y <= atY + 1; y++) for (let x = atX - 1; x <= atX + 1; x++) consider(x, y, scale);
  }
  const { x, y, scale, correlation } = best;
  const at = (dx: number, dy: number, s: number): number => {
    const inside = x + dx >= 0 && y + dy >= 0 && x + dx <= 2 * REACH && y + dy <= 2 * REACH && s >= 0 && s < GROWTHS.length;
    return inside ? correlationAt(window, template.patches[s]!, x + dx, y + dy) : correlation - 1;
  };
  const sample = sideOf(around) / PATCH;
  const fineX = peakOffset(at(-1, 0, scale), correlation, at(1, 0, scale));
  const fineY = peakOffset(at(0, -1, scale), correlation, at(0, 1, scale));
  const fineScale = scale === 1 ? peakOffset(at(0, 0, 0), correlation, at(0, 0, 2)) : scale - 1;
  return {
    dx: (x + fineX - REACH) * sample,
    dy: (y + fineY - REACH) * sample,
    growth: 1 + fineScale * (GROWTHS[2] - GROWTHS[1]),
    correlation,
  };
}

/** Colours of a face on a coarse grid, zero-mean and of unit length, so that exposure drops out. */
export function coloursOf(picture: RgbPicture, box: Box): Float32Array {
  const rgb = resample({ picture, region: squareAround(box, 1.2), widthPx: COLOUR_GRID, heightPx: COLOUR_GRID });
  return unitLength(Float32Array.from(rgb));
}

/** Similarity of two such vectors (colours, patches, thumbnails), -1..1. */
export function similarity(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Moves `into` a share of the way to `towards` and keeps its length 1. */
export function blendColours(into: Float32Array, towards: Float32Array, share: number): Float32Array {
  return unitLength(into.map((value, i) => value + (towards[i]! - value) * share), 0);
}

/** Moves a box by a match. */
export function movedBy(box: Box, match: Match): Box {
  return { ...box, x: centreX(box) + match.dx - box.width / 2, y: centreY(box) + match.dy - box.height / 2 };
}

function lumaPatch(picture: RgbPicture, region: Box, side: number): Float32Array {
  return lumaOf(resample({ picture, region, widthPx: side, heightPx: side }));
}

/** Under this mean square a patch of grey levels has no contrast but noise. */
const MIN_CONTRAST = 1;

/** In place. A patch without contrast becomes zero, and correlates with nothing. */
export function unitLength(values: Float32Array, minMeanSquare = MIN_CONTRAST): Float32Array {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  const scale = squares > minMeanSquare * values.length ? 1 / Math.sqrt(squares) : 0;
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean) * scale;
  return values;
}

function correlationAt(window: Float32Array, patch: Float32Array, x: number, y: number): number {
  let dot = 0;
  let sum = 0;
  let squares = 0;
  for (let row = 0; row < PATCH; row++) {
    let w = (y + row) * WINDOW + x;
    const end = row * PATCH + PATCH;
    for (let p = row * PATCH; p < end; p++, w++) {
      const value = window[w]!;
      dot += value * patch[p]!;
      sum += value;
      squares += value * value;
    }
  }
  // The patch is zero-mean, so the window's mean drops out of the product.
  const variance = squares - (sum * sum) / (PATCH * PATCH);
  return variance > PATCH * PATCH ? dot / Math.sqrt(variance) : 0;
}

/** Where the parabola through three neighbours peaks, -0.5..0.5 from the middle one. */
function peakOffset(before: number, peak: number, after: number): number {
  const curvature = before - 2 * peak + after;
  if (curvature >= -1e-6) return 0;
  return Math.max(-0.5, Math.min(0.5, (before - after) / (2 * curvature)));
}
