/** What the page calls verdicts, states, reasons and resolutions. */
import type { Alert, AlertState, BlindSpotAlert, BlindSpotRule, PublisherProtocol, Source, StreamState, Verdict } from "../../daemon/protocol.ts";
import { formatDuration, formatPercent, plural } from "./format.ts";

export type VerdictKind = Verdict["kind"];

export const VERDICT_LABELS: Readonly<Record<VerdictKind, string>> = {
  authentic: "Authentic",
  uncertain: "Uncertain",
  suspicious: "Suspicious",
  manipulated: "Manipulated",
  unscored: "Unscored",
};

/** One sentence for every reason of the pipeline; the protocol carries the reason as text, so that new ones may come. */
const UNSCORED_SENTENCES: Readonly<Record<string, string>> = {
  "no-face": "No face in the picture.",
  "face-too-small": "The face is too small to score.",
  "face-too-blurred": "The face is too blurred to score.",
  "face-cut-off": "The face is cut off by the edge of the picture.",
  "too-few-frames": "Collecting frames for a first score.",
  "low-coverage": "The face was missing from too many frames.",
  "untrained-model": "The model is untrained: its score means nothing.",
  "inference-unavailable": "Inference is down. Scores return when it is back.",
  "decoder-recovering": "The decoder is recovering.",
  "no-video": "The publisher sends no video.",
  offline: "No publisher is connected.",
  "analysis-stalled": "Analysis has stalled. Scores return when it goes on.",
  "sampling-reduced": "Too few frames are sampled under load for a verdict.",
};

export function sentenceOfReason(reason: string): string {
  return UNSCORED_SENTENCES[reason] ?? `No verdict (${reason}).`;
}

export const STATE_LABELS: Readonly<Record<StreamState, string>> = {
  waiting: "Waiting",
  starting: "Starting",
  live: "Live",
  stalled: "Stalled",
  reconnecting: "Reconnecting",
  failed: "Failed",
};

/** What is going on, for states in which there is no live picture to speak for itself. */
export const STATE_SENTENCES: Readonly<Record<StreamState, string>> = {
  waiting: "No publisher is connected.",
  starting: "A publisher is connected. The first frame is on its way.",
  live: "Frames arrive.",
  stalled: "No frames arrive. Recovery is under way.",
  reconnecting: "The publisher is gone. Its faces are kept for a moment.",
  failed: "The stream cannot go on without a change.",
};

export const PROTOCOL_LABELS: Readonly<Record<PublisherProtocol, string>> = {
  rtsp: "RTSP",
  srt: "SRT",
  hls: "HLS",
  dash: "DASH",
  "http-flv": "HTTP-FLV",
  "http-ts": "HTTP-TS",
  rtmp: "RTMP",
  rtmps: "RTMPS",
  "udp-ts": "UDP",
  file: "File",
  whip: "WebRTC",
};

export const SOURCE_STATE_LABELS: Readonly<Record<Source["state"], string>> = {
  connecting: "connecting",
  connected: "connected",
  "backing-off": "waiting to try again",
  ended: "played to its end",
  down: "the process that pulls is down",
};

export const ALERT_STATE_LABELS: Readonly<Record<AlertState, string>> = { pending: "Pending", firing: "Firing", resolved: "Resolved" };

export const RESOLUTION_SENTENCES: Readonly<Record<NonNullable<Alert["resolution"]>, string>> = {
  "score-fell": "The score fell",
  "track-ended": "The face left the picture",
  "stream-ended": "The stream ended",
  "analysis-restarted": "The analysis process was restarted",
  "daemon-restarted": "The daemon was restarted",
  cleared: "It is over",
};

const BLIND_SPOT_LABELS: Readonly<Record<BlindSpotRule, string>> = {
  "no-usable-face": "no usable face",
  "low-coverage": "low coverage",
  "decoder-restarts": "decoder restarts",
};

/** What an alert is about, beside the name of its stream. */
export function subjectOfAlert(alert: Alert): string {
  if (alert.rule !== "manipulated-face") return BLIND_SPOT_LABELS[alert.rule];
  return alert.tracks.length === 1 ? `face #${alert.track}` : `face #${alert.track}, now #${alert.tracks.at(-1)}`;
}

export function sentenceOfBlindSpot({ rule, measured, limit }: BlindSpotAlert): string {
  switch (rule) {
    case "no-usable-face":
      return `No face that can be judged for ${formatDuration(measured * 1000)}`;
    case "low-coverage":
      return `${formatPercent(measured)} of the windows hold too little to be judged; ${formatPercent(limit)} are allowed`;
    case "decoder-restarts":
      return `The decoder was restarted ${plural(measured, "time")} in a short time`;
  }
}

/** Said aloud when it fires. */
export function sentenceOfAlert(alert: Alert): string {
  if (alert.rule !== "manipulated-face") return `Alert firing: stream ${alert.stream}, ${BLIND_SPOT_LABELS[alert.rule]}.`;
  return `Alert firing: stream ${alert.stream}, face ${alert.track}, score ${formatPercent(alert.score)}.`;
}
