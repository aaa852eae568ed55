/** What the HTTP interface asks about evidence: the evidence itself and, where an incident is to be erased, its alert in the store. */
import { errorCodeOf, TruecastError } from "../pipelines/errors.ts";
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
      const wasHeld = keeper().evidenceOf(alert)?.held === true;
      // What protects is not undone by a record that fails, what takes protection away is not done without one.
      if (wasHeld && !held) audit.append(author, { action: "evidence.released", object: `alert:${alert}` });
      await keeper().hold(alert, held);
      if (!wasHeld && held) audit.append(author, { action: "evidence.held", object: `alert:${alert}` });
    },
    async removeEvidence(alert, { withAlert }, author) {
      const row = withAlert ? store.alert(alert) : null;
      if (row !== null && row.state !== "resolved") throw new TruecastError("conflict", `Alert ${alert} is still open.`);
      const state = evidence?.evidenceOf(alert)?.state ?? null;
      if ((state === null || state === "deleted") && row === null) throw new TruecastError("not-found", `There is nothing to delete of an alert ${JSON.stringify(alert)}.`);
      audit.append(author, { action: "evidence.delete-requested", object: `alert:${alert}`, detail: { withAlert } });
      // Nothing known is not nothing there: with a folder that cannot be opened it may be under legal hold.
      if (evidence !== null && state !== "deleted") {
        await evidence.remove(alert).catch((error: unknown) => {
          if (state !== null || errorCodeOf(error) !== "not-found") throw error;
        });
      }
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
