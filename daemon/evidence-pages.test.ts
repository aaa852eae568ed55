/** What HTTP does with evidence, over a real store and real evidence. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { TruecastError } from "../pipelines/errors.ts";
import { createAudit } from "./access/audit.ts";
import { createEvidencePages } from "./evidence-pages.ts";
import { startEvidence } from "./evidence/evidence.ts";
import { freshArchive, freshFolder, quietLog, sealOne } from "./evidence/testing/sealed.ts";
import type { FaceAlert } from "./protocol.ts";
import { openStore } from "./store/store.ts";

const BY = { actor: "token:1", name: "someone", address: "192.0.2.1" };

/** @param root of evidence */
async function start(root: string) {
  const store = openStore({ path: ":memory:", log: quietLog });
  onTestFinished(() => store.close());
  const evidence = await startEvidence({
    folder: root,
    limits: { beforeMs: 0, afterMs: 0, minFreeBytes: 0, heatMaps: false, cropsDays: 30, clipsDays: 90, verdictsDays: 365, maxBytes: 1e9 },
    windowMs: 10_000,
    modelDir: "/nowhere",
    version: "0.0.0-test",
    tell: () => true,
    scoresOf: () => [],
    factsOf: () => ({ rule: {}, model: {}, stream: {}, tracks: [] }),
    alertOf: () => null,
    onEvent: () => undefined,
    log: quietLog,
  });
  onTestFinished(() => evidence.close());
  const audit = createAudit({ store });
  const actions = () => store.auditPage({ limit: 100 }).entries.map(({ action }) => action);
  return { store, evidence, actions, pages: createEvidencePages({ evidence, store, audit }) };
}

/** Evidence under legal hold. */
async function held(): Promise<{ readonly root: string; readonly id: string }> {
  const { archive, root } = await freshArchive();
  const { manifest } = await sealOne(archive, root);
  await archive.hold(manifest.incident, true);
  await archive.close();
  return { root, id: manifest.incident };
}

function alertOf(id: string): FaceAlert {
  return { id, stream: "studio", track: 1, tracks: [1], rule: "manipulated-face", state: "resolved", resolution: "score-fell", pendingAt: 1, firingAt: 2, resolvedAt: 3, score: 0.9, peakScore: 0.9, threshold: 0.8, model: { name: "edge", sha256: "00", scripted: false } };
}

test("with a folder that cannot be opened no alert is erased, for its evidence may be under legal hold", async () => {
  const folder = await freshFolder();
  const root = join(folder, "evidence");
  // As an unmounted disk leaves it: nothing can be opened there.
  await writeFile(root, "");
  const { store, pages } = await start(root);
  store.commit([{ kind: "resolved", alert: alertOf("a"), atMs: 3 }]);
  await expect(pages.removeEvidence("a", { withAlert: true }, BY)).rejects.toMatchObject({ code: "evidence-failed" });
  expect(store.alert("a")).not.toBeNull();
  await rm(root);
});

test("an alert that nothing was ever kept of is erased, one that is held is not", async () => {
  const { root, id } = await held();
  const { store, pages } = await start(root);
  for (const alert of ["a", id]) store.commit([{ kind: "resolved", alert: alertOf(alert), atMs: 3 }]);
  await pages.removeEvidence("a", { withAlert: true }, BY);
  await expect(pages.removeEvidence(id, { withAlert: true }, BY)).rejects.toMatchObject({ code: "conflict" });
  expect([store.alert("a"), store.alert(id)?.id]).toEqual([null, id]);
});

test("a hold whose lifting cannot be recorded is not lifted, and one that changes nothing is not recorded", async () => {
  const { root, id } = await held();
  const { store, evidence, actions, pages } = await start(root);
  const full = createEvidencePages({
    evidence,
    store,
    audit: {
      append() {
        throw new TruecastError("store-failed", "the disk is full");
      },
    },
  });
  await expect(full.holdEvidence(id, false, BY)).rejects.toMatchObject({ code: "store-failed" });
  expect(evidence.evidenceOf(id)?.held).toBe(true);
  await pages.holdEvidence(id, true, BY);
  expect(actions()).toEqual([]);
  await pages.holdEvidence(id, false, BY);
  await pages.holdEvidence(id, false, BY);
  await pages.holdEvidence(id, true, BY);
  expect([actions(), evidence.evidenceOf(id)?.held]).toEqual([["evidence.held", "evidence.released"], true]);
  await expect(pages.holdEvidence("unknown", false, BY)).rejects.toMatchObject({ code: "not-found" });
  expect(actions()).toHaveLength(2);
});
