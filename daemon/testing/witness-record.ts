/** What a well-behaved stream went through, told from the messages of the WebSocket. Pure: time comes in with each call. */
import type { ServerMessage } from "../protocol.ts";

export interface WitnessRecord {
  readonly state: string;
  /** Ends of the stream, restarts of processes. */
  readonly wrongs: readonly string[];
  readonly decodedFrames: number;
  /**
   * The most that went missing, from ten decoded frames a second, between one stretch of ten seconds and the next. What comes late
   * within a stretch is not lost.
   */
  readonly mostLostSeconds: number;
  /** The most frames that the daemon itself called lost within such a stretch. */
  readonly mostLostFrames: number;
  /** The longest time without a newly analysed picture. */
  readonly longestStandstillSeconds: number;
  take(message: ServerMessage, nowMs: number): void;
  /** Losses and standstills count from here on. */
  reset(): void;
}

const FRAMES_PER_SECOND = 10;
const STRETCH_MS = 10_000;

interface Stretch {
  readonly fromMs: number;
  /** Frames behind their time, at the best moment. */
  fewestMissing: number;
  readonly lostAtStart: number;
}

export function createWitnessRecord(name: string): WitnessRecord {
  const wrongs: string[] = [];
  const restarts = new Map<string, number>();
  let state = "unknown";
  let decodedFrames = 0;
  let mostLostSeconds = 0;
  let mostLostFrames = 0;
  let longestStandstillSeconds = 0;
  let picture: { readonly ptsMs: number; readonly atMs: number } | null = null;
  let startedMs: number | null = null;
  let stretch: Stretch | null = null;
  let missingBefore: number | null = null;

  const count = ({ decoded, lost }: { readonly decoded: number; readonly lost: number }, nowMs: number): void => {
    decodedFrames = decoded;
    startedMs ??= nowMs;
    const missing = ((nowMs - startedMs) / 1_000) * FRAMES_PER_SECOND - decoded;
    stretch ??= { fromMs: nowMs, fewestMissing: missing, lostAtStart: lost };
    if (nowMs - stretch.fromMs >= STRETCH_MS) {
      if (missingBefore !== null) mostLostSeconds = Math.max(mostLostSeconds, (stretch.fewestMissing - missingBefore) / FRAMES_PER_SECOND);
      missingBefore = stretch.fewestMissing;
      stretch = { fromMs: nowMs, fewestMissing: missing, lostAtStart: lost };
    }
    stretch.fewestMissing = Math.min(stretch.fewestMissing, missing);
    mostLostFrames = Math.max(mostLostFrames, lost - stretch.lostAtStart);
  };

  return {
    get state() {
      return state;
    },
    wrongs,
    get decodedFrames() {
      return decodedFrames;
    },
    get mostLostSeconds() {
      return mostLostSeconds;
    },
    get mostLostFrames() {
      return mostLostFrames;
    },
    get longestStandstillSeconds() {
      return longestStandstillSeconds;
    },
    reset() {
      stretch = null;
      missingBefore = null;
      mostLostSeconds = 0;
      mostLostFrames = 0;
      longestStandstillSeconds = 0;
      picture = null;
    },
    take(message, nowMs) {
      const systems = message.type === "snapshot" || message.type === "system" ? [message.system] : [];
      for (const { components } of systems) {
        for (const [component, { restarts: now, message: why }] of Object.entries(components)) {
          if (now > (restarts.get(component) ?? 0)) wrongs.push(`${component} ended and was restarted (${why ?? "no word why"})`);
          restarts.set(component, now);
        }
      }
      const streams = message.type === "snapshot" ? message.streams : message.type === "stream" ? [message.stream] : [];
      const stream = streams.find((each) => each.name === name);
      if (stream === undefined) return;
      if (state === "live" && stream.state !== "live") wrongs.push(`the witness is ${stream.state} (${stream.stateReason?.message ?? "no reason"})`);
      state = stream.state;
      if (state !== "live") return;
      count(stream.frames, nowMs);
      if (picture !== null && stream.thumbnailPtsMs !== picture.ptsMs) longestStandstillSeconds = Math.max(longestStandstillSeconds, (nowMs - picture.atMs) / 1_000);
      if (stream.thumbnailPtsMs !== null && stream.thumbnailPtsMs !== picture?.ptsMs) picture = { ptsMs: stream.thumbnailPtsMs, atMs: nowMs };
    },
  };
}
