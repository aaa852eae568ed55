/** Watches one stream for blind spots: no face that can be judged, windows that hold too little, a decoder that keeps ending. */
import { randomUUID } from "node:crypto";
import { BLIND_SPOT_RULES, type AlertResolution, type BlindSpotAlert, type BlindSpotRule } from "../protocol.ts";
import type { AlertTransition } from "./alert-rule.ts";
import { type BlindSpotSign, type BlindSpotState, type BlindSpotStep, CLEAR, endBlindSpot, stepBlindSpot } from "./blind-spot-rule.ts";
import type { Moment } from "./incidents.ts";

export interface BlindSpotSettings {
  readonly enabled: boolean;
  /** The stream should always show a face that can be judged. */
  readonly expectFace: boolean;
  readonly noFaceMs: number;
  /** Span over which windows are counted. */
  readonly lowCoverageMs: number;
  /** Share of windows under `minCoverage` from which coverage is low. */
  readonly maxLowCoverage: number;
  readonly minCoverage: number;
  readonly decoderRestarts: boolean;
  /** Restarts within a minute that the decoder is allowed. */
  readonly maxRestarts: number;
  readonly coolDownMs: number;
}

type Transition = AlertTransition<BlindSpotAlert>;

/** A face must be seen again, or coverage be good, for this long; a decoder that holds for less is still in its storm. */
const CLEAR_AFTER_MS: Readonly<Record<BlindSpotRule, number>> = { "no-usable-face": 10_000, "low-coverage": 30_000, "decoder-restarts": 60_000 };
/** The span is counted in so many parts; the oldest goes as a whole. */
const PARTS = 10;
/** Fewer windows say nothing of a share: one face gives one a second. */
const MIN_WINDOWS = 20;
/** A face not confirmed by a view for this long is not seen. */
const SEEN_FOR_MS = 2_000;

export class StreamBlindSpots {
  readonly #stream: string;
  readonly #states = new Map<BlindSpotRule, BlindSpotState>(BLIND_SPOT_RULES.map((rule) => [rule, CLEAR]));
  #liveSinceMs: number | null = null;
  #usableAtMs: number | null = null;
  #parts: { readonly sinceMs: number; windows: number; low: number }[] = [];

  constructor(stream: string) {
    this.#stream = stream;
  }

  open(): readonly BlindSpotAlert[] {
    return [...this.#states.values()].flatMap((state) => (state.kind === "firing" ? [state.alert] : []));
  }

  /** Whether the faces in the picture include one that can be judged. */
  view(usable: boolean, { monotonicMs }: Moment): void {
    if (usable) this.#usableAtMs = monotonicMs;
  }

  /** A window was scored. */
  window(coverage: number, settings: BlindSpotSettings, { monotonicMs }: Moment): void {
    const newest = this.#parts.at(-1);
    const part = newest !== undefined && monotonicMs - newest.sinceMs < settings.lowCoverageMs / PARTS ? newest : { sinceMs: monotonicMs, windows: 0, low: 0 };
    if (part !== newest) this.#parts = [...this.#parts, part].slice(-PARTS);
    part.windows++;
    if (coverage < settings.minCoverage) part.low++;
  }

  decoderStorm(restarts: number, settings: BlindSpotSettings, now: Moment): readonly Transition[] {
    if (!settings.enabled || !settings.decoderRestarts) return [];
    return this.#step("decoder-restarts", { kind: "blind", measured: restarts, sinceMs: now.monotonicMs }, settings.maxRestarts, { settings, now });
  }

  /** Once a second. `live`: frames arrive. */
  tick(live: boolean, settings: BlindSpotSettings, now: Moment): readonly Transition[] {
    if (!live) this.#liveSinceMs = null;
    else this.#liveSinceMs ??= now.monotonicMs;
    if (!settings.enabled) return [];
    const unexpected: BlindSpotSign = { kind: "unknown" };
    return [
      ...this.#step("no-usable-face", settings.expectFace ? this.#faceSign(settings, now) : unexpected, settings.noFaceMs / 1_000, { settings, now }),
      ...this.#step("low-coverage", settings.expectFace ? this.#coverageSign(settings, now) : unexpected, settings.maxLowCoverage, { settings, now }),
      ...this.#step("decoder-restarts", { kind: live ? "seeing" : "unknown" }, settings.maxRestarts, { settings, now }),
    ];
  }

  end(resolution: AlertResolution, now: Moment): readonly Transition[] {
    this.#liveSinceMs = null;
    this.#usableAtMs = null;
    this.#parts = [];
    return BLIND_SPOT_RULES.flatMap((rule) => this.#take(rule, endBlindSpot(this.#states.get(rule) ?? CLEAR, resolution, now)));
  }

  #faceSign({ noFaceMs }: BlindSpotSettings, { monotonicMs }: Moment): BlindSpotSign {
    if (this.#liveSinceMs === null) return { kind: "unknown" };
    if (this.#usableAtMs !== null && monotonicMs - this.#usableAtMs <= SEEN_FOR_MS) return { kind: "seeing" };
    const sinceMs = Math.max(this.#liveSinceMs, this.#usableAtMs ?? Number.NEGATIVE_INFINITY);
    return monotonicMs - sinceMs >= noFaceMs ? { kind: "blind", measured: Math.round((monotonicMs - sinceMs) / 1_000), sinceMs } : { kind: "unknown" };
  }

  #coverageSign({ lowCoverageMs, maxLowCoverage }: BlindSpotSettings, { monotonicMs }: Moment): BlindSpotSign {
    const parts = this.#parts.filter(({ sinceMs }) => monotonicMs - sinceMs < lowCoverageMs);
    const windows = parts.reduce((total, part) => total + part.windows, 0);
    const [first] = parts;
    if (first === undefined || windows < MIN_WINDOWS) return { kind: "unknown" };
    const share = parts.reduce((total, part) => total + part.low, 0) / windows;
    if (share < maxLowCoverage) return { kind: "seeing" };
    // The span must have been watched: a bad first minute is not yet a bad five.
    const watched = monotonicMs - first.sinceMs >= (lowCoverageMs * (PARTS - 1)) / PARTS;
    return watched ? { kind: "blind", measured: share, sinceMs: first.sinceMs } : { kind: "unknown" };
  }

  #step(rule: BlindSpotRule, sign: BlindSpotSign, limit: number, { settings, now }: { settings: BlindSpotSettings; now: Moment }): readonly Transition[] {
    const times = { clearAfterMs: CLEAR_AFTER_MS[rule], coolDownMs: settings.coolDownMs };
    return this.#take(rule, stepBlindSpot(this.#states.get(rule) ?? CLEAR, { sign, limit, ...now }, times, () => ({ id: randomUUID(), stream: this.#stream, rule })));
  }

  #take(rule: BlindSpotRule, { state, transition }: BlindSpotStep): readonly Transition[] {
    this.#states.set(rule, state);
    return transition === null ? [] : [transition];
  }
}
