/** How finely a detector looks, and where: lets the tracker pay for a search only when one is due. */
import type { Detection, Frame } from "../types.ts";
import type { Box } from "../types.ts";

/**
 * `coarse` finds faces from about 1/5 of a 16:9 picture's height up, `fine` those of 1/12 to 1/4 at five times
 * the cost. Together they cover everything that is big enough to be judged.
 */
export type SearchScale = "coarse" | "fine";

export interface DetectionScope {
  /** Searches over the whole picture. */
  readonly search: readonly SearchScale[];
  /** Boxes of known faces that are looked for again where they are; costs little and gives the steadiest boxes. */
  readonly around: readonly Box[];
  /** Boxes seen once: looked at again without colour, a second opinion on whether they are faces at all. */
  readonly newcomers?: readonly Box[];
}

export interface ScopedDetection extends Detection {
  /** Whether the second opinion gave it; absent from a detector that gives none, whose word is then taken. */
  readonly confirms?: boolean;
}

/**
 * A FaceDetector that can be told where to look. Without a scope, or in a detector that knows none, it
 * searches the whole picture for all sizes. Boxes are in pixels of the frame either way.
 */
export interface ScopedFaceDetector {
  detect(frame: Frame, scope?: DetectionScope): Promise<readonly ScopedDetection[]>;
}

export const WHOLE_PICTURE: DetectionScope = { search: ["coarse", "fine"], around: [] };
