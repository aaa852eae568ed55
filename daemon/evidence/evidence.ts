/** Evidence of incidents: recorded while they happen, finished and sealed after their end, kept as long as the rules say. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { errorCodeOf, TruecastError } from "../../pipelines/errors.ts";
import type { Alert, Evidence, FaceAlert, ScorePoint } from "../protocol.ts";
import { type Archive, openArchive, type SealedIncident } from "./archive.ts";
import { evidenceOf, liveEvidence } from "./evidence-view.ts";
import { FINISHED_FOLDER, finishIncident } from "./finish.ts";
import { isIncidentId, namesIn, RECORDING_FOLDER } from "./folders.ts";
import { type IncidentFacts, readNote } from "./incident-note.ts";
import { createLiveIncidents, type LiveIncident } from "./live-incidents.ts";
import type { RemovalCause } from "./log-record.ts";
import type { EvidenceProblem, Manifest } from "./manifest.ts";
import { dueRemovals, type RetentionLimits } from "./retention.ts";

export interface EvidenceOptions {
  /** Of all evidence. */
  readonly folder: string;
  readonly limits: RetentionLimits & { readonly beforeMs: number; readonly afterMs: number; readonly minFreeBytes: number; readonly heatMaps: boolean };
  /** Length of a full horizon on the media clock. */
  readonly windowMs: number;
  readonly modelDir: string;
  readonly version: string;
  /** To the process that holds the stream. @returns false when it cannot be told */
  readonly tell: (stream: string, command: RecordingCommand) => boolean;
  /** Of the last minutes, oldest first. */
  readonly scoresOf: (stream: string) => readonly ScorePoint[];
  readonly factsOf: (alert: FaceAlert) => IncidentFacts;
  /** As the store has it; for incidents that an earlier run left. */
  readonly alertOf: (id: string) => Alert | null;
  readonly onEvent: (event: EvidenceEvent) => void;
  readonly log: Logger;
  readonly now?: () => number;
  readonly maintenanceMs?: number;
}

export type RecordingCommand =
  | { readonly type: "record"; readonly stream: string; readonly incident: string; readonly trackId: number; readonly folder: string; readonly fromPtsMs: number; readonly cropsFromPtsMs: number }
  | { readonly type: "record-end" | "record-on"; readonly stream: string; readonly incident: string };

/** For metrics; every value comes from a fixed table. */
export type EvidenceEvent =
  | { readonly kind: "sealed"; readonly complete: boolean }
  | { readonly kind: "problem"; readonly problem: EvidenceProblem }
  | { readonly kind: "skipped" }
  | { readonly kind: "removed"; readonly cause: RemovalCause };

export interface EvidenceKeeper extends AsyncDisposable {
  /** Every transition of every alert. */
  onTransition(transition: { readonly alert: Alert; readonly kind?: string }): void;
  onScore(stream: string, point: ScorePoint): void;
  /** The process that recorded is done with the incident. */
  onRecorded(incident: string, problems: readonly EvidenceProblem[]): void;
  /** The process that held these streams is gone. */
  onAnalysisLost(streams: readonly string[]): void;
  /** Null when there never was any. @throws TruecastError evidence-failed while that cannot be known */
  evidenceOf(alert: string): Evidence | null;
  /** Null when there is no such file, or no longer. @throws TruecastError evidence-failed while that cannot be known */
  fileOf(alert: string, name: string): { readonly path: string; readonly mediaType: string } | null;
  /** @throws TruecastError not-found, conflict, evidence-failed */
  hold(alert: string, held: boolean): Promise<void>;
  /** @throws TruecastError not-found, conflict while it is held or recorded, evidence-failed */
  remove(alert: string): Promise<void>;
  /** What is held or being recorded stays. @throws TruecastError evidence-failed */
  removeStream(stream: string): Promise<{ readonly removed: readonly string[]; readonly kept: readonly string[] }>;
  /** Alerts whose evidence is under legal hold. @throws TruecastError evidence-failed while that cannot be known: it is not none */
  heldAlerts(): readonly string[];
  stats(): { readonly bytes: number; readonly sealed: number; readonly held: number; readonly recording: number; readonly waiting: number };
  close(): Promise<void>;
}

