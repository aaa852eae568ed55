/** Follows faces from frame to frame: carries their boxes between detections and keeps their identity. Deterministic. */
import type { Box, Frame, NewcomerRefusal } from "../types.ts";
import { blendColours, coloursOf, findTemplate, movedBy, templateOf } from "./appearance.ts";
import { associate, type SeenDetection } from "./association.ts";
import { isBridge, isSameFace, sideOf } from "./box-geometry.ts";
import { isFarOff, pulledTowards, resized, shifted } from "./box-motion.ts";
import type { DetectionScope, ScopedDetection, SearchScale } from "./detection-scope.ts";
import { isSceneCut, sceneSignature, type SceneSignature } from "./scene-cut.ts";
import { boxesOf, evidence, isConfirmed, rank, setBox, type Track } from "./track.ts";

export interface TrackerOptions {
  /** Id of the first track; the others count on from it. */
  readonly firstId: number;
  /** Faces followed at a time; the biggest are. */
  readonly maxFaces: number;
  /** A face that is not seen is waited for this long, in media time. */
  readonly keepMissingMs: number;
  /** Known faces are looked for again this often, to mend what carrying has drifted. */
  readonly refreshIntervalMs: number;
  /** Whole-picture searches for new faces: while none is followed, and while some are. */
  readonly searchIntervalMs: Readonly<Record<SearchScale, { readonly idle: number; readonly busy: number }>>;
  /** A box that no detection supports is carried no longer than this. */
  readonly maxCarryMs: number;
  /** Detections under this start no track; they support known ones. */
  readonly minNewConfidence: number;
  /** A newcomer is a track once the second look has found it with this confidence, within this time. */
  readonly minConfirmConfidence: number;
  readonly confirmWithinMs: number;
}

export const DEFAULT_TRACKER_OPTIONS: TrackerOptions = {
  firstId: 1,
  maxFaces: 8,
  keepMissingMs: 2_000,
  refreshIntervalMs: 500,
  searchIntervalMs: { coarse: { idle: 500, busy: 1_000 }, fine: { idle: 1_000, busy: 4_000 } },
  maxCarryMs: 1_500,
  minNewConfidence: 0.45,
  minConfirmConfidence: 0.35,
  confirmWithinMs: 1_000,
};

/** Below this correlation the template is not the face any more. */
const MIN_CARRY_CORRELATION = 0.6;
/** A missing face is looked for at its place this often. */
const MISSING_REFRESH_MS = 200;
/** A face just lost may be anywhere: searches come sooner, but never closer than this. */
const URGENT_SEARCH_MS: Readonly<Record<SearchScale, number>> = { coarse: 200, fine: 500 };
/** A new track is detected again in each frame until it has this many detections: its first box is a rough one. */
const SETTLED_SUPPORTS = 3;
/** A candidate that the second look did not find this often was a false detection. */
const MAX_CANDIDATE_MISSES = 3;
/** Motion is extrapolated no further than this; people turn round. */
const MAX_EXTRAPOLATION_MS = 500;

export interface VisibleTrack {
  readonly id: number;
  readonly box: Box;
  readonly detected: boolean;
}

export interface Tracker {
  /** Carries all boxes into the frame. @returns where to detect in it, or null when no detection is due */
  carry(frame: Frame): DetectionScope | null;
  /** Ends the frame, with what was detected in it, or null when nothing was asked. */
  update(frame: Frame, detections: readonly ScopedDetection[] | null): TrackerUpdate;
}

export interface TrackerUpdate {
  readonly visible: readonly VisibleTrack[];
  readonly ended: readonly number[];
  /** For each detection that might have become a track and does not, why. */
  readonly refused: readonly NewcomerRefusal[];
}

