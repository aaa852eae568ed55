/** What a folder of evidence holds: its files with their hashes, how clip and media clock relate, and what is missing and why. */
import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { EVIDENCE_KINDS, oneOf } from "./log-record.ts";

export const MANIFEST_FILE = "manifest.json";
/** The log's lines of this incident, so that the folder can be verified on its own. */
export const RECORDS_FILE = "records.jsonl";
export const FORMAT = "truecast-evidence-1";

/** Why evidence is less than it should be. Labels of truecast_evidence_problems_total; docs/evidence.md has each. */
export const EVIDENCE_PROBLEMS = {
  "disk-full": "The disk was full, or less was free than evidence.minFreeBytes.",
  "disk-failed": "Writing failed for another reason than a full disk.",
  "disk-slow": "The disk did not keep up with the stream.",
  "no-video": "No packet of the stream was at hand.",
  "clip-broken": "The stream's format changed too often to go on recording.",
  "clip-failed": "ffmpeg could not put the packets into a file that players take.",
  "no-crops": "No face crop of the horizon was at hand.",
  "pictures-failed": "The contact sheet could not be drawn.",
  "heat-map-failed": "The heat map could not be computed.",
  "heat-map-skipped": "Too many incidents waited to be finished for a heat map of each.",
  "analysis-lost": "The process that held the stream ended; what it had recorded is kept.",
  "daemon-restarted": "Truecast ended during the incident; what it had recorded is kept.",
  "fired-again": "The alert fired again after its recording had ended; what followed is not in it.",
  "scores-cut": "The score line is longer than is kept; its middle is left out.",
} as const;
export type EvidenceProblem = keyof typeof EVIDENCE_PROBLEMS;

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** Names are file names, never paths. */
export const EVIDENCE_FILE_PATTERN = "^[a-z0-9][a-z0-9-]{0,62}\\.[a-z0-9]{1,8}$";

export const EvidenceFile = Type.Object({
  name: Type.String({ pattern: EVIDENCE_FILE_PATTERN }),
  kind: oneOf(EVIDENCE_KINDS, { description: "How long it is kept: see evidence.cropsDays, evidence.clipsDays, evidence.verdictsDays." }),
  mediaType: Type.String(),
  description: Type.String(),
  bytes: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});
export type EvidenceFile = Static<typeof EvidenceFile>;

/** A moment at `s` seconds of the clip, as players count, has the media clock `zeroPtsMs + 1000 * s`. */
export const EvidenceClip = Type.Object({
  name: Type.String({ pattern: EVIDENCE_FILE_PATTERN }),
  codec: Type.String(),
  zeroPtsMs: Type.Number({ description: "Media clock at second 0 of the clip; that of its second s is zeroPtsMs + 1000 * s, as in the score line's ptsMs." }),
  firstPtsMs: Type.Number({ description: "Media clock of its first picture." }),
  lastPtsMs: Nullable(Type.Number({ description: "Media clock of its last picture; null when the recording was cut off." })),
});
export type EvidenceClip = Static<typeof EvidenceClip>;

export const Manifest = Type.Object({
  format: Type.Literal(FORMAT),
  incident: Type.String(),
  stream: Type.String(),
  complete: Type.Boolean(),
  problems: Type.Array(oneOf(Object.keys(EVIDENCE_PROBLEMS) as EvidenceProblem[])),
  firedAt: Type.Integer(),
  endedAt: Type.Integer(),
  sealedAt: Type.Integer(),
  version: Type.String(),
  clips: Type.Array(EvidenceClip),
  files: Type.Array(EvidenceFile),
});
export type Manifest = Static<typeof Manifest>;

/** Null for what is no manifest of this format. */
export function parseManifest(text: string): Manifest | null {
  try {
    const value: unknown = JSON.parse(text);
    return Value.Check(Manifest, value) ? value : null;
  } catch {
    return null;
  }
}
