/** How a followed box moves and grows from one frame to the next. */
import type { Box } from "../types.ts";
import { centreDistance, centreX, centreY, sideOf } from "./box-geometry.ts";

/** @param velocity of the centre, pixels a millisecond */
export function shifted(box: Box, velocity: { readonly x: number; readonly y: number }, elapsedMs: number): Box {
  return { ...box, x: box.x + velocity.x * elapsedMs, y: box.y + velocity.y * elapsedMs };
}

/** The size of `size` times `growth`, at the centre of `at`. */
export function resized(at: Box, size: Box, growth: number): Box {
  const width = size.width * growth;
  const height = size.height * growth;
  return { x: centreX(at) - width / 2, y: centreY(at) - height / 2, width, height };
}

/** Whether carrying has gone so wrong that the next frames should be detected on as well. */
export function isFarOff(box: Box, detected: Box): boolean {
  return centreDistance(box, detected) > 0.25 || Math.abs(Math.log(sideOf(detected) / sideOf(box))) > 0.15;
}

/**
 * A detection's box wavers by some percent from one frame to the next; the crop must not. Small disagreement is
 * closed slowly, a large one at once; the first few detections are averaged (`minShare` is 1 over their number).
 */
export function pulledTowards(box: Box, detected: Box, minShare: number): Box {
  const side = sideOf(box);
  const dx = centreX(detected) - centreX(box);
  const dy = centreY(detected) - centreY(box);
  const move = Math.max(minShare, Math.min(0.9, 0.3 + (2 * Math.hypot(dx, dy)) / side));
  const towardsSize = (from: number, to: number): number => from * (to / from) ** Math.max(minShare, Math.min(0.7, 0.2 + Math.abs(Math.log(to / from))));
  const at = { ...box, x: box.x + dx * move, y: box.y + dy * move };
  return resized(at, { ...at, width: towardsSize(box.width, detected.width), height: towardsSize(box.height, detected.height) }, 1);
}
