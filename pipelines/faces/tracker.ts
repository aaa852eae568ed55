/** Follows faces from frame to frame: carries their boxes between detections and keeps their identity. Deterministic. */
import type { Box, Detection, Frame } from "../types.ts";
import { blendColours, coloursOf, findTemplate, movedBy, templateOf, type Template } from "./appearance.ts";
import { associate } from "./association.ts";
import { centreDistance, centreX, centreY, isSameFace, sideOf } from "./box-geometry.ts";
import type { DetectionScope, SearchScale } from "./detection-scope.ts";
import { isSceneCut, sceneSignature, type SceneSignature } from "./scene-cut.ts";

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
  /** Detections from this up start a track at once; others need a second one within `confirmWithinMs`. */
  readonly certainConfidence: number;
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
  certainConfidence: 0.85,
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
/** A candidate that was looked for this often in vain was a false detection. */
const MAX_CANDIDATE_MISSES = 3;
/** Motion is extrapolated no further than this; people turn round. */
const MAX_EXTRAPOLATION_MS = 500;

type TrackState =
  /** Seen once, perhaps a false detection; has no id yet. */
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

export interface VisibleTrack {
  readonly id: number;
  readonly box: Box;
  readonly detected: boolean;
}

export interface Tracker {
  /** Carries all boxes into the frame. @returns where to detect in it, or null when no detection is due */
  carry(frame: Frame): DetectionScope | null;
  /** Ends the frame, with what was detected in it, or null when nothing was asked. */
  update(frame: Frame, detections: readonly Detection[] | null): { readonly visible: readonly VisibleTrack[]; readonly ended: readonly number[] };
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
    const around = looked.map((track) => track.box);
    if (search.length === 0 && around.length === 0) return null;
    if (refreshAll) refreshedAtMs = ptsMs;
    for (const scale of search) searchedAtMs[scale] = ptsMs;
    if (search.includes("fine")) searchUrgent = false;
    return { search, around };
  }

  /** Whether the track needs a detection now rather than at the next refresh. */
  function isUnsure(track: Track, ptsMs: number): boolean {
    if (track.state.kind === "missing") return ptsMs - track.lookedForAtMs >= MISSING_REFRESH_MS;
    return track.carried === null || track.supports < SETTLED_SUPPORTS || tracks.some((other) => other !== track && isSameFace(other.box, track.box));
  }

  function update(frame: Frame, detections: readonly Detection[] | null): ReturnType<Tracker["update"]> {
    const ended: number[] = [];
    if (detections !== null) {
      const seen = detections.map((detection) => ({ ...detection, colours: coloursOf(frame, detection.box) }));
      const { matches, unmatched } = associate(tracks, seen, frame.ptsMs);
      for (const [track, detection] of matches) support(track, detection, frame);
      for (const track of tracks) if (!track.detectedNow && track.lookedForAtMs === frame.ptsMs) track.misses++;
      for (const detection of unmatched.toSorted((a, b) => sideOf(b.box) - sideOf(a.box))) begin(detection, frame, ended);
    }
    for (const track of tracks) settleUnsupported(track, frame.ptsMs);
    dropDuplicates(frame.ptsMs);
    tracks = tracks.filter((track) => {
      if (track.state.kind === "candidate") return track.misses < MAX_CANDIDATE_MISSES && frame.ptsMs - track.state.sinceMs <= options.confirmWithinMs;
      if (track.state.kind === "visible" || frame.ptsMs - track.state.sinceMs <= options.keepMissingMs) return true;
      ended.push(track.id);
      return false;
    });
    const visible = tracks
      .filter((track) => track.state.kind === "visible")
      .map((track) => ({ id: track.id, box: track.box, detected: track.detectedNow }))
      .toSorted((a, b) => a.id - b.id);
    return { visible, ended };
  }

  function support(track: Track, detection: Detection & { readonly colours: Float32Array }, frame: Frame): void {
    track.supports++;
    track.misses = 0;
    if (track.state.kind === "candidate") {
      if (detection.confidence < options.minNewConfidence) return;
      track.id = nextId++;
    }
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

  function begin(detection: Detection & { readonly colours: Float32Array }, frame: Frame, ended: number[]): void {
    if (detection.confidence < options.minNewConfidence) return;
    if (tracks.some((track) => track.state.kind !== "missing" && isSameFace(track.box, detection.box))) return;
    if (tracks.length >= options.maxFaces && !makeRoom(detection.box, ended)) return;
    const certain = detection.confidence >= options.certainConfidence;
    tracks.push({
      id: certain ? nextId++ : 0,
      state: certain ? { kind: "visible" } : { kind: "candidate", sinceMs: frame.ptsMs },
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
    const weakest = tracks.toSorted((a, b) => rank(a) - rank(b))[0];
    if (weakest === undefined || (weakest.state.kind === "visible" && sideOf(box) < 1.25 * sideOf(weakest.box))) return false;
    tracks = tracks.filter((track) => track !== weakest);
    if (weakest.id > 0) ended.push(weakest.id);
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

function evidence(track: Track): number {
  return (track.detectedNow ? 2 : 0) + (track.carried ?? 0);
}

function rank(track: Track): number {
  return (track.state.kind === "visible" ? 1e6 : 0) + sideOf(track.box);
}

function shifted(box: Box, velocity: Track["velocity"], elapsedMs: number): Box {
  return { ...box, x: box.x + velocity.x * elapsedMs, y: box.y + velocity.y * elapsedMs };
}

/** The size of `size` times `growth`, at the centre of `at`. */
function resized(at: Box, size: Box, growth: number): Box {
  const width = size.width * growth;
  const height = size.height * growth;
  return { x: centreX(at) - width / 2, y: centreY(at) - height / 2, width, height };
}

function setBox(track: Track, box: Box, elapsedMs: number): void {
  if (elapsedMs > 0) {
    const x = (centreX(box) - centreX(track.box)) / elapsedMs;
    const y = (centreY(box) - centreY(track.box)) / elapsedMs;
    track.velocity = { x: track.velocity.x + (x - track.velocity.x) * 0.5, y: track.velocity.y + (y - track.velocity.y) * 0.5 };
  }
  track.box = box;
}

/** Whether carrying has gone so wrong that the next frames should be detected on as well. */
function isFarOff(box: Box, detected: Box): boolean {
  return centreDistance(box, detected) > 0.25 || Math.abs(Math.log(sideOf(detected) / sideOf(box))) > 0.15;
}

/**
 * A detection's box wavers by some percent from one frame to the next; the crop must not. Small disagreement is
 * closed slowly, a large one at once; the first few detections are averaged (`minShare` is 1 over their number).
 */
function pulledTowards(box: Box, detected: Box, minShare: number): Box {
  const side = sideOf(box);
  const dx = centreX(detected) - centreX(box);
  const dy = centreY(detected) - centreY(box);
  const move = Math.max(minShare, Math.min(0.9, 0.3 + (2 * Math.hypot(dx, dy)) / side));
  const towardsSize = (from: number, to: number): number => from * (to / from) ** Math.max(minShare, Math.min(0.7, 0.2 + Math.abs(Math.log(to / from))));
  const at = { ...box, x: box.x + dx * move, y: box.y + dy * move };
  return resized(at, { ...at, width: towardsSize(box.width, detected.width), height: towardsSize(box.height, detected.height) }, 1);
}
