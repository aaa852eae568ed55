/** What the HTTP interface asks about evidence: the evidence itself and, where an incident is to be erased, its alert in the store. */
import { TruecastError } from "../pipelines/errors.ts";
import type { EvidenceKeeper } from "./evidence/evidence.ts";
import type { HttpSource } from "./http/source.ts";
import type { AccessControl } from "./access-control.ts";
import type { Store } from "./store/store.ts";

export interface EvidencePagesOptions {
  /** Null: evidence is switched off. */
  readonly evidence: EvidenceKeeper | null;
  readonly store: Pick<Store, "alert" | "eraseAlerts" | "eraseStream">;
  /** A deletion is recorded before it is tried: what cannot be recorded is not done. */
  readonly audit: AccessControl["audit"];
}

export function createEvidencePages({ evidence, store, audit }: EvidencePagesOptions): Pick<HttpSource, "evidence" | "evidenceFile" | "holdEvidence" | "removeEvidence" | "removeStreamEvidence"> {
  const keeper = (): EvidenceKeeper => {
    if (evidence === null) throw new TruecastError("not-found", "Evidence is switched off (evidence.enabled).");
    return evidence;
  };
  return {
    evidence: (alert) => evidence?.evidenceOf(alert) ?? null,
    evidenceFile: (alert, name) => evidence?.fileOf(alert, name) ?? null,
    async holdEvidence(alert, held, author) {
      await keeper().hold(alert, held);
      audit.append(author, { action: held ? "evidence.held" : "evidence.released", object: `alert:${alert}` });
    },
    async removeEvidence(alert, { withAlert }, author) {
      const row = withAlert ? store.alert(alert) : null;
      if (row !== null && row.state !== "resolved") throw new TruecastError("conflict", `Alert ${alert} is still open.`);
      const state = evidence?.evidenceOf(alert)?.state ?? "deleted";
      const hasEvidence = state !== "deleted";
      if (!hasEvidence && row === null) throw new TruecastError("not-found", `There is nothing to delete of an alert ${JSON.stringify(alert)}.`);
      audit.append(author, { action: "evidence.delete-requested", object: `alert:${alert}`, detail: { withAlert } });
      if (hasEvidence) await keeper().remove(alert);
      if (withAlert) store.eraseAlerts([alert]);
    },
    async removeStreamEvidence(stream, { withAlerts }, author) {
      audit.append(author, { action: "evidence.delete-requested", object: `stream:${stream}`, detail: { withAlerts } });
      const removal = (await evidence?.removeStream(stream)) ?? { removed: [], kept: [] };
      if (withAlerts) store.eraseStream(stream, removal.kept);
      return { removed: [...removal.removed], kept: [...removal.kept] };
    },
  };
}
