/** Daemons, streams and alerts for tests of the dashboard, typed by the protocol; the pictures are photographs that face-api ships. */
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import type { FaceAlert, ModelCard, ScorePoint, Stream, SystemStatus, Track, Verdict } from "../../daemon/protocol.ts";
import type { Snapshot } from "./scripted-daemon.ts";

const SHA256 = "9f2c61d0b7a84e53c9d1f06a7b3e5d824416c0ffb1a97e35d28460cc9e7b1a52";

export function system(changes: Partial<SystemStatus> = {}): SystemStatus {
  return {
    version: "0.1.0",
    startedAt: Date.now() - 5_400_000,
    rtmpUrl: "rtmp://127.0.0.1:1935/live",
    rtmpsUrl: null,
    whipUrl: "http://127.0.0.1:8481/whip",
    components: { ingest: ready(), "analysis-1": ready(), inference: ready(), store: ready() },
    samplingFps: 10,
    capacity: { streams: 6, maxStreams: 8 },
    ...changes,
  };
}

function ready(): SystemStatus["components"][string] {
  return { state: "ready", restarts: 0, message: null };
}

export function modelCard(changes: Partial<ModelCard> = {}): ModelCard {
  return {
    name: "edge",
    kind: "cnn-lstm",
    trained: true,
    sha256: SHA256,
    description: "A narrow ResNeXt with an LSTM over 100 frames.",
    licence: "Apache-2.0",
    training: "Self-blended images and live swaps.",
    accuracy: { "100": 0.91 },
    inputSizePx: 112,
    window: 100,
    hop: 10,
    bands: { uncertain: 0.35, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 },
    provider: "cpu",
    ...changes,
  };
}

export function scored(score: number, frames: 40 | 60 | 80 | 100 = 100): Verdict {
  const { bands } = modelCard();
  const kind = score >= bands.manipulated ? "manipulated" : score >= bands.suspicious ? "suspicious" : score >= bands.uncertain ? "uncertain" : "authentic";
  return { kind, score, frames, coverage: 0.98 };
}

export function unscored(reason: string, score: number | null = null): Verdict {
  return { kind: "unscored", reason, score };
}

/** A part of a photograph with its faces, in pixels of the photograph (1,920 wide). */
interface Shot {
  readonly sample: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly faces: readonly (readonly [x: number, y: number, width: number, height: number])[];
}

const SHOTS = {
  anchor: { sample: 5, left: 544, top: 20, width: 640, faces: [[786, 109, 156, 211]] },
  guests: { sample: 6, left: 1060, top: 200, width: 780, faces: [[1180, 308, 187, 278], [1487, 262, 210, 298]] },
  panel: { sample: 3, left: 330, top: 120, width: 1500, faces: [[585, 329, 200, 271], [1074, 215, 221, 298], [1514, 289, 170, 284]] },
  stage: { sample: 1, left: 180, top: 140, width: 1700, faces: [[414, 354, 178, 240], [837, 420, 189, 227], [1476, 198, 203, 240]] },
  crowd: { sample: 4, left: 0, top: 0, width: 1900, faces: [[257, 185, 161, 246], [664, 50, 186, 262], [988, 179, 170, 227], [1277, 138, 146, 250]] },
} as const satisfies Record<string, Shot>;

export type ShotName = keyof typeof SHOTS;

export async function photograph(name: ShotName, widthPx = 640): Promise<Buffer> {
  const shot: Shot = SHOTS[name];
  const file = fileURLToPath(import.meta.resolve(`../../node_modules/@vladmandic/face-api/demo/sample${shot.sample}.jpg`));
  const region = { left: shot.left, top: shot.top, width: shot.width, height: Math.floor((shot.width * 9) / 16) };
  return sharp(file).extract(region).resize(widthPx).jpeg({ quality: 82 }).toBuffer();
}

/** The tracks of a shot with the given verdicts, in order of its faces. */
export function tracksOf(name: ShotName, verdicts: readonly Verdict[], firstId = 1): Track[] {
  const shot: Shot = SHOTS[name];
  const height = (shot.width * 9) / 16;
  const nowMs = Date.now();
  return verdicts.map((verdict, index) => {
    const [x, y, faceWidth, faceHeight] = shot.faces[index] ?? [0, 0, 0, 0];
    return {
      id: firstId + index,
      box: { x: (x - shot.left) / shot.width, y: (y - shot.top) / height, width: faceWidth / shot.width, height: faceHeight / height },
      verdict,
      firstSeenAt: nowMs - 214_000 - index * 31_000,
      lastSeenAt: nowMs,
    };
  });
}

export function liveStream(name: string, changes: Partial<Stream> = {}): Stream {
  const nowMs = Date.now();
  return {
    name,
    state: "live",
    stateReason: null,
    stateSince: nowMs - 1_930_000,
    publisher: { protocol: "rtmp", videoCodec: "H.264", widthPx: 1280, heightPx: 720, connectedAt: nowMs - 1_932_000, bitrateKbps: 2840 },
    source: null,
    verdict: unscored("no-face"),
    tracks: [],
    analysedFps: 10,
    samplingFps: 10,
    frameAgeMs: 138,
    frames: { decoded: 19_312, discarded: 0, lost: 0 },
    facelessSeconds: 0,
    thumbnailPtsMs: 1_930_000,
    firingAlerts: 0,
    ...changes,
  };
}

export function idleStream(name: string, changes: Partial<Stream> = {}): Stream {
  return liveStream(name, {
    state: "waiting",
    stateSince: Date.now() - 95_000,
    publisher: null,
    verdict: unscored("offline"),
    analysedFps: 0,
    frameAgeMs: null,
    frames: { decoded: 0, discarded: 0, lost: 0 },
    thumbnailPtsMs: null,
    ...changes,
  });
}

export function alert(stream: string, changes: Partial<FaceAlert> = {}): FaceAlert {
  const nowMs = Date.now();
  return {
    id: randomUUID(),
    stream,
    track: 1,
    tracks: [1],
    rule: "manipulated-face",
    state: "firing",
    resolution: null,
    pendingAt: nowMs - 47_000,
    firingAt: nowMs - 42_000,
    resolvedAt: null,
    score: 0.93,
    peakScore: 0.96,
    threshold: 0.8,
    model: { name: "edge", sha256: SHA256, scripted: false },
    ...changes,
  };
}

export interface ScoreLine {
  readonly track: number;
  readonly seconds: number;
  /** Score by the share of the line that has passed, 0..1. */
  readonly shape: (share: number) => number;
  /** Seconds before now at which the line ends. */
  readonly endedAgoSeconds?: number;
}

/** One score a second; the first three provisional, as a new track's are. */
export function scoreLine({ track, seconds, shape, endedAgoSeconds = 0 }: ScoreLine): ScorePoint[] {
  const endAt = Date.now() - endedAgoSeconds * 1000;
  return Array.from({ length: seconds }, (_, index) => {
    const wobble = 0.035 * Math.sin(index * 1.7 + track) + 0.02 * Math.sin(index * 0.61);
    const score = Math.min(0.995, Math.max(0.005, shape(index / seconds) + wobble));
    return { at: endAt - (seconds - index) * 1000, ptsMs: (index + 1) * 1000, track, frames: [40, 60, 80][index] ?? 100, score, coverage: 0.98 };
  });
}

export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return { run: randomUUID(), eventSeq: 0, system: system(), model: modelCard(), streams: [], alerts: [], ...changes };
}
