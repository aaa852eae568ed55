/** Tells a cut to another scene from motion and from a change of light. */
import { similarity, unitLength } from "./appearance.ts";
import { lumaOf, resample, type RgbPicture } from "./resample.ts";

const THUMB_WIDTH = 32;
const THUMB_HEIGHT = 18;
const HISTOGRAM_BINS = 16;

/** The picture in so few numbers that two frames can be compared for next to nothing. */
export interface SceneSignature {
  /** Share of the picture in each band of luma. */
  readonly histogram: Float32Array;
  /** Thumbnail, zero-mean and of unit length: where bright and dark are, whatever the exposure. */
  readonly layout: Float32Array;
}

export function sceneSignature(picture: RgbPicture): SceneSignature {
  const region = { x: 0, y: 0, width: picture.widthPx, height: picture.heightPx };
  const luma = lumaOf(resample({ picture, region, widthPx: THUMB_WIDTH, heightPx: THUMB_HEIGHT }));
  const histogram = new Float32Array(HISTOGRAM_BINS);
  for (const value of luma) histogram[Math.min(HISTOGRAM_BINS - 1, Math.floor((value * HISTOGRAM_BINS) / 256))]! += 1 / luma.length;
  return { histogram, layout: unitLength(luma) };
}

/**
 * A cut changes both where bright and dark are and how much there is of each. Motion leaves the histogram nearly
 * as it was, a flash or a fade leaves the layout. The bounds lie between what 80 clips hold (docs/faces.md).
 */
const MAX_CUT_LAYOUT_SIMILARITY = 0.6;
const MIN_CUT_HISTOGRAM_DISTANCE = 0.12;
/** Below this the layout has so little left in common that an equal histogram does not matter. */
const CERTAIN_CUT_LAYOUT_SIMILARITY = 0.25;

export function isSceneCut(before: SceneSignature, after: SceneSignature): boolean {
  const layout = similarity(before.layout, after.layout);
  if (layout < CERTAIN_CUT_LAYOUT_SIMILARITY) return true;
  return layout < MAX_CUT_LAYOUT_SIMILARITY && histogramDistance(before.histogram, after.histogram) > MIN_CUT_HISTOGRAM_DISTANCE;
}

/** Share of the picture that changed its band of luma, 0..1. */
export function histogramDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / 2;
}
