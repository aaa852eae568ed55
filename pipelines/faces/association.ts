/** Decides which detection is which track: greedy by affinity, seen tracks before missing ones. */
import type { Detection } from "../types.ts";
import { similarity } from "./appearance.ts";
import { centreDistance, overlap, sideOf } from "./box-geometry.ts";
import type { ScopedDetection } from "./detection-scope.ts";
import type { Track } from "./track.ts";

export interface SeenDetection extends ScopedDetection {
  readonly colours: Float32Array;
}

export interface Association {
  readonly matches: readonly (readonly [Track, SeenDetection])[];
  readonly unmatched: readonly SeenDetection[];
}

/** Boxes whose sides differ by more are not the same face from one detection to the next. */
const MAX_SIZE_RATIO = 1.8;
/** A followed face is where it was carried to: the detection's centre lies within this many sides. */
const MAX_DISTANCE = 0.6;
/** A missing face may have walked on: its reach grows with time. */
const MAX_MISSING_DISTANCE = 1.6;
const MISSING_REACH_PER_SECOND = 1;
/** 97% of a face's own looks agree by more, 80% of two people's by less; place must do the rest (docs/faces.md). */
const MIN_MISSING_SIMILARITY = 0.55;
/** After a cut place means little, so looks must decide: no two of 15 people agree by as much. */
const MIN_CUT_SIMILARITY = 0.8;

export function associate(tracks: readonly Track[], detections: readonly SeenDetection[], ptsMs: number): Association {
  const free = new Set(detections);
  const matches: (readonly [Track, SeenDetection])[] = [];
  const pass = (group: readonly Track[], affinity: (track: Track, detection: SeenDetection) => number | null): void => {
    const pairs = group.flatMap((track) =>
      [...free].flatMap((detection) => {
        const value = affinity(track, detection);
        return value === null ? [] : [{ track, detection, value }];
      }),
    );
    // Equal affinities fall to the older track, so that the outcome never depends on a sort's whims.
    pairs.sort((a, b) => b.value - a.value || a.track.id - b.track.id);
    const taken = new Set<Track>();
    for (const { track, detection } of pairs) {
      if (taken.has(track) || !free.has(detection)) continue;
      taken.add(track);
      free.delete(detection);
      matches.push([track, detection]);
    }
  };
  pass(tracks.filter((track) => track.state.kind !== "missing"), followedAffinity);
  pass(tracks.filter((track) => track.state.kind === "missing"), (track, detection) => missingAffinity(track, detection, ptsMs));
  return { matches, unmatched: detections.filter((detection) => free.has(detection)) };
}

function sizeAgrees(track: Track, detection: Detection): boolean {
  const ratio = sideOf(track.box) / sideOf(detection.box);
  return ratio < MAX_SIZE_RATIO && ratio > 1 / MAX_SIZE_RATIO;
}

function followedAffinity(track: Track, detection: SeenDetection): number | null {
  const distance = centreDistance(track.box, detection.box);
  if (distance > MAX_DISTANCE || !sizeAgrees(track, detection)) return null;
  return overlap(track.box, detection.box) + (1 - distance) / 2 + similarity(track.colours, detection.colours);
}

function missingAffinity(track: Track, detection: SeenDetection, ptsMs: number): number | null {
  if (track.state.kind !== "missing" || !sizeAgrees(track, detection)) return null;
  const looks = similarity(track.colours, detection.colours);
  if (looks < (track.state.acrossCut ? MIN_CUT_SIMILARITY : MIN_MISSING_SIMILARITY)) return null;
  const missingSeconds = (ptsMs - track.state.sinceMs) / 1000;
  const reach = Math.min(MAX_MISSING_DISTANCE, MAX_DISTANCE + MISSING_REACH_PER_SECOND * missingSeconds);
  const distance = centreDistance(track.box, detection.box);
  if (distance > reach && !track.state.acrossCut) return null;
  return looks + (1 - Math.min(1, distance / MAX_MISSING_DISTANCE)) / 2;
}