/** With more than this waiting, heat maps are left out. */
const MAX_WAITING_FOR_HEAT_MAPS = 4;
/** Never fails: what cannot be opened is said, tried again, and holds up no alert. */
export async function startEvidence(options: EvidenceOptions): Promise<EvidenceKeeper> {
  const { folder: root, limits, version, onEvent, log, now = Date.now, maintenanceMs = 60_000 } = options;
  const ending = new AbortController();
  let archive: Archive | null = null;
  let finishing: Promise<void> | null = null;
  let maintaining: Promise<void> = Promise.resolve();
  let closing: Promise<void> | undefined;
  const incidents = createLiveIncidents({ ...options, now, isSealed: (id) => archive?.has(id) ?? false, onWaiting: work });
  const live = incidents.all;

  /** One at a time, in the order in which they began to wait. */
  function work(): void {
    if (finishing !== null || closing !== undefined) return;
    const next = live.values().find(({ phase }) => phase.kind === "waiting");
    if (next === undefined) return;
    if (archive === null) {
      // Nothing could be sealed, and a heat map a minute for nothing is no small work.
      for (const incident of live.values()) if (incident.phase.kind === "waiting") incident.phase = { kind: "stuck" };
      return;
    }
    next.phase = { kind: "finishing" };
    finishing = finishOrKeep(next);
  }

  async function finishOrKeep(incident: LiveIncident): Promise<void> {
    try {
      await finish(incident);
    } catch (error) {
      incident.phase = { kind: "stuck" };
      if (!ending.signal.aborted) incidents.diskProblem(incident, error);
    }
    finishing = null;
    work();
  }

  async function finish(incident: LiveIncident): Promise<void> {
    await incident.writing;
    const heatMap = limits.heatMaps && !incident.alert.model.scripted;
    const isCrowded = waiting() > MAX_WAITING_FOR_HEAT_MAPS;
    if (heatMap && isCrowded) incidents.problem(incident, "heat-map-skipped", "too many incidents wait");
    await mkdir(incident.folder, { recursive: true, mode: 0o700 });
    const { staging, manifest } = await finishIncident({
      recording: incident.folder,
      note: incident.note,
      alert: incident.alert,
      scores: incident.line.points,
      leftOutScores: incident.line.leftOut,
      problems: incident.problems,
      heatMap: heatMap && !isCrowded,
      modelDir: options.modelDir,
      version,
      now,
      signal: ending.signal,
      onProblem: (code, message) => incidents.problem(incident, code, message),
    });
    await seal(incident.alert.id, staging, manifest);
  }

  async function seal(id: string, staging: string, manifest: Manifest): Promise<void> {
    await opened().seal(staging, manifest);
    await rm(join(root, RECORDING_FOLDER, id), { recursive: true, force: true });
    incidents.forget(id);
    onEvent({ kind: "sealed", complete: manifest.complete });
    log.info({ alert: id, complete: manifest.complete, problems: manifest.problems }, "evidence sealed");
    maintain();
  }

  function opened(): Archive {
    if (archive === null) throw new TruecastError("evidence-failed", "The evidence folder cannot be used at the moment; the log says why.");
    return archive;
  }

  const waiting = (): number => [...live.values()].filter(({ phase }) => phase.kind === "waiting").length;

  async function open(): Promise<void> {
    try {
      archive = await openArchive({ folder: root, version, log, now });
    } catch (error) {
      log.error({ err: error, code: errorCodeOf(error), folder: root }, "evidence cannot be kept; tried again later");
    }
  }

  /** What an earlier run began; once the archive is open, which knows how far it came. */
  async function recover(): Promise<void> {
    for (const id of await namesIn(join(root, RECORDING_FOLDER))) {
      try {
        await recoverOne(id);
      } catch (error) {
        // One that cannot be read must not keep the others.
        log.error({ err: error, code: errorCodeOf(error), alert: id }, "evidence that an earlier run left could not be finished; the next start tries again");
      }
    }
    work();
  }

  async function recoverOne(id: string): Promise<void> {
    // Of this run: its note may not be written yet.
    if (live.has(id)) return;
    const folder = join(root, RECORDING_FOLDER, id);
    const note = await readNote(folder);
    if (live.has(id)) return;
    if (opened().has(id) || note === null || !isIncidentId(id)) {
      await rm(folder, { recursive: true, force: true });
      return;
    }
    const staging = join(folder, FINISHED_FOLDER);
    const manifest = await opened().interrupted(staging);
    if (manifest !== null) {
      await seal(id, staging, manifest);
      return;
    }
    const stored = options.alertOf(id);
    await incidents.adopt(folder, note, stored?.rule === "manipulated-face" ? stored : note.alert);
  }

  function maintain(): void {
    maintaining = maintaining.then(maintainNow).catch((error: unknown) => log.error({ err: error, code: errorCodeOf(error) }, "evidence: retention failed; tried again later"));
  }

  async function maintainNow(): Promise<void> {
    if (archive === null) {
      await open();
      if (archive !== null) await recover();
    }
    if (archive === null || closing !== undefined) return;
    for (const { incident, files, cause } of dueRemovals(archive.list(), { nowMs: now(), bytes: archive.bytes, limits })) {
      try {
        await archive.remove(incident, { files, cause });
        onEvent({ kind: "removed", cause });
        log.info({ alert: incident, files, cause }, "evidence removed");
      } catch (error) {
        // Held since it was listed, or a folder that cannot be deleted: the others have their turn.
        log.error({ err: error, code: errorCodeOf(error), alert: incident }, "evidence that is due could not be removed");
      }
    }
    for (const incident of live.values()) if (incident.phase.kind === "stuck") incident.phase = { kind: "waiting" };
    work();
  }

  await mkdir(root, { recursive: true, mode: 0o700 }).catch((error: unknown) => log.error({ err: error, folder: root }, "the evidence folder cannot be made"));
  await open();
  const begun = setImmediate(() => {
    if (archive !== null) maintaining = recover().catch((error: unknown) => log.error({ err: error }, "evidence that an earlier run left could not be read; the next start tries again"));
    maintain();
  });
  const timer = setInterval(maintain, maintenanceMs);

  const keeper: EvidenceKeeper = {
    onTransition: (transition) => incidents.onTransition(transition),
    onScore: (stream, point) => incidents.onScore(stream, point),
    onRecorded: (id, problems) => incidents.onRecorded(id, problems),
    onAnalysisLost: (streams) => incidents.onAnalysisLost(streams),
    evidenceOf(id) {
      const incident = live.get(id);
      if (incident !== undefined) return liveEvidence(incident);
      return evidenceOf(id, opened().get(id), opened().removalOf(id));
    },
    fileOf(id, name) {
      const sealed = opened().get(id);
      return sealed === null ? null : fileIn(sealed, name);
    },
    hold: (id, held) => untilRecorded(id, () => opened().hold(id, held)),
    remove: (id) =>
      untilRecorded(id, async () => {
        await opened().remove(id, { files: null, cause: "request" });
        onEvent({ kind: "removed", cause: "request" });
      }),
    async removeStream(stream) {
      const removed: string[] = [];
      const kept = [...live.values()].filter(({ alert }) => alert.stream === stream).map(({ alert }) => alert.id);
      for (const { manifest, held } of opened().list().filter((entry) => entry.manifest.stream === stream)) {
        if (held) kept.push(manifest.incident);
        else {
          await keeper.remove(manifest.incident);
          removed.push(manifest.incident);
        }
      }
      return { removed, kept };
    },
    heldAlerts: () => opened().list().filter(({ held }) => held).map(({ manifest }) => manifest.incident),
    stats() {
      const sealed = archive?.list() ?? [];
      const waits = waiting();
      return { bytes: archive?.bytes ?? 0, sealed: sealed.length, held: sealed.filter(({ held }) => held).length, recording: live.size - waits, waiting: waits };
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => keeper.close(),
  };

  async function untilRecorded<T>(id: string, change: () => Promise<T>): Promise<T> {
    if (live.has(id)) throw new TruecastError("conflict", `The evidence of alert ${id} is still being recorded; try again once it is complete.`);
    return await change();
  }

  async function close(): Promise<void> {
    clearImmediate(begun);
    clearInterval(timer);
    ending.abort();
    await maintaining;
    await finishing;
    await incidents.close();
    await archive?.close();
  }

  return keeper;
}

function fileIn({ folder, manifest, removed }: SealedIncident, name: string): { readonly path: string; readonly mediaType: string } | null {
  if (name === "manifest.json" || name === "records.jsonl") return { path: join(folder.path, name), mediaType: name === "manifest.json" ? "application/json" : "application/x-ndjson" };
  const file = manifest.files.find((candidate) => candidate.name === name);
  return file === undefined || removed.has(name) ? null : { path: join(folder.path, name), mediaType: file.mediaType };
}
