/** Prepares what the detector's network sees, and turns its answers back into boxes of the frame. */
import type { Box, Frame } from "../types.ts";
import { centreDistance, overlap, squareAround, suppressDuplicates } from "./box-geometry.ts";
import type { WorkerPicture } from "./detector-messages.ts";
import type { DetectionScope, ScopedDetection, SearchScale } from "./detection-scope.ts";
import { lumaOf, resample } from "./resample.ts";
import { STRIDE_PX, VALUES_PER_ROW } from "./tiny-face-cells.ts";

/**
 * Pixels the whole picture is reduced to. The network finds faces of about 45 to 130 px of its input, so three sizes
 * are needed to span 1/10 of the picture's height up to all of it (recall in docs/faces.md). The smallest costs so
 * little that it comes with every coarse search.
 */
const SEARCH_PIXELS: Readonly<Record<SearchScale, readonly number[]>> = { coarse: [208 * 117, 416 * 234], fine: [960 * 540] };

/** A known face is looked for in a square of this many of its sides, reduced to 160 px: the face is then 58 px. */
const AROUND_FACTOR = 2.75;
const AROUND_INPUT_PX = 160;
/** Faces this far off the centre (in sides of the known face) are a neighbour's, cut by the square's edge. */
const AROUND_MAX_DISTANCE = 0.9;

/**
 * Sides of a newcomer in the squares of its second look. A face is found in the one or the other, without colour as
 * well; a pattern that the network takes for a face at one size and in its own colours is not (docs/faces.md).
 */
const SECOND_LOOK_FACTORS = [2.75, 2.2] as const;
/** What else is found there is not the newcomer. */
const SECOND_LOOK_MIN_OVERLAP = 0.25;

interface PlannedPicture {
  readonly picture: WorkerPicture;
  /** Position and scale of the picture in the frame. */
  readonly x: number;
  readonly y: number;
  readonly scaleX: number;
  readonly scaleY: number;
  readonly look: Look;
}

type Look =
  | { readonly kind: "search" }
  /** The picture was cut around a known face. */
  | { readonly kind: "around"; readonly box: Box }
  | { readonly kind: "second"; readonly box: Box };

export function planPictures(frame: Frame, scope: DetectionScope): PlannedPicture[] {
  const planned = [
    ...scope.around.map((box) => cutAround(frame, { kind: "around", box }, AROUND_FACTOR)),
    ...(scope.newcomers ?? []).flatMap((box) => SECOND_LOOK_FACTORS.map((factor) => cutAround(frame, { kind: "second", box }, factor))),
  ];
  const pixels = frame.widthPx * frame.heightPx;
  // A picture smaller than a scale is not enlarged to it: scales that come to the same size are run once.
  const scales = new Set(scope.search.flatMap((scale) => SEARCH_PIXELS[scale]).map((target) => Math.min(1, Math.sqrt(target / pixels))));
  for (const scale of scales) planned.push(wholePicture(frame, scale));
  return planned;
}

function wholePicture(frame: Frame, scale: number): PlannedPicture {
  const widthPx = roundUpToStride(frame.widthPx * scale);
  const heightPx = roundUpToStride(frame.heightPx * scale);
  // Up to a stride of the right and lower border repeats the edge, so that the aspect ratio stays true.
  const region = { x: 0, y: 0, width: widthPx / scale, height: heightPx / scale };
  const rgb = resample({ picture: frame, region, widthPx, heightPx });
  return { picture: { widthPx, heightPx, rgb }, x: 0, y: 0, scaleX: 1 / scale, scaleY: 1 / scale, look: { kind: "search" } };
}

function cutAround(frame: Frame, look: Exclude<Look, { kind: "search" }>, factor: number): PlannedPicture {
  const region = squareAround(look.box, factor);
  const rgb = resample({ picture: frame, region, widthPx: AROUND_INPUT_PX, heightPx: AROUND_INPUT_PX });
  if (look.kind === "second") withoutColour(rgb);
  const scale = region.width / AROUND_INPUT_PX;
  return { picture: { widthPx: AROUND_INPUT_PX, heightPx: AROUND_INPUT_PX, rgb }, x: region.x, y: region.y, scaleX: scale, scaleY: scale, look };
}

/** In place. */
function withoutColour(rgb: Uint8Array): void {
  for (const [i, luma] of lumaOf(rgb).entries()) rgb.fill(luma, 3 * i, 3 * i + 3);
}

function roundUpToStride(lengthPx: number): number {
  return Math.max(1, Math.ceil(Math.round(lengthPx) / STRIDE_PX)) * STRIDE_PX;
}

/** @returns boxes in pixels of the frame, each face once: second opinions, then faces known, then others; best first */
export function mergeFound(planned: readonly PlannedPicture[], found: readonly Float32Array[]): ScopedDetection[] {
  const detections: Record<Look["kind"], ScopedDetection[]> = { second: [], around: [], search: [] };
  for (const [i, place] of planned.entries()) {
    const rows = found[i];
    if (rows === undefined) continue;
    const { look } = place;
    for (let at = 0; at + VALUES_PER_ROW <= rows.length; at += VALUES_PER_ROW) {
      const box = {
        x: place.x + rows[at]! * place.scaleX,
        y: place.y + rows[at + 1]! * place.scaleY,
        width: rows[at + 2]! * place.scaleX,
        height: rows[at + 3]! * place.scaleY,
      };
      if (look.kind === "around" && centreDistance(look.box, box) > AROUND_MAX_DISTANCE) continue;
      if (look.kind === "second" && overlap(look.box, box) < SECOND_LOOK_MIN_OVERLAP) continue;
      detections[look.kind].push({ box, confidence: rows[at + 4]!, confirms: look.kind === "second" });
    }
  }
  const byConfidence = (a: ScopedDetection, b: ScopedDetection): number => b.confidence - a.confidence;
  // Boxes found around a known face come before those of a search: the face has always the same size there, so its box does not jump.
  return suppressDuplicates([...detections.second.sort(byConfidence), ...detections.around.sort(byConfidence), ...detections.search.sort(byConfidence)]);
}
