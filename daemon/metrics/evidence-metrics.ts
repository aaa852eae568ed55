/** The metrics of evidence; every label comes from one of its tables. */
import type { EvidenceEvent, EvidenceKeeper } from "../evidence/evidence.ts";
import { REMOVAL_CAUSES } from "../evidence/log-record.ts";
import { EVIDENCE_PROBLEMS } from "../evidence/manifest.ts";
import type { Instruments } from "./definitions.ts";

export type EvidenceStats = ReturnType<EvidenceKeeper["stats"]>;

export interface EvidenceMetrics {
  evidence(stats: EvidenceStats): void;
  evidenceEvent(event: EvidenceEvent): void;
}

export function createEvidenceMetrics(instruments: Instruments): EvidenceMetrics {
  for (const outcome of ["complete", "incomplete"]) instruments.evidenceSealed.inc({ outcome }, 0);
  for (const problem of Object.keys(EVIDENCE_PROBLEMS)) instruments.evidenceProblems.inc({ problem }, 0);
  for (const cause of REMOVAL_CAUSES) instruments.evidenceRemoved.inc({ cause }, 0);
  return {
    evidence({ bytes, ...states }) {
      instruments.evidenceBytes.set(bytes);
      for (const [state, count] of Object.entries(states)) instruments.evidenceIncidents.set({ state }, count);
    },
    evidenceEvent(event) {
      switch (event.kind) {
        case "sealed":
          instruments.evidenceSealed.inc({ outcome: event.complete ? "complete" : "incomplete" });
          return;
        case "problem":
          instruments.evidenceProblems.inc({ problem: event.problem });
          return;
        case "skipped":
          instruments.evidenceSkipped.inc();
          return;
        case "removed":
          instruments.evidenceRemoved.inc({ cause: event.cause });
      }
    },
  };
}
