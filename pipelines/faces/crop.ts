/** Cuts the square face crop that the model sees, and refuses faces it could not judge. */
import type { Box, Frame, TrackedFace } from "../types.ts";
import { shareOutside, sideOf, squareAround } from "./box-geometry.ts";
import { lumaOf, resample } from "./resample.ts";

export interface CropOptions {
  /** Side of the crop, pixels: the model's input size. */
  readonly inputSizePx: number;
  /** Side of the cut-out square over the longer side of the face box; the same in training and on air. */
  readonly cropMargin: number;
  /** Faces with a shorter longer side are refused as too small. */
  readonly minFacePx: number;
  /** Crops under this sharpness are refused as too blurred. */
  readonly minSharpness: number;
  /**
   * Faces with more than this share of their box outside the picture are refused as cut off, 0..1. The margin around
   * the face may lie outside entirely: a face that fills the picture can be judged.
   */
  readonly maxShareOutside: number;
}

export const DEFAULT_CROP_GATES = {
  minFacePx: 40,
  minSharpness: 0.02,
  maxShareOutside: 0.3,
} as const;

export function cropFace(frame: Frame, box: Box, options: CropOptions): TrackedFace["crop"] {
  if (sideOf(box) < options.minFacePx) return { kind: "refused", reason: "face-too-small" };
  if (shareOutside(box, frame.widthPx, frame.heightPx) > options.maxShareOutside) return { kind: "refused", reason: "face-cut-off" };
  const square = squareAround(box, options.cropMargin);
  const size = options.inputSizePx;
  const pixels = resample({ picture: frame, region: square, widthPx: size, heightPx: size });
  const sharpness = sharpnessOf(pixels, size, size / square.width);
  if (sharpness < options.minSharpness) return { kind: "refused", reason: "face-too-blurred" };
  return { kind: "ok", pixels, sharpness };
}

/**
 * Variance of the Laplacian over the variance of the luma (so that light and contrast drop out), on the inner half of
 * the crop, which is face whatever the background. Where the crop is an enlargement the neighbours are taken one
 * source pixel away, so that a small sharp face does not pass for a blurred one.
 * @param enlargement pixels of the crop for one pixel of the source
 */
export function sharpnessOf(pixels: Uint8Array, sizePx: number, enlargement: number): number {
  const luma = lumaOf(pixels);
  const step = Math.max(1, Math.round(enlargement));
  const from = Math.max(step, Math.floor(sizePx / 4));
  const to = Math.min(sizePx - step, Math.ceil((sizePx * 3) / 4));
  let n = 0;
  let sum = 0;
  let squares = 0;
  let lapSum = 0;
  let lapSquares = 0;
  for (let y = from; y < to; y++) {
    for (let x = from; x < to; x++) {
      const at = y * sizePx + x;
      const value = luma[at]!;
      const laplacian = luma[at - step]! + luma[at + step]! + luma[at - step * sizePx]! + luma[at + step * sizePx]! - 4 * value;
      n++;
      sum += value;
      squares += value * value;
      lapSum += laplacian;
      lapSquares += laplacian * laplacian;
    }
  }
  if (n === 0) return 0;
  const variance = squares / n - (sum / n) ** 2;
  const lapVariance = lapSquares / n - (lapSum / n) ** 2;
  // Under one grey level of contrast there is no face to be sharp.
  return variance > 1 ? lapVariance / variance : 0;
}
