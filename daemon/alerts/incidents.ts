/**
 * The incidents of one stream: which track each alert of a face follows, which wait for their face to come back, and which
 * are over but not yet out of their cool-down. Pure; the alert engine owns the clocks, the store and the telling.
 */
import type { FaceAlert } from "../protocol.ts";
import { type AlertOrigin, type AlertRuleInput, type AlertRuleSettings, type AlertRuleState, type AlertTransition, INACTIVE, type In, joinTrack, resolve, stepAlertRule } from "./alert-rule.ts";
import { addLook, type FaceDescriptor, faceDistance, isSamePerson, type Likeness } from "./face-likeness.ts";

/**
 * How long a firing alert waits for a face that left, at most its cool-down: a cut to another camera, a publisher that
 * reconnects, an analysis process that starts again. Told of as firing meanwhile.
 */
export const MAX_AWAY_MS = 60_000;
/** Incidents of one stream that are over and remembered for their cool-down; the oldest is forgotten first. */
const MAX_REMEMBERED = 32;
/** Faces followed in a stream are fewer; what is looked at and not followed any more goes with its track's end. */
const MAX_LOOKS = 64;

/** Monotonic for spans, wall clock for what is told. */
export interface Moment {
  readonly monotonicMs: number;
  readonly atMs: number;
}

export type AwayReason = "track-ended" | "analysis-restarted";

interface Incident {
  rule: Exclude<AlertRuleState, { kind: "inactive" }>;
  /** Null while no track of its face is followed. */
  track: number | null;
  likeness: Likeness | null;
  /** Why and since when a firing one has no track. */
  away: (Moment & { readonly reason: AwayReason }) | null;
  /** Monotonic; when it ended last. */
  endedMs: number | null;
}

export interface ScoreStep {
  readonly transitions: readonly AlertTransition<FaceAlert>[];
  /** The score opens an alert, and the stream has no room for one: nothing was changed. */
  readonly suppressed: boolean;
}

export class StreamIncidents {
  readonly #incidents = new Set<Incident>();
  readonly #byTrack = new Map<number, Incident>();
  /** Of tracks that are followed and belong to no incident. */
  readonly #looks = new Map<number, { likeness: Likeness; ptsMs: number }>();

  /** Nothing is remembered of the stream. */
  get isEmpty(): boolean {
    return this.#incidents.size === 0 && this.#looks.size === 0;
  }

