/** Evidence as the API shows it. Pure. */
import type { Evidence } from "../protocol.ts";
import type { SealedIncident } from "./archive.ts";
import type { LiveIncident } from "./live-incidents.ts";
import type { RemovalCause } from "./log-record.ts";
import { EVIDENCE_PROBLEMS, type EvidenceProblem } from "./manifest.ts";

const nothing = { held: false, bytes: 0, sealedAt: null, removal: null, clips: [], files: [] };

export function liveEvidence({ alert, phase, problems }: LiveIncident): Evidence {
  const state = phase.kind === "recording" || phase.kind === "ending" ? "recording" : phase.kind === "stuck" ? "incomplete" : "finishing";
  return { ...nothing, alert: alert.id, state, problems: explained(problems) };
}

/** Null when there is neither. */
export function evidenceOf(alert: string, sealed: SealedIncident | null, removal: { readonly at: number; readonly cause: RemovalCause } | null): Evidence | null {
  if (sealed === null) return removal === null ? null : { ...nothing, alert, state: "deleted", problems: [], removal: { at: removal.at, cause: removal.cause } };
  const { manifest, held, removed } = sealed;
  const files = manifest.files.map((file) => ({ ...file, removed: removed.has(file.name) }));
  return {
    alert,
    state: manifest.complete ? "complete" : "incomplete",
    problems: explained(manifest.problems),
    held,
    bytes: files.reduce((sum, file) => sum + (file.removed ? 0 : file.bytes), 0),
    sealedAt: manifest.sealedAt,
    removal: null,
    clips: [...manifest.clips],
    files,
  };
}

function explained(problems: Iterable<EvidenceProblem>): Evidence["problems"] {
  return [...problems].map((code) => ({ code, message: EVIDENCE_PROBLEMS[code] }));
}
