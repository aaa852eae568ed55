/** Evidence of incidents: recorded while they happen, finished and sealed after their end, kept as long as the rules say. */
import { mkdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { errorCodeOf, TruecastError } from "../../pipelines/errors.ts";
import type { Alert, Evidence, ScorePoint } from "../protocol.ts";
import { type Archive, openArchive, type SealedIncident } from "./archive.ts";
import { evidenceOf, liveEvidence } from "./evidence-view.ts";
import { FINISHED_FOLDER, finishIncident } from "./finish.ts";
import { isIncidentId, namesIn, RECORDING_FOLDER } from "./folders.ts";
import { appendScores, type IncidentFacts, type IncidentNote, readNote, readScores, writeNote } from "./incident-note.ts";
import type { RemovalCause } from "./log-record.ts";
import type { EvidenceProblem, Manifest } from "./manifest.ts";
import { isDiskFullCode } from "./durable-files.ts";
import { dueRemovals, type RetentionLimits } from "./retention.ts";
import { createScoreLine, type ScoreLine } from "./score-line.ts";

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
  readonly factsOf: (alert: Alert) => IncidentFacts;
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
  onTransition(transition: { readonly alert: Alert }): void;
  onScore(stream: string, point: ScorePoint): void;
  /** The process that recorded is done with the incident. */
  onRecorded(incident: string, problems: readonly EvidenceProblem[]): void;
  /** The process that held these streams is gone. */
  onAnalysisLost(streams: readonly string[]): void;
  /** Null when there never was any. */
  evidenceOf(alert: string): Evidence | null;
  /** Null when there is no such file, or no longer. */
  fileOf(alert: string, name: string): { readonly path: string; readonly mediaType: string } | null;
  /** @throws TruecastError not-found, conflict, evidence-failed */
  hold(alert: string, held: boolean): Promise<void>;
  /** @throws TruecastError not-found, conflict while it is held or recorded, evidence-failed */
  remove(alert: string): Promise<void>;
  /** What is held or being recorded stays. @throws TruecastError evidence-failed */
  removeStream(stream: string): Promise<{ readonly removed: readonly string[]; readonly kept: readonly string[] }>;
  /** Alerts whose evidence is under legal hold. */
  heldAlerts(): readonly string[];
  stats(): { readonly bytes: number; readonly sealed: number; readonly held: number; readonly recording: number; readonly waiting: number };
  close(): Promise<void>;
}

type Phase =
  | { readonly kind: "recording" }
  /** The recorder goes on for the time after the incident. */
  | { readonly kind: "ending"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "waiting" }
  | { readonly kind: "finishing" }
  /** Could not be finished or sealed; tried again. */
  | { readonly kind: "stuck" };

export interface LiveIncident {
  alert: Alert;
  readonly folder: string;
  readonly note: IncidentNote;
  readonly tracks: Set<number>;
  readonly line: ScoreLine;
  readonly problems: Set<EvidenceProblem>;
  /** gone: it recorded what it could, or never began. */
  recorder: "starting" | "on" | "gone";
  phase: Phase;
  /** What is written by the daemon itself, in turn. */
  writing: Promise<void>;
}

/** Recorded and waiting ones together; past it an incident goes without evidence, counted. */
const MAX_LIVE = 64;
/** With more than this waiting, heat maps are left out. */
const MAX_WAITING_FOR_HEAT_MAPS = 4;
/** Past the time after an incident, for a recorder's last word. */
const LAST_WORD_MS = 10_000;
/** Scores and alerts carry wall time of the same moment, give or take. */
const SAME_MOMENT_MS = 1_000;

