/** A daemon's state for tests of the HTTP interface: fixed values that match the protocol's schemas. */
import { TruecastError } from "../../../pipelines/errors.ts";
import type { AlertEvent, Evidence, FaceAlert, ModelCard, ReceiverStatus, ScorePoint, Source, Stream, SystemStatus } from "../../protocol.ts";
import type { HttpSource } from "../source.ts";

export const MODEL: ModelCard = {
  name: "edge",
  kind: "cnn-lstm",
  trained: false,
  sha256: "ab".repeat(32),
  description: "Small CNN and LSTM.",
  licence: "Apache-2.0",
  training: "Not trained.",
  accuracy: null,
  inputSizePx: 112,
  window: 100,
  hop: 10,
  bands: { uncertain: 0.4, suspicious: 0.6, manipulated: 0.8, hysteresis: 0.05 },
  provider: "cpu",
};

export const SYSTEM: SystemStatus = {
  version: "0.1.0",
  startedAt: 1_700_000_000_000,
  rtmpUrl: "rtmp://127.0.0.1:1935/live",
  rtmpsUrl: "rtmps://127.0.0.1:1936/live",
  whipUrl: "http://127.0.0.1:8481/whip",
  components: { ingest: { state: "ready", restarts: 0, message: null }, inference: { state: "starting", restarts: 1, message: "loading edge" } },
  samplingFps: 10,
  capacity: { streams: 2, maxStreams: 8 },
};

export const ALERT: FaceAlert = {
  id: "3f0c7f0e-5d5c-4f0e-9c51-9a2f1c1b7a10",
  stream: "studio-a",
  track: 1,
  tracks: [1],
  rule: "manipulated-face",
  state: "firing",
  resolution: null,
  pendingAt: 1_700_000_010_000,
  firingAt: 1_700_000_013_000,
  resolvedAt: null,
  score: 0.91,
  peakScore: 0.97,
  threshold: 0.8,
  model: { name: "scripted", sha256: "cd".repeat(32), scripted: true },
};

export const EVENT: AlertEvent = { seq: 1, id: "7b1f2c1e-0c5b-4d0f-8a1e-2f6d3c4b5a60", kind: "new", at: 1_700_000_013_000, alert: ALERT };

export const POINT: ScorePoint = { at: 1_700_000_010_000, ptsMs: 10_000, track: 1, frames: 100, score: 0.91, coverage: 0.98 };

export const SOURCE: Source = {
  kind: "rtsp",
  address: "rtsp://camera.example/…",
  loop: false,
  origin: "api",
  state: "backing-off",
  reason: { code: "unreachable", message: "camera.example:554 cannot be reached (ECONNREFUSED)." },
  attempts: 3,
  nextTryAt: 1_700_000_020_000,
};

export const EVIDENCE: Evidence = {
  alert: ALERT.id,
  state: "complete",
  problems: [],
  held: false,
  bytes: 20,
  sealedAt: 1_700_000_030_000,
  removal: null,
  clips: [{ name: "clip.mp4", codec: "h264", zeroPtsMs: 1_000, firstPtsMs: 1_067, lastPtsMs: 31_000 }],
  files: [{ name: "clip.mp4", kind: "clip", mediaType: "video/mp4", description: "The clip.", bytes: 20, sha256: "ab".repeat(32), removed: false }],
};

export const RECEIVER: ReceiverStatus = {
  name: "desk",
  type: "webhook",
  address: "https://desk.example",
  state: "disabled",
  reason: "desk.example answered 410",
  backlog: 3,
  oldestAt: 1_700_000_013_000,
  lastSuccessAt: 1_700_000_012_000,
  lastFailure: { at: 1_700_000_014_000, message: "desk.example answered 410" },
  nextTryAt: null,
};

