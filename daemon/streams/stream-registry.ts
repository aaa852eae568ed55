/** What the daemon knows of each configured stream, and how the API shows it. Owns no process and no socket. */
import { SAMPLE_RATE_HZ, type HorizonScore, type UnscoredReason, type Verdict } from "../../pipelines/types.ts";
import type { FaceReport, StreamStats } from "../analysis/messages.ts";
import type { ScorePoint, Source, Stream, StreamDetail } from "../protocol.ts";
import { isOver, nextLife, type StreamEvent, type StreamLife } from "./stream-life.ts";

/** Ten minutes of the score line, with one score a second and eight faces. */
const HISTORY_MS = 600_000;
const HISTORY_MAX_POINTS = 600 * 8;
const FPS_SPAN_SECONDS = 5;
/** Views come four times a second while frames are analysed. */
const VIEW_MAX_AGE_MS = 2_000;

export interface StreamRegistryOptions {
  readonly names: readonly string[];
  readonly graceMs: number;
  readonly onChange: (name: string) => void;
  /** The stream is over: its tracks, windows and alerts can end. */
  readonly onOver: (name: string) => void;
  /** Monotonic and wall clock, milliseconds; tests pass their own. */
  readonly nowMs?: () => number;
  readonly wallMs?: () => number;
}

const NO_FACE: Verdict = { kind: "unscored", reason: "no-face", score: null };

interface Entry {
  readonly name: string;
  life: StreamLife;
  stateSince: number;
  videoCodec: string | null;
  picture: { widthPx: number; heightPx: number } | null;
  bitrateKbps: number | null;
  faces: readonly FaceReport[];
  verdict: Verdict;
  /** When the faces were last reported, monotonic; what is older than VIEW_MAX_AGE_MS speaks for nothing. */
  viewAtMs: number;
  viewStale: boolean;
  /** Highest track id so far: a later analysis of the stream goes on counting from there. */
  lastTrackId: number;
  frameAgeMs: number | null;
  frames: { decoded: number; discarded: number; lost: number };
  analysedPerSecond: number[];
  lastFaceAtMs: number;
  thumbnail: { readonly jpeg: Buffer; readonly ptsMs: number } | null;
  /** Null for streams that are published. */
  source: Source | null;
  scores: ScorePoint[];
  firingAlerts: number;
}

export class StreamRegistry {
  readonly #options: Required<StreamRegistryOptions>;
  readonly #entries = new Map<string, Entry>();
  #samplingFps = SAMPLE_RATE_HZ;

