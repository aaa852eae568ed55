/** Geometry of boxes: overlap, distance, and the suppression of detections that mean the same face. */
import type { Box, Detection } from "../types.ts";

/** The longer side; every distance and margin is measured in it. */
export function sideOf(box: Box): number {
  return Math.max(box.width, box.height);
}

export function centreX(box: Box): number {
  return box.x + box.width / 2;
}

export function centreY(box: Box): number {
  return box.y + box.height / 2;
}

/** Square around the centre of a box, `factor` times its longer side. */
export function squareAround(box: Box, factor: number): Box {
  const side = sideOf(box) * factor;
  return { x: centreX(box) - side / 2, y: centreY(box) - side / 2, width: side, height: side };
}

function overlapArea(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Intersection over union, 0..1. */
export function overlap(a: Box, b: Box): number {
  const shared = overlapArea(a, b);
  const union = a.width * a.height + b.width * b.height - shared;
  return union > 0 ? shared / union : 0;
}

/** Share of the box that lies outside the picture, 0..1. */
export function shareOutside(box: Box, widthPx: number, heightPx: number): number {
  const area = box.width * box.height;
  if (area <= 0) return 1;
  return 1 - overlapArea(box, { x: 0, y: 0, width: widthPx, height: heightPx }) / area;
}

/** Distance of the centres in longer sides of `a`. */
export function centreDistance(a: Box, b: Box): number {
  return Math.hypot(centreX(a) - centreX(b), centreY(a) - centreY(b)) / sideOf(a);
}

/**
 * Two boxes that cannot be two faces: much overlap, or one inside the other. Heads of people who stand
 * cheek to cheek overlap by up to a quarter, so the bound lies above that.
 */
export function isSameFace(a: Box, b: Box): boolean {
  const shared = overlapArea(a, b);
  const smaller = Math.min(a.width * a.height, b.width * b.height);
  return overlap(a, b) > 0.4 || shared > 0.7 * smaller;
}

/** Share of a bridge that the two faces under it cover at least. A head between two others shows more of itself than that leaves. */
const BRIDGE_COVERED = 0.7;
/** And what each of them covers at least; less is a brush of one face with another one's detection. */
const BRIDGE_END = 0.2;

/**
 * Whether a box lies over two others, half on each, and is neither of them: what the detector sees in the two inner
 * halves of faces that stand close together.
 */
export function isBridge(box: Box, others: readonly Box[]): boolean {
  const area = box.width * box.height;
  const ends = others.filter((other) => overlapArea(box, other) >= BRIDGE_END * area && !isSameFace(box, other));
  return ends.some((a, i) =>
    ends.slice(i + 1).some((b) => {
      // Two boxes of one face are one end.
      if (isSameFace(a, b)) return false;
      return overlapArea(box, a) + overlapArea(box, b) - overlapArea(box, intersection(a, b)) >= BRIDGE_COVERED * area;
    }),
  );
}

/** Of no size where the boxes do not meet. */
function intersection(a: Box, b: Box): Box {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  return { x, y, width: Math.max(0, Math.min(a.x + a.width, b.x + b.width) - x), height: Math.max(0, Math.min(a.y + a.height, b.y + b.height) - y) };
}

/** Keeps the earlier of any two detections of the same face; the caller's order is the preference. */
export function suppressDuplicates<D extends Detection>(detections: readonly D[]): D[] {
  const kept: D[] = [];
  for (const detection of detections) {
    if (kept.every((other) => !isSameFace(other.box, detection.box))) kept.push(detection);
  }
  return kept;
}
