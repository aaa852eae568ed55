/** Incidents that are being recorded: the words to the recorder, the scores as they come, and what goes wrong on the way. */
import { mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Alert, FaceAlert, ScorePoint } from "../protocol.ts";
import { isDiskFullCode } from "./durable-files.ts";
import type { EvidenceOptions } from "./evidence.ts";
import { RECORDING_FOLDER } from "./folders.ts";
import { appendScores, type IncidentNote, readScores, rewriteScores, writeNote } from "./incident-note.ts";
import type { EvidenceProblem } from "./manifest.ts";
import { createScoreLine, type ScoreLine } from "./score-line.ts";

type Phase =
  | { readonly kind: "recording" }
  /** The recorder goes on for the time after the incident. */
  | { readonly kind: "ending"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "waiting" }
  | { readonly kind: "finishing" }
  /** Could not be finished or sealed; tried again. */
  | { readonly kind: "stuck" };

export interface LiveIncident {
  alert: FaceAlert;
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
  /** Points in the folder's file, those left out of the line among them. */
  written: number;
}

/** Recorded and waiting ones together; past it an incident goes without evidence, counted. */
const MAX_LIVE = 64;
/** An alert that fires for months must not fill the disk with scores that its line left out long ago; some megabytes. */
const MAX_WRITTEN = 30_000;
/** Past the time after an incident, for a recorder's last word. */
const LAST_WORD_MS = 10_000;
/** Scores and alerts carry wall time of the same moment, give or take. */
const SAME_MOMENT_MS = 1_000;

export interface LiveIncidents {
  readonly all: ReadonlyMap<string, LiveIncident>;
  onTransition(transition: { readonly alert: Alert; readonly kind?: string }): void;
  onScore(stream: string, point: ScorePoint): void;
  onRecorded(id: string, problems: readonly EvidenceProblem[]): void;
  onAnalysisLost(streams: readonly string[]): void;
  /** One that an earlier run recorded; it waits to be finished. */
  adopt(folder: string, note: IncidentNote, alert: FaceAlert): Promise<void>;
  problem(incident: LiveIncident, code: EvidenceProblem, cause: unknown): void;
  diskProblem(incident: LiveIncident, error: unknown): void;
  forget(id: string): void;
  /** Begins nothing more; what is being written is on its way to the disk when this resolves. */
  close(): Promise<void>;
}

export type LiveIncidentsOptions = Pick<EvidenceOptions, "folder" | "limits" | "windowMs" | "tell" | "scoresOf" | "factsOf" | "onEvent"> & {
  readonly log: Logger;
  readonly now: () => number;
  readonly isSealed: (id: string) => boolean;
  /** An incident is over and recorded: its phase is `waiting`. */
  readonly onWaiting: () => void;
};

export function createLiveIncidents({ folder: root, limits, windowMs, tell, scoresOf, factsOf, onEvent, log, now, isSealed, onWaiting }: LiveIncidentsOptions): LiveIncidents {
  const live = new Map<string, LiveIncident>();
  let closed = false;

  const problem = (incident: LiveIncident, code: EvidenceProblem, message: unknown): void => {
    if (incident.problems.has(code)) return;
    incident.problems.add(code);
    onEvent({ kind: "problem", problem: code });
    log.warn({ alert: incident.alert.id, problem: code, err: message instanceof Error ? message : undefined }, `evidence: ${message instanceof Error ? message.message : String(message)}`);
  };
  const diskProblem = (incident: LiveIncident, error: unknown): void => problem(incident, isDiskFullCode(error) ? "disk-full" : "disk-failed", error);

  function begin(alert: FaceAlert): void {
    if (closed) return;
    if (live.size >= MAX_LIVE) {
      onEvent({ kind: "skipped" });
      log.error({ alert: alert.id, live: live.size }, "too many incidents are being recorded; this one goes without evidence");
      return;
    }
    const points = scoresOf(alert.stream).filter(({ track }) => alert.tracks.includes(track));
    const crossed = points.find(({ at }) => at >= alert.pendingAt - SAME_MOMENT_MS) ?? points.at(-1);
    const firedPtsMs = points.at(-1)?.ptsMs ?? 0;
    const fromPtsMs = (crossed?.ptsMs ?? firedPtsMs) - windowMs - limits.beforeMs;
    const note: IncidentNote = { alert, beganAt: now(), firedPtsMs, facts: factsOf(alert) };
    const incident: LiveIncident = {
      alert,
      folder: join(root, RECORDING_FOLDER, alert.id),
      note,
      tracks: new Set(alert.tracks),
      line: createScoreLine(),
      problems: new Set(),
      recorder: "starting",
      phase: { kind: "recording" },
      writing: Promise.resolve(),
      written: 0,
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
      if (before.length > 0) await writeScores(incident, before);
    });
  }

  async function writeScores(incident: LiveIncident, points: readonly ScorePoint[]): Promise<void> {
    if (incident.written + points.length > MAX_WRITTEN) {
      const kept = incident.line.points;
      await rewriteScores(incident.folder, kept);
      incident.written = kept.length;
      return;
    }
    await appendScores(incident.folder, points);
    incident.written += points.length;
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
    onWaiting();
  }


  return {
    all: live,
    onTransition({ alert, kind }) {
      if (alert.rule !== "manipulated-face") return;
      const incident = live.get(alert.id);
      if (incident !== undefined && (incident.phase.kind === "recording" || incident.phase.kind === "ending")) {
        incident.alert = alert;
        for (const track of alert.tracks) incident.tracks.add(track);
        if (alert.state === "resolved") end(incident);
        else if (alert.state === "firing") resume(incident);
      } else if (incident !== undefined && alert.state === "firing") {
        problem(incident, "fired-again", "the alert fired again after its recording had ended");
      } else if (alert.state === "firing" && !isSealed(alert.id)) begin(alert);
      else if (kind === "re-firing") {
        onEvent({ kind: "problem", problem: "fired-again" });
        log.warn({ alert: alert.id, problem: "fired-again" }, "evidence: the alert fired again after its evidence was sealed; what follows is not recorded");
      }
    },
    onScore(stream, point) {
      for (const incident of live.values()) {
        if (incident.alert.stream !== stream || !incident.tracks.has(point.track) || (incident.phase.kind !== "recording" && incident.phase.kind !== "ending")) continue;
        incident.line.add(point);
        write(incident, () => writeScores(incident, [point]));
      }
    },
    onRecorded(id, problems) {
      const incident = live.get(id);
      if (incident === undefined) return;
      for (const code of problems) problem(incident, code, "told by the recorder");
      incident.recorder = "gone";
      // The word to go on came when the recorder was through already.
      if (incident.phase.kind === "recording") problem(incident, "fired-again", "the alert fired again as its recording ended");
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
    async adopt(folder, note, alert) {
      const line = createScoreLine();
      for (const point of await readScores(folder)) line.add(point);
      const incident: LiveIncident = { alert, folder, note, tracks: new Set(alert.tracks), line, problems: new Set(), recorder: "gone", phase: { kind: "waiting" }, writing: Promise.resolve(), written: 0 };
      live.set(alert.id, incident);
      problem(incident, "daemon-restarted", "an earlier run left it unfinished");
    },
    problem,
    diskProblem,
    forget: (id) => void live.delete(id),
    async close() {
      closed = true;
      for (const { phase } of live.values()) if (phase.kind === "ending") clearTimeout(phase.timer);
      await Promise.all([...live.values()].map(({ writing }) => writing));
    },
  };
}