  constructor(options: StreamRegistryOptions) {
    this.#options = { nowMs: () => performance.now(), wallMs: () => Date.now(), ...options };
    for (const name of options.names) this.#entries.set(name, this.#emptyEntry(name));
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** A stream of a new name; one that is there stays as it is. */
  add(name: string): void {
    if (this.#entries.has(name)) return;
    this.#entries.set(name, this.#emptyEntry(name));
    this.#options.onChange(name);
  }

  /** The caller ends its tracks and alerts. */
  remove(name: string): void {
    this.#entries.delete(name);
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Streams with a publisher now. */
  get publishing(): number {
    return [...this.#entries.values()].filter(({ life }) => "session" in life && life.session !== null).length;
  }

  lifeOf(name: string): StreamLife | undefined {
    return this.#entries.get(name)?.life;
  }

  /** Applies an event; unknown names change nothing. */
  apply(name: string, event: StreamEvent): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    const before = entry.life;
    const life = nextLife(before, event, { nowMs: this.#options.nowMs(), graceMs: this.#options.graceMs });
    if (life === before) return;
    entry.life = life;
    if (life.kind !== before.kind) entry.stateSince = this.#options.wallMs();
    if (life.kind === "live" && before.kind !== "live") {
      entry.lastFaceAtMs = this.#options.nowMs();
      entry.viewAtMs = this.#options.nowMs();
      entry.viewStale = false;
    }
    if (isOver(life) && !isOver(before)) {
      this.#forget(entry);
      this.#options.onOver(name);
    }
    this.#options.onChange(name);
  }

  /** Once a second: grace times run out, and verdicts that nothing renews end. */
  tick(): void {
    for (const [name, entry] of this.#entries) {
      this.apply(name, { kind: "tick" });
      const stale = entry.life.kind === "live" && this.#options.nowMs() - entry.viewAtMs > VIEW_MAX_AGE_MS;
      if (stale === entry.viewStale) continue;
      entry.viewStale = stale;
      this.#options.onChange(name);
    }
  }

  /** The analysis of the stream was lost, and with it what it said of its faces. */
  clearView(name: string): void {
    this.#update(name, (entry) => {
      entry.faces = [];
      entry.verdict = NO_FACE;
    });
  }

  /** True when nobody publishes and nobody is waited for: late reports of the stream mean nothing. */
  isOver(name: string): boolean {
    const entry = this.#entries.get(name);
    return entry === undefined || isOver(entry.life);
  }

  /** The first id that a new analysis of the stream may give. */
  nextTrackId(name: string): number {
    return (this.#entries.get(name)?.lastTrackId ?? 0) + 1;
  }

  setCodec(name: string, videoCodec: string | null): void {
    this.#update(name, (entry) => (entry.videoCodec = videoCodec));
  }

  setSource(name: string, source: Source): void {
    this.#update(name, (entry) => (entry.source = source));
  }

  source(name: string): Source | null {
    return this.#entries.get(name)?.source ?? null;
  }

  setPicture(name: string, picture: { widthPx: number; heightPx: number }): void {
    this.#update(name, (entry) => (entry.picture = picture));
  }

  setBitrate(name: string, bitrateKbps: number): void {
    this.#update(name, (entry) => (entry.bitrateKbps = bitrateKbps));
  }

  setSamplingFps(samplingFps: number): void {
    this.#samplingFps = samplingFps;
    for (const name of this.#entries.keys()) this.#options.onChange(name);
  }

  setFiringAlerts(name: string, count: number): void {
    this.#update(name, (entry) => (entry.firingAlerts = count));
  }

  setView(name: string, view: { readonly verdict: Verdict; readonly faces: readonly FaceReport[] }): void {
    this.#update(name, (entry) => {
      entry.faces = view.faces;
      entry.verdict = view.verdict;
      entry.viewAtMs = this.#options.nowMs();
      entry.viewStale = false;
      for (const { trackId } of view.faces) entry.lastTrackId = Math.max(entry.lastTrackId, trackId);
      if (view.faces.length > 0) entry.lastFaceAtMs = this.#options.nowMs();
    });
  }

  setThumbnail(name: string, thumbnail: { readonly jpeg: Buffer; readonly ptsMs: number }): void {
    this.#update(name, (entry) => (entry.thumbnail = thumbnail));
  }

  /** @returns the point as the API shows it, or null for an unknown stream. */
  addScore(name: string, report: { readonly trackId: number; readonly ptsMs: number; readonly score: HorizonScore; readonly frameAgeMs: number }): ScorePoint | null {
    const entry = this.#entries.get(name);
    if (!entry) return null;
    const { frames, score, coverage } = report.score;
    const point: ScorePoint = { at: this.#options.wallMs(), ptsMs: report.ptsMs, track: report.trackId, frames, score, coverage };
    entry.frameAgeMs = report.frameAgeMs;
    entry.lastTrackId = Math.max(entry.lastTrackId, report.trackId);
    entry.scores.push(point);
    const oldest = point.at - HISTORY_MS;
    let expired = Math.max(0, entry.scores.length - HISTORY_MAX_POINTS);
    while ((entry.scores[expired]?.at ?? Number.POSITIVE_INFINITY) < oldest) expired++;
    if (expired > 0) entry.scores.splice(0, expired);
    return point;
  }

  /** Takes in one second's counts of a stream. */
  addStats(stats: StreamStats): void {
    this.#update(stats.stream, (entry) => {
      entry.frames.decoded += stats.decoded;
      entry.frames.discarded += sum(stats.discarded);
      entry.frames.lost += sum(stats.lost);
      entry.analysedPerSecond.push(stats.analysed);
      if (entry.analysedPerSecond.length > FPS_SPAN_SECONDS) entry.analysedPerSecond.shift();
    });
  }

  facelessSeconds(name: string): number {
    const entry = this.#entries.get(name);
    return entry === undefined || entry.life.kind !== "live" || entry.faces.length > 0 ? 0 : (this.#options.nowMs() - entry.lastFaceAtMs) / 1000;
  }

  thumbnail(name: string): { readonly jpeg: Buffer; readonly ptsMs: number } | null {
    return this.#entries.get(name)?.thumbnail ?? null;
  }

  streams(): Stream[] {
    return [...this.#entries.values()].map((entry) => this.#toStream(entry));
  }

  stream(name: string): Stream | null {
    const entry = this.#entries.get(name);
    return entry ? this.#toStream(entry) : null;
  }

  detail(name: string): StreamDetail | null {
    const entry = this.#entries.get(name);
    return entry ? { stream: this.#toStream(entry), scores: [...entry.scores] } : null;
  }

  #toStream(entry: Entry): Stream {
    const { life } = entry;
    const session = "session" in life ? life.session : null;
    const seen = life.kind === "live" || life.kind === "stalled";
    const unscored = unscoredReason(life) ?? (entry.viewStale ? "analysis-stalled" : null);
    const shown = (verdict: Verdict): Verdict => (unscored === null ? verdict : { kind: "unscored", reason: unscored, score: null });
    const fps = entry.analysedPerSecond;
    return {
      name: entry.name,
      state: life.kind,
      stateReason: "reason" in life ? life.reason : null,
      stateSince: entry.stateSince,
      publisher: session && {
        protocol: session.protocol,
        videoCodec: entry.videoCodec,
        widthPx: entry.picture?.widthPx ?? null,
        heightPx: entry.picture?.heightPx ?? null,
        connectedAt: session.connectedAt,
        bitrateKbps: entry.bitrateKbps,
      },
      source: entry.source,
      verdict: shown(entry.verdict),
      tracks: seen ? entry.faces.map(({ trackId, box, verdict, firstSeenAt, lastSeenAt }) => ({ id: trackId, box, verdict: shown(verdict), firstSeenAt, lastSeenAt })) : [],
      analysedFps: life.kind === "live" && fps.length > 0 ? fps.reduce((total, count) => total + count, 0) / fps.length : 0,
      samplingFps: this.#samplingFps,
      frameAgeMs: life.kind === "live" ? entry.frameAgeMs : null,
      frames: { ...entry.frames },
      facelessSeconds: this.facelessSeconds(entry.name),
      thumbnailPtsMs: entry.thumbnail?.ptsMs ?? null,
      firingAlerts: entry.firingAlerts,
    };
  }

  #update(name: string, change: (entry: Entry) => void): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    change(entry);
    this.#options.onChange(name);
  }

  /** Scores and the counters stay: the score line shows what was, with its gap. */
  #forget(entry: Entry): void {
    const { videoCodec, picture, bitrateKbps, faces, verdict, frameAgeMs, analysedPerSecond, thumbnail } = this.#emptyEntry(entry.name);
    Object.assign(entry, { videoCodec, picture, bitrateKbps, faces, verdict, frameAgeMs, analysedPerSecond, thumbnail });
  }

  #emptyEntry(name: string): Entry {
    return {
      name,
      life: { kind: "waiting", reason: null },
      stateSince: this.#options.wallMs(),
      videoCodec: null,
      picture: null,
      bitrateKbps: null,
      faces: [],
      verdict: NO_FACE,
      viewAtMs: this.#options.nowMs(),
      viewStale: false,
      lastTrackId: 0,
      frameAgeMs: null,
      frames: { decoded: 0, discarded: 0, lost: 0 },
      analysedPerSecond: [],
      lastFaceAtMs: this.#options.nowMs(),
      thumbnail: null,
      source: null,
      scores: [],
      firingAlerts: 0,
    };
  }
}

/** Only a live stream has a verdict of its faces; any other state is a reason of its own. */
function unscoredReason(life: StreamLife): UnscoredReason | null {
  switch (life.kind) {
    case "live":
      return null;
    case "stalled":
      return life.reason.code === "publisher-stalled" || life.reason.code === "no-video" ? "no-video" : "decoder-recovering";
    case "starting":
      return "no-video";
    case "failed":
      return life.session === null && life.reason.code !== "no-video" ? "offline" : "no-video";
    case "waiting":
    case "reconnecting":
      return "offline";
  }
}

function sum(counts: Readonly<Record<string, number | undefined>>): number {
  return Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);
}