export function stream(name: string, changes: Partial<Stream> = {}): Stream {
  return {
    name,
    state: "live",
    stateReason: null,
    stateSince: 1_700_000_001_000,
    publisher: { protocol: "rtmp", videoCodec: "h264", widthPx: 1280, heightPx: 720, connectedAt: 1_700_000_001_000, bitrateKbps: 2500 },
    source: null,
    verdict: { kind: "unscored", reason: "untrained-model", score: 0.42 },
    tracks: [
      {
        id: 1,
        box: { x: 0.25, y: 0.2, width: 0.2, height: 0.35 },
        verdict: { kind: "manipulated", score: 0.91, frames: 100, coverage: 0.98 },
        firstSeenAt: 1_700_000_002_000,
        lastSeenAt: 1_700_000_010_000,
      },
    ],
    analysedFps: 10,
    samplingFps: 10,
    frameAgeMs: 120,
    frames: { decoded: 100, discarded: 1, lost: 0 },
    facelessSeconds: 0,
    thumbnailPtsMs: 9_900,
    firingAlerts: 1,
    ...changes,
  };
}

export function fakeSource(changes: Partial<HttpSource> = {}): HttpSource {
  const streams = [stream("studio-a"), stream("studio-b", { state: "waiting", publisher: null, tracks: [], frameAgeMs: null, thumbnailPtsMs: null, firingAlerts: 0 })];
  return {
    system: () => SYSTEM,
    model: () => MODEL,
    streams: () => streams,
    stream: (name) => {
      const found = streams.find((candidate) => candidate.name === name);
      return found === undefined ? null : { stream: found, scores: [POINT] };
    },
    source: (name) => (name === "studio-a" ? SOURCE : null),
    putSource: (name) => ({ created: name !== "studio-a", source: SOURCE }),
    removeSource: (name) => name === "studio-a",
    publishAccess: (name) => (name === "studio-a" ? { stream: name, key: "studio-a-key-1", rtmpUrl: SYSTEM.rtmpUrl, rtmpsUrl: null, whipUrl: `${SYSTEM.whipUrl}/${name}` } : null),
    thumbnail: (name) => (name === "studio-a" ? { jpeg: Buffer.from("ffd8ffd9", "hex"), ptsMs: 9_900 } : null),
    alerts: ({ cursor }, visible) => {
      if (cursor !== undefined && cursor !== "second") throw new TruecastError("request-invalid", `query parameter "cursor" is "${cursor}": must be a nextCursor given out before`);
      return { alerts: visible === null || visible.includes(ALERT.stream) ? [ALERT] : [], nextCursor: cursor === undefined ? "second" : null };
    },
    alert: (id) => (id === ALERT.id ? ALERT : null),
    snapshotAlerts: (visible) => (visible === null || visible.includes(ALERT.stream) ? [ALERT] : []),
    evidence: (id) => (id === ALERT.id ? EVIDENCE : null),
    evidenceFile: () => null,
    holdEvidence: () => Promise.resolve(),
    removeEvidence: () => Promise.resolve(),
    removeStreamEvidence: () => Promise.resolve({ removed: [ALERT.id], kept: [] }),
    events: ({ after }, visible) => ({ events: after === 0 && (visible === null || visible.includes(EVENT.alert.stream)) ? [EVENT] : [], gap: after > 1, oldest: 1, newest: 1 }),
    newestEvent: () => 1,
    receivers: () => [RECEIVER],
    testReceiver: (name) => (name === RECEIVER.name ? Promise.resolve({ id: EVENT.id, delivered: false, message: "desk.example answered 500" }) : null),
    enableReceiver: (name) => (name === RECEIVER.name ? { ...RECEIVER, state: "ready", reason: null } : null),
    metrics: () => Promise.resolve({ contentType: "text/plain; version=0.0.4; charset=utf-8", body: "# HELP truecast_up Whether it runs.\n# TYPE truecast_up gauge\ntruecast_up 1\n" }),
    readiness: () => ({ ready: true, reasons: [] }),
    ...changes,
  };
}
