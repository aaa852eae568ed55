/** What the HTTP interface asks about evidence: the evidence itself and, where an incident is to be erased, its alert in the store. */
import { TruecastError } from "../pipelines/errors.ts";
import type { EvidenceKeeper } from "./evidence/evidence.ts";
import type { HttpSource } from "./http/source.ts";
import type { Store } from "./store/store.ts";

export interface EvidencePagesOptions {
  /** Null: evidence is switched off. */
  readonly evidence: EvidenceKeeper | null;
  readonly store: Pick<Store, "alert" | "eraseAlerts" | "eraseStream">;
}

export function createEvidencePages({ evidence, store }: EvidencePagesOptions): Pick<HttpSource, "evidence" | "evidenceFile" | "holdEvidence" | "removeEvidence" | "removeStreamEvidence"> {
  const keeper = (): EvidenceKeeper => {
    if (evidence === null) throw new TruecastError("not-found", "Evidence is switched off (evidence.enabled).");
    return evidence;
  };
  return {
    evidence: (alert) => evidence?.evidenceOf(alert) ?? null,
    evidenceFile: (alert, name) => evidence?.fileOf(alert, name) ?? null,
    holdEvidence: (alert, held) => keeper().hold(alert, held),
    async removeEvidence(alert, { withAlert }) {
      const row = withAlert ? store.alert(alert) : null;
      if (row !== null && row.state !== "resolved") throw new TruecastError("conflict", `Alert ${alert} is still open.`);
      const state = evidence?.evidenceOf(alert)?.state ?? "deleted";
      const hasEvidence = state !== "deleted";
      if (!hasEvidence && row === null) throw new TruecastError("not-found", `There is nothing to delete of an alert ${JSON.stringify(alert)}.`);
      if (hasEvidence) await keeper().remove(alert);
      if (withAlert) store.eraseAlerts([alert]);
    },
    async removeStreamEvidence(stream, { withAlerts }) {
      const removal = (await evidence?.removeStream(stream)) ?? { removed: [], kept: [] };
      if (withAlerts) store.eraseStream(stream, removal.kept);
      return { removed: [...removal.removed], kept: [...removal.kept] };
    },
  };
}