export function createTracker(overrides: Partial<TrackerOptions> = {}): Tracker {
  const options = { ...DEFAULT_TRACKER_OPTIONS, ...overrides };
  let tracks: Track[] = [];
  let nextId = options.firstId;
  let scene: SceneSignature | null = null;
  let lastPtsMs = Number.NEGATIVE_INFINITY;
  let refreshedAtMs = Number.NEGATIVE_INFINITY;
  const searchedAtMs: Record<SearchScale, number> = { coarse: Number.NEGATIVE_INFINITY, fine: Number.NEGATIVE_INFINITY };
  let searchUrgent = false;

  function carry(frame: Frame): DetectionScope | null {
    const signature = sceneSignature(frame);
    const cut = scene !== null && isSceneCut(scene, signature);
    scene = signature;
    const elapsedMs = Math.min(Math.max(frame.ptsMs - lastPtsMs, 0), MAX_EXTRAPOLATION_MS);
    lastPtsMs = frame.ptsMs;
    if (cut) {
      tracks = tracks.filter((track) => track.state.kind !== "candidate");
      for (const track of tracks) if (track.state.kind === "visible") loseTrack(track, frame.ptsMs, true);
    }
    for (const track of tracks) {
      track.detectedNow = false;
      track.carried = null;
      if (track.state.kind !== "missing") carryTrack(track, frame, elapsedMs);
    }
    return plan(frame.ptsMs, cut);
  }

  function carryTrack(track: Track, frame: Frame, elapsedMs: number): void {
    const predicted = shifted(track.box, track.velocity, elapsedMs);
    // The template's scale is that of the box it was taken from; matched at that scale the growth is absolute.
    const match = findTemplate(frame, track.template, resized(predicted, track.templateBox, 1));
    if (match.correlation < MIN_CARRY_CORRELATION) return;
    track.carried = match.correlation;
    const target = movedBy(predicted, match);
    const growth = 1 + (match.growth - track.box.width / track.templateBox.width) * 0.3;
    setBox(track, resized(target, track.box, growth), elapsedMs);
  }

  function plan(ptsMs: number, cut: boolean): DetectionScope | null {
    const busy = tracks.some((track) => track.state.kind === "visible");
    const search = (["coarse", "fine"] as const).filter((scale) => {
      const sinceMs = ptsMs - searchedAtMs[scale];
      const interval = options.searchIntervalMs[scale][busy ? "busy" : "idle"];
      return cut || sinceMs >= (searchUrgent ? Math.min(URGENT_SEARCH_MS[scale], interval) : interval);
    });
    const refreshAll = search.length > 0 || ptsMs - refreshedAtMs >= options.refreshIntervalMs;
    const looked = tracks.filter((track) => refreshAll || isUnsure(track, ptsMs));
    for (const track of looked) track.lookedForAtMs = ptsMs;
    if (search.length === 0 && looked.length === 0) return null;
    if (refreshAll) refreshedAtMs = ptsMs;
    for (const scale of search) searchedAtMs[scale] = ptsMs;
    if (search.includes("fine")) searchUrgent = false;
    return { search, around: boxesOf(looked.filter(isConfirmed)), newcomers: boxesOf(looked.filter((track) => !isConfirmed(track))) };
  }

  /** Whether the track needs a detection now rather than at the next refresh. */
  function isUnsure(track: Track, ptsMs: number): boolean {
    if (track.state.kind === "missing") return ptsMs - track.lookedForAtMs >= MISSING_REFRESH_MS;
    return track.carried === null || track.supports < SETTLED_SUPPORTS || tracks.some((other) => other !== track && isSameFace(other.box, track.box));
  }

  function update(frame: Frame, detections: readonly ScopedDetection[] | null): TrackerUpdate {
    const ended: number[] = [];
    const refused: NewcomerRefusal[] = [];
    if (detections !== null) {
      const seen = withoutBridges(detections, refused).map((detection) => ({ ...detection, colours: coloursOf(frame, detection.box) }));
      const { matches, unmatched } = associate(tracks, seen, frame.ptsMs);
      for (const [track, detection] of matches) if (isConfirmed(track) || confirm(track, detection, { ended, refused })) support(track, detection, frame);
      for (const track of tracks) if (!track.detectedNow && track.lookedForAtMs === frame.ptsMs) track.misses++;
      for (const detection of unmatched.toSorted((a, b) => sideOf(b.box) - sideOf(a.box))) begin(detection, frame, refused);
    }
    for (const track of tracks) settleUnsupported(track, frame.ptsMs);
    dropDuplicates(frame.ptsMs);
    tracks = tracks.filter((track) => {
      if (track.state.kind === "candidate") {
        if (track.misses < MAX_CANDIDATE_MISSES && frame.ptsMs - track.state.sinceMs <= options.confirmWithinMs) return true;
        refused.push("unconfirmed");
        return false;
      }
      if (track.state.kind === "visible" || frame.ptsMs - track.state.sinceMs <= options.keepMissingMs) return true;
      ended.push(track.id);
      return false;
    });
    const visible = tracks
      .filter((track) => track.state.kind === "visible")
      .map((track) => ({ id: track.id, box: track.box, detected: track.detectedNow }))
      .toSorted((a, b) => a.id - b.id);
    return { visible, ended, refused };
  }

  /**
   * Leaves out what the detector sees between two faces. A weak one would pull a face's box to the middle, for the face
   * itself to be found again as a new one; a strong one would be a face of its own. Of a strong one two stronger ones
   * must tell: where followed faces are carried to is no evidence against a face that moved.
   */
  function withoutBridges(detections: readonly ScopedDetection[], refused: NewcomerRefusal[]): ScopedDetection[] {
    const followed = boxesOf(tracks.filter((track) => track.state.kind === "visible"));
    return detections.filter(({ box, confidence }) => {
      const isWeak = confidence < options.minNewConfidence;
      const stronger = detections.filter((other) => other.confidence > confidence && other.confidence >= options.minNewConfidence);
      if (!isBridge(box, isWeak ? [...boxesOf(stronger), ...followed] : boxesOf(stronger))) return true;
      if (!isWeak) refused.push("between-faces");
      return false;
    });
  }

  /** Whether the candidate is a track from now on. */
  function confirm(candidate: Track, detection: SeenDetection, { ended, refused }: { ended: number[]; refused: NewcomerRefusal[] }): boolean {
    if (detection.confirms === false || detection.confidence < options.minConfirmConfidence) return false;
    if (tracks.filter(isConfirmed).length >= options.maxFaces && !makeRoom(detection.box, ended)) {
      tracks = tracks.filter((track) => track !== candidate);
      refused.push("too-many");
      return false;
    }
    candidate.id = nextId++;
    return true;
  }

  function support(track: Track, detection: SeenDetection, frame: Frame): void {
    track.supports++;
    track.misses = 0;
    if (track.state.kind === "missing") {
      track.box = detection.box;
      track.velocity = { x: 0, y: 0 };
      track.supports = 1;
    } else {
      if (isFarOff(track.box, detection.box)) track.supports = 1;
      track.box = pulledTowards(track.box, detection.box, 1 / Math.max(2, track.supports));
    }
    track.state = { kind: "visible" };
    track.detectedNow = true;
    track.detectedAtMs = frame.ptsMs;
    track.lastSeenBox = track.box;
    track.colours = blendColours(track.colours, detection.colours, 0.3);
    track.template = templateOf(frame, track.box);
    track.templateBox = track.box;
  }

  function begin(detection: SeenDetection, frame: Frame, refused: NewcomerRefusal[]): void {
    if (detection.confidence < options.minNewConfidence) return;
    if (tracks.some((track) => track.state.kind !== "missing" && isSameFace(track.box, detection.box))) return;
    if (isBridge(detection.box, boxesOf(tracks.filter((track) => track.state.kind === "visible")))) {
      refused.push("between-faces");
      return;
    }
    // Candidates have places of their own: a false one must not end a face that is followed or waited for.
    if (tracks.length - tracks.filter(isConfirmed).length >= options.maxFaces) {
      refused.push("too-many");
      return;
    }
    tracks.push({
      id: 0,
      state: { kind: "candidate", sinceMs: frame.ptsMs },
      box: detection.box,
      velocity: { x: 0, y: 0 },
      template: templateOf(frame, detection.box),
      templateBox: detection.box,
      colours: detection.colours,
      carried: null,
      detectedAtMs: frame.ptsMs,
      detectedNow: true,
      supports: 1,
      misses: 0,
      lookedForAtMs: frame.ptsMs,
      lastSeenBox: detection.box,
    });
  }

  /** Ends the missing track or else the smallest, when the newcomer is clearly bigger. */
  function makeRoom(box: Box, ended: number[]): boolean {
    const weakest = tracks.filter(isConfirmed).toSorted((a, b) => rank(a) - rank(b))[0];
    if (weakest === undefined || (weakest.state.kind === "visible" && sideOf(box) < 1.25 * sideOf(weakest.box))) return false;
    tracks = tracks.filter((track) => track !== weakest);
    ended.push(weakest.id);
    return true;
  }

  function settleUnsupported(track: Track, ptsMs: number): void {
    if (track.detectedNow || track.state.kind !== "visible") return;
    if (track.carried === null || ptsMs - track.detectedAtMs > options.maxCarryMs) loseTrack(track, ptsMs, false);
  }

  function loseTrack(track: Track, ptsMs: number, acrossCut: boolean): void {
    const unseenMs = Math.min(ptsMs - track.detectedAtMs, MAX_EXTRAPOLATION_MS);
    track.box = shifted(track.lastSeenBox, track.velocity, unseenMs);
    track.state = { kind: "missing", sinceMs: ptsMs, acrossCut };
    searchUrgent = true;
  }

  /** Of two tracks on one face the one with the better evidence stays; the other has lost its own face. */
  function dropDuplicates(ptsMs: number): void {
    const ordered = tracks.filter((track) => track.state.kind === "visible").toSorted((a, b) => evidence(b) - evidence(a) || a.id - b.id);
    for (const [i, track] of ordered.entries()) {
      if (ordered.slice(0, i).some((other) => other.state.kind === "visible" && isSameFace(other.box, track.box))) loseTrack(track, ptsMs, false);
    }
  }

  return { carry, update };
}