/** Never fails: what cannot be opened is said, tried again, and holds up no alert. */
export async function startEvidence(options: EvidenceOptions): Promise<EvidenceKeeper> {
  const { folder: root, limits, windowMs, version, tell, onEvent, log, now = Date.now, maintenanceMs = 60_000 } = options;
  const live = new Map<string, LiveIncident>();
  const ending = new AbortController();
  let archive: Archive | null = null;
  let finishing: Promise<void> | null = null;
  let maintaining: Promise<void> = Promise.resolve();
  let closing: Promise<void> | undefined;

  const problem = (incident: LiveIncident, code: EvidenceProblem, message: unknown): void => {
    if (incident.problems.has(code)) return;
    incident.problems.add(code);
    onEvent({ kind: "problem", problem: code });
    log.warn({ alert: incident.alert.id, problem: code, err: message instanceof Error ? message : undefined }, `evidence: ${message instanceof Error ? message.message : String(message)}`);
  };
  const diskProblem = (incident: LiveIncident, error: unknown): void => problem(incident, isDiskFullCode(error) ? "disk-full" : "disk-failed", error);

  function begin(alert: Alert): void {
    if (closing !== undefined) return;
    if (live.size >= MAX_LIVE) {
      onEvent({ kind: "skipped" });
      log.error({ alert: alert.id, live: live.size }, "too many incidents are being recorded; this one goes without evidence");
      return;
    }
    const points = options.scoresOf(alert.stream).filter(({ track }) => track === alert.track);
    const crossed = points.find(({ at }) => at >= alert.pendingAt - SAME_MOMENT_MS) ?? points.at(-1);
    const firedPtsMs = points.at(-1)?.ptsMs ?? 0;
    const fromPtsMs = (crossed?.ptsMs ?? firedPtsMs) - windowMs - limits.beforeMs;
    const note: IncidentNote = { alert, beganAt: now(), firedPtsMs, facts: options.factsOf(alert) };
    const incident: LiveIncident = {
      alert,
      folder: join(root, RECORDING_FOLDER, alert.id),
      note,
      tracks: new Set([alert.track]),
      line: createScoreLine(),
      problems: new Set(),
      recorder: "starting",
      phase: { kind: "recording" },
      writing: Promise.resolve(),
    };
    live.set(alert.id, incident);
    const before = points.filter(({ ptsMs }) => ptsMs >= fromPtsMs);
    for (const point of before) incident.line.add(point);
    write(incident, async () => {
      await mkdir(incident.folder, { recursive: true, mode: 0o700 });
      if (await hasRoom()) {
        incident.recorder = tell(alert.stream, { type: "record", stream: alert.stream, incident: alert.id, trackId: alert.track, folder: incident.folder, fromPtsMs, cropsFromPtsMs: firedPtsMs - windowMs }) ? "on" : "gone";
        if (incident.recorder === "gone") problem(incident, "analysis-lost", "the process that holds the stream is not there");
      } else {
        incident.recorder = "gone";
        problem(incident, "disk-full", `less than ${limits.minFreeBytes} bytes are free`);
      }
      await writeNote(incident.folder, note);
      if (before.length > 0) await appendScores(incident.folder, before);
    });
  }

  async function hasRoom(): Promise<boolean> {
    const { bavail, bsize } = await statfs(root);
    return bavail * bsize >= limits.minFreeBytes;
  }

  /** In turn, and never in the way of whoever called. */
  function write(incident: LiveIncident, work: () => Promise<void>): void {
    incident.writing = incident.writing.then(work).catch((error: unknown) => diskProblem(incident, error));
  }

  function end(incident: LiveIncident): void {
    if (incident.phase.kind !== "recording") return;
    if (incident.recorder === "gone") return enqueue(incident);
    const { id, stream } = incident.alert;
    const timer = setTimeout(() => {
      problem(incident, "analysis-lost", "the recorder did not answer");
      enqueue(incident);
    }, limits.afterMs + LAST_WORD_MS);
    incident.phase = { kind: "ending", timer };
    const tellEnd = (): void => {
      if (incident.phase.kind !== "ending") return;
      if (incident.recorder === "gone") enqueue(incident);
      // A stream that is over is forgotten next, and its recordings with it: they report by themselves.
      else tell(stream, { type: "record-end", stream, incident: id });
    };
    // The word to begin waits for its folder.
    if (incident.recorder === "on") tellEnd();
    else void incident.writing.then(tellEnd);
  }

  function resume(incident: LiveIncident): void {
    if (incident.phase.kind !== "ending") return;
    clearTimeout(incident.phase.timer);
    incident.phase = { kind: "recording" };
    tell(incident.alert.stream, { type: "record-on", stream: incident.alert.stream, incident: incident.alert.id });
  }

  function enqueue(incident: LiveIncident): void {
    if (incident.phase.kind === "ending") clearTimeout(incident.phase.timer);
    incident.phase = { kind: "waiting" };
    work();
  }

  /** One at a time, in the order in which they began to wait. */
  function work(): void {
    if (finishing !== null || closing !== undefined) return;
    const next = live.values().find(({ phase }) => phase.kind === "waiting");
    if (next === undefined) return;
    next.phase = { kind: "finishing" };
    finishing = finish(next)
      .catch((error: unknown) => {
        next.phase = { kind: "stuck" };
        if (!ending.signal.aborted) diskProblem(next, error);
      })
      .then(() => {
        finishing = null;
        work();
      });
  }

  async function finish(incident: LiveIncident): Promise<void> {
    await incident.writing;
    const heatMap = limits.heatMaps && !incident.alert.model.scripted;
    const isCrowded = waiting() > MAX_WAITING_FOR_HEAT_MAPS;
    if (heatMap && isCrowded) problem(incident, "heat-map-skipped", "too many incidents wait");
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
      onProblem: (code, message) => problem(incident, code, message),
    });
    await seal(incident.alert.id, staging, manifest);
  }

  async function seal(id: string, staging: string, manifest: Manifest): Promise<void> {
    await opened().seal(staging, manifest);
    await rm(join(root, RECORDING_FOLDER, id), { recursive: true, force: true });
    live.delete(id);
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

  /** What an earlier run began. */
  async function recover(): Promise<void> {
    for (const id of await namesIn(join(root, RECORDING_FOLDER))) {
      const folder = join(root, RECORDING_FOLDER, id);
      const note = await readNote(folder);
      if (archive?.get(id) || note === null || !isIncidentId(id)) {
        await rm(folder, { recursive: true, force: true });
        continue;
      }
      if (live.has(id)) continue;
      const staging = join(folder, FINISHED_FOLDER);
      const manifest = (await archive?.interrupted(staging)) ?? null;
      if (manifest !== null) {
        await seal(id, staging, manifest);
        continue;
      }
      const line = createScoreLine();
      for (const point of await readScores(folder)) line.add(point);
      const alert = options.alertOf(id) ?? note.alert;
      const incident: LiveIncident = { alert, folder, note, tracks: new Set([alert.track]), line, problems: new Set(), recorder: "gone", phase: { kind: "waiting" }, writing: Promise.resolve() };
      live.set(id, incident);
      problem(incident, "daemon-restarted", "an earlier run left it unfinished");
    }
    work();
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
      await archive.remove(incident, { files, cause });
      onEvent({ kind: "removed", cause });
      log.info({ alert: incident, files, cause }, "evidence removed");
    }
    for (const incident of live.values()) if (incident.phase.kind === "stuck") incident.phase = { kind: "waiting" };
    work();
  }

  await mkdir(root, { recursive: true, mode: 0o700 }).catch((error: unknown) => log.error({ err: error, folder: root }, "the evidence folder cannot be made"));
  await open();
  const begun = setImmediate(() => {
    maintaining = recover().catch((error: unknown) => log.error({ err: error }, "evidence that an earlier run left could not be finished"));
    maintain();
  });
  const timer = setInterval(maintain, maintenanceMs);

  const keeper: EvidenceKeeper = {
    onTransition({ alert }) {
      if (alert.rule !== "manipulated-face") return;
      const incident = live.get(alert.id);
      if (incident !== undefined && (incident.phase.kind === "recording" || incident.phase.kind === "ending")) {
        incident.alert = alert;
        incident.tracks.add(alert.track);
        if (alert.state === "resolved") end(incident);
        else if (alert.state === "firing") resume(incident);
      } else if (incident === undefined && alert.state === "firing" && archive?.get(alert.id) == null) begin(alert);
    },
    onScore(stream, point) {
      for (const incident of live.values()) {
        if (incident.alert.stream !== stream || !incident.tracks.has(point.track) || (incident.phase.kind !== "recording" && incident.phase.kind !== "ending")) continue;
        incident.line.add(point);
        write(incident, () => appendScores(incident.folder, [point]));
      }
    },
    onRecorded(id, problems) {
      const incident = live.get(id);
      if (incident === undefined) return;
      for (const code of problems) problem(incident, code, "told by the recorder");
      incident.recorder = "gone";
      if (incident.phase.kind === "ending") enqueue(incident);
    },
    onAnalysisLost(streams) {
      for (const incident of live.values()) {
        if (!streams.includes(incident.alert.stream) || incident.recorder === "gone") continue;
        problem(incident, "analysis-lost", "the process that recorded ended");
        incident.recorder = "gone";
        if (incident.phase.kind === "ending") enqueue(incident);
      }
    },
    evidenceOf(id) {
      const incident = live.get(id);
      if (incident !== undefined) return liveEvidence(incident);
      const sealed = archive?.get(id) ?? null;
      return evidenceOf(id, sealed, archive?.removalOf(id) ?? null);
    },
    fileOf(id, name) {
      const sealed = archive?.get(id) ?? null;
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
    heldAlerts: () => (archive?.list() ?? []).filter(({ held }) => held).map(({ manifest }) => manifest.incident),
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
    for (const { phase } of live.values()) if (phase.kind === "ending") clearTimeout(phase.timer);
    await maintaining;
    await finishing;
    await Promise.all([...live.values()].map(({ writing }) => writing));
    await archive?.close();
  }

  return keeper;
}

function fileIn({ folder, manifest, removed }: SealedIncident, name: string): { readonly path: string; readonly mediaType: string } | null {
  if (name === "manifest.json" || name === "records.jsonl") return { path: join(folder.path, name), mediaType: name === "manifest.json" ? "application/json" : "application/x-ndjson" };
  const file = manifest.files.find((candidate) => candidate.name === name);
  return file === undefined || removed.has(name) ? null : { path: join(folder.path, name), mediaType: file.mediaType };
}
