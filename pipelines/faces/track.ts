/** One face as the tracker keeps it from frame to frame. */
import type { Box } from "../types.ts";
import type { Template } from "./appearance.ts";
import { centreX, centreY, sideOf } from "./box-geometry.ts";

type TrackState =
  /** Waits for the second look, perhaps a false detection; has no id yet. */
  | { readonly kind: "candidate"; readonly sinceMs: number }
  | { readonly kind: "visible" }
  | { readonly kind: "missing"; readonly sinceMs: number; readonly acrossCut: boolean };

export interface Track {
  /** 0 while a candidate. */
  id: number;
  state: TrackState;
  box: Box;
  /** Pixels a millisecond, of the centre. */
  velocity: { readonly x: number; readonly y: number };
  template: Template;
  /** Size of the box when the template was taken: the template's scale. */
  templateBox: Box;
  colours: Float32Array;
  /** Correlation in this frame, or null when the box was not carried. */
  carried: number | null;
  detectedAtMs: number;
  detectedNow: boolean;
  /** Detections behind its box; few while it settles, and again after it was found to be far off. */
  supports: number;
  /** Looks in a row that did not find it. */
  misses: number;
  lookedForAtMs: number;
  /** Where the last detection put it: where it is looked for once it is missing. */
  lastSeenBox: Box;
}

/** How sure it is, in this frame, that the track is where its face is. */
export function evidence(track: Track): number {
  return (track.detectedNow ? 2 : 0) + (track.carried ?? 0);
}

/** Whether it has had its second look, and so an id. */
export function isConfirmed(track: Track): boolean {
  return track.state.kind !== "candidate";
}

/** The least of them makes room for a newcomer. */
export function rank(track: Track): number {
  return (track.state.kind === "visible" ? 1e6 : 0) + sideOf(track.box);
}

export function setBox(track: Track, box: Box, elapsedMs: number): void {
  if (elapsedMs > 0) {
    const x = (centreX(box) - centreX(track.box)) / elapsedMs;
    const y = (centreY(box) - centreY(track.box)) / elapsedMs;
    track.velocity = { x: track.velocity.x + (x - track.velocity.x) * 0.5, y: track.velocity.y + (y - track.velocity.y) * 0.5 };
  }
  track.box = box;
}

export function boxesOf(tracks: readonly { readonly box: Box }[]): Box[] {
  return tracks.map((track) => track.box);
}
