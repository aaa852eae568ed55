/** What people are told of an alert, in plain words and plain text; each channel escapes it for itself. */
import type { Alert, AlertEvent, AlertEventKind, AlertResolution, BlindSpotAlert } from "../protocol.ts";

export interface AlertWords {
  /** One line. */
  readonly summary: string;
  /** Name and value, in the order in which they are shown. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** What it does not prove. */
  readonly limits: string;
}

const ENDINGS: Readonly<Record<AlertResolution, string>> = {
  "score-fell": "the score fell",
  "track-ended": "the face left the picture",
  "stream-ended": "the stream ended",
  "analysis-restarted": "the analysis was restarted and did not know the face again",
  "daemon-restarted": "Truecast was restarted",
  cleared: "what it told of is over",
};

const BLIND_SPOTS: Readonly<Record<BlindSpotAlert["rule"], { readonly summary: (stream: string) => string; readonly value: (measured: number) => string }>> = {
  "no-usable-face": { summary: (stream) => `No face that can be judged on ${stream}`, value: (seconds) => `${Math.round(seconds)} s` },
  "low-coverage": { summary: (stream) => `Too little of the faces on ${stream} can be judged`, value: (share) => `${Math.round(share * 100)}% of windows` },
  "decoder-restarts": { summary: (stream) => `The decoder of ${stream} ends again and again`, value: (restarts) => `${restarts} restarts` },
};

export function describeAlert(alert: Alert): AlertWords {
  const since = ["Since", time(alert.firingAt ?? alert.pendingAt)] as const;
  const over = alert.resolvedAt === null ? [] : [["Ended", `${time(alert.resolvedAt)}, because ${ENDINGS[alert.resolution ?? "cleared"]}`] as const];
  if (alert.rule !== "manipulated-face") {
    const { summary, value } = BLIND_SPOTS[alert.rule];
    return {
      summary: summary(alert.stream),
      facts: [["Stream", alert.stream], ["Measured", `${value(alert.measured)}, limit ${value(alert.limit)}`], since, ...over],
      limits: "This says nothing about any face: it says that Truecast cannot judge this stream as it should.",
    };
  }
  const scripted = alert.model.scripted ? " The score came from a script and not from a detector: nothing was detected." : "";
  return {
    summary: `A face on ${alert.stream} looks manipulated`,
    facts: [
      ["Stream", alert.stream],
      ["Face", alert.tracks.map((track) => `#${track}`).join(", ")],
      ["Score", `${score(alert.score)}, highest ${score(alert.peakScore)}`],
      ["Threshold", score(alert.threshold)],
      since,
      ...over,
      ["Model", `${alert.model.name} ${alert.model.sha256.slice(0, 12)}`],
    ],
    limits: `A score is a model's estimate and proves nothing: filters, make-up and poor video raise it too, and not every manipulation does. Look at the stream before you act.${scripted}`,
  };
}

function score(value: number): string {
  return value.toFixed(2);
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

export const TEST_MESSAGE = "A test from Truecast. Nothing was detected.";

const TITLES: Readonly<Record<AlertEventKind, string>> = { new: "New alert", update: "Alert changed", end: "Alert over" };

/** An event's title with what is said of its alert. */
export function describeEvent({ kind, alert }: Pick<AlertEvent, "kind" | "alert">): AlertWords & { readonly title: string } {
  const words = describeAlert(alert);
  return { ...words, title: `${TITLES[kind]}: ${words.summary}` };
}