  open(): readonly FaceAlert[] {
    return [...this.#incidents].flatMap(({ rule }) => (rule.kind === "ended" ? [] : [rule.alert]));
  }

  score(track: number, input: Extract<AlertRuleInput, { kind: "score" }>, { settings, maxOpen, monotonicMs, origin }: { settings: AlertRuleSettings; maxOpen: number; monotonicMs: number; origin: () => AlertOrigin }): ScoreStep {
    const known = this.#byTrack.get(track);
    const before = known?.rule ?? INACTIVE;
    const { state, transitions } = stepAlertRule(before, input, settings, origin);
    const opens = !isOpen(before) && isOpen(state);
    if (opens && this.open().length >= maxOpen) return { transitions: [], suppressed: true };
    if (state.kind === "inactive") return { transitions, suppressed: false };
    if (known === undefined || (opens && before.kind === "ended" && state.kind !== "ended" && state.alert.id !== before.alert.id)) {
      // A new alert of a face that had one before: that one is out of its cool-down.
      if (known !== undefined) this.#forget(known);
      const likeness = known?.likeness ?? this.#looks.get(track)?.likeness ?? null;
      this.#looks.delete(track);
      this.#add({ rule: state, track, likeness, away: null, endedMs: null });
    } else {
      known.rule = state;
      if (state.kind === "ended") known.endedMs ??= monotonicMs;
      else known.endedMs = null;
    }
    return { transitions, suppressed: false };
  }

  /** Takes in what the face of a track looks like. @returns the transition when the track joins an incident */
  look(track: number, { descriptor, ptsMs, now, coolDownMs }: { descriptor: FaceDescriptor; ptsMs: number; now: Moment; coolDownMs: number }): readonly AlertTransition<FaceAlert>[] {
    const incident = this.#byTrack.get(track);
    if (incident !== undefined) {
      incident.likeness = addLook(incident.likeness, descriptor);
      return [];
    }
    this.#looks.set(track, { likeness: addLook(this.#looks.get(track)?.likeness ?? null, descriptor), ptsMs });
    const [oldest] = this.#looks.keys();
    if (this.#looks.size > MAX_LOOKS && oldest !== undefined) this.#looks.delete(oldest);
    return this.#join(now, coolDownMs);
  }

  endTrack(track: number, { now, reason, coolDownMs }: { now: Moment; reason: AwayReason; coolDownMs: number }): readonly AlertTransition<FaceAlert>[] {
    this.#looks.delete(track);
    const incident = this.#byTrack.get(track);
    if (incident === undefined) return [];
    this.#byTrack.delete(track);
    incident.track = null;
    // Without a likeness it could not be known again; a pending one has told nobody anything.
    const waits = incident.rule.kind === "firing" && incident.likeness !== null && coolDownMs > 0;
    if (!waits) return this.#end(incident, reason, now);
    incident.away = { ...now, reason };
    return this.#join(now, coolDownMs);
  }

  /** All tracks are gone with the process that followed them. */
  loseTracks(now: Moment, coolDownMs: number): readonly AlertTransition<FaceAlert>[] {
    this.#looks.clear();
    return [...this.#byTrack.keys()].flatMap((track) => this.endTrack(track, { now, reason: "analysis-restarted", coolDownMs }));
  }

  /** The stream is over: nothing waits any more. A face that comes back within the cool-down makes its alert fire again. */
  endStream(now: Moment): readonly AlertTransition<FaceAlert>[] {
    this.#looks.clear();
    this.#byTrack.clear();
    return [...this.#incidents].flatMap((incident) => {
      incident.track = null;
      return this.#end(incident, "stream-ended", now);
    });
  }

  /** Ends what has waited long enough, and forgets what is out of its cool-down. */
  tick(now: Moment, coolDownMs: number): readonly AlertTransition<FaceAlert>[] {
    const transitions: AlertTransition<FaceAlert>[] = [];
    for (const incident of this.#incidents) {
      const { away } = incident;
      if (away !== null && now.monotonicMs - away.monotonicMs >= Math.min(coolDownMs, MAX_AWAY_MS)) transitions.push(...this.#end(incident, away.reason, now));
      if (incident.track === null && incident.endedMs !== null && now.monotonicMs - incident.endedMs >= coolDownMs) this.#forget(incident);
    }
    return transitions;
  }

  /**
   * Tracks without an incident whose face is that of an incident without a track take it over, nearest first. A face that is
   * in the picture twice so has an incident for each, and one is joined only when its own track is over.
   */
  #join(now: Moment, coolDownMs: number): readonly AlertTransition<FaceAlert>[] {
    const pairs = [...this.#incidents].flatMap((incident) => {
      const { likeness } = incident;
      const over = incident.endedMs !== null && now.monotonicMs - incident.endedMs >= coolDownMs;
      if (incident.track !== null || likeness === null || over) return [];
      return [...this.#looks].filter(([, look]) => isSamePerson(look.likeness, likeness)).map(([track, look]) => ({ incident, track, look, distance: faceDistance(look.likeness.mean, likeness.mean) }));
    });
    return pairs
      .toSorted((a, b) => a.distance - b.distance)
      .flatMap(({ incident, track, look }) => {
        if (incident.track !== null || !this.#looks.has(track) || incident.rule.kind === "pending") return [];
        const endedForMs = incident.endedMs === null ? 0 : now.monotonicMs - incident.endedMs;
        const { state, transitions } = joinTrack(incident.rule, track, { ptsMs: look.ptsMs, atMs: now.atMs, endedForMs });
        incident.rule = state as In<"firing"> | In<"ended">;
        incident.track = track;
        incident.away = null;
        if (incident.likeness !== null) incident.likeness = addLook(incident.likeness, look.likeness.mean);
        this.#byTrack.set(track, incident);
        this.#looks.delete(track);
        return transitions;
      });
  }

  /** Of one that has no track any more. One whose face is known is remembered for its cool-down. */
  #end(incident: Incident, resolution: AwayReason | "stream-ended", now: Moment): readonly AlertTransition<FaceAlert>[] {
    const { rule, away } = incident;
    incident.away = null;
    incident.endedMs ??= away?.monotonicMs ?? now.monotonicMs;
    if (incident.likeness === null || rule.kind === "pending") this.#forget(incident);
    if (rule.kind === "ended") return [];
    const kind = rule.kind === "pending" ? "dropped" : "resolved";
    const ended = resolve(rule.alert, kind, resolution, now.atMs);
    // It was over when its face was lost, though that is known only now.
    const transition = away === null ? ended : { ...ended, alert: { ...ended.alert, resolvedAt: away.atMs } };
    incident.rule = { kind: "ended", alert: transition.alert, endedPtsMs: 0, aboveSincePtsMs: null };
    return [transition];
  }

  #add(incident: Incident): void {
    this.#incidents.add(incident);
    if (incident.track !== null) this.#byTrack.set(incident.track, incident);
    const remembered = [...this.#incidents].filter(({ track, rule }) => track === null && rule.kind === "ended");
    for (const old of remembered.slice(0, Math.max(0, remembered.length - MAX_REMEMBERED))) this.#forget(old);
  }

  #forget(incident: Incident): void {
    this.#incidents.delete(incident);
    if (incident.track !== null) this.#byTrack.delete(incident.track);
  }
}

function isOpen(state: AlertRuleState): boolean {
  return state.kind === "pending" || state.kind === "firing";
}
