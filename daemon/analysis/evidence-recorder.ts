/** What an analysis process keeps of one stream for evidence, and the recordings of its incidents. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClockedPacket, VideoHeader } from "../../pipelines/decode/packet-history.ts";
import { type ClipPart, problemOf, startClipPart } from "./clip-part.ts";
import { createCropRing, type KeptCrop } from "./crop-ring.ts";
import type { AnalysisCommand, EvidenceLimits, RecordingProblem } from "./messages.ts";
import { createPacketRing, type KeptPacket } from "./packet-ring.ts";

export type RecordCommand = Extract<AnalysisCommand, { type: "record" }>;

export interface EvidenceRecorder extends AsyncDisposable {
  packet(packet: ClockedPacket, header: VideoHeader): void;
  crop(trackId: number, crop: KeptCrop): void;
  endTrack(trackId: number): void;
  record(command: RecordCommand): void;
  /** Goes on for the time after an incident, then reports. */
  end(incident: string): void;
  resume(incident: string): void;
  /** Ends every recording as it is. */
  close(): Promise<void>;
}

export interface EvidenceRecorderOptions {
  readonly limits: EvidenceLimits;
  readonly inputSizePx: number;
  readonly onRecorded: (incident: string, problems: readonly RecordingProblem[]) => void;
}

interface Recording {
  readonly incident: string;
  readonly folder: string;
  readonly problems: Set<RecordingProblem>;
  readonly files: Promise<void>[];
  /** Where on the media clock the length is counted from. */
  startMs: number;
  readonly crops: Promise<void>;
  header: VideoHeader | null;
  part: ClipPart | null;
  parts: number;
  bytes: number;
  /** Past its length: only the end is recorded yet. */
  full: boolean;
  /** Where the time after the incident began. */
  endMs: number | null;
  timer: NodeJS.Timeout | undefined;
}

/** Each change of the stream's format begins a file; one that changes without end is left. */
const MAX_PARTS = 8;
const MAX_RECORDING_BYTES = 512 * 1024 * 1024;
/** What may wait for the disk, past what the ring holds. */
const MAX_BACKLOG_BYTES = 16 * 1024 * 1024;
/** A stream that stands still must not keep its evidence open. */
const AFTER_SLACK_MS = 2_000;

export function createEvidenceRecorder({ limits, inputSizePx, onRecorded }: EvidenceRecorderOptions): EvidenceRecorder {
  const ring = createPacketRing({ maxMs: limits.ringMs, maxBytes: limits.ringBytes });
  const crops = createCropRing();
  const recordings = new Map<string, Recording>();
  /** Over, and not on the disk yet. */
  const finishing = new Set<Promise<void>>();
  let newestMs = 0;

  function write(recording: Recording, kept: KeptPacket): void {
    if (recording.full || recording.problems.has("clip-broken")) return;
    if (recording.part === null || !isSameFormat(recording.header, kept.header)) {
      endPart(recording);
      // Nothing decodes before a keyframe.
      if (kept.packet.kind !== "keyframe") return;
      if (recording.parts === MAX_PARTS) return void recording.problems.add("clip-broken");
      recording.part = startClipPart(recording.folder, recording.parts++, {
        first: kept,
        maxBacklogBytes: limits.ringBytes + MAX_BACKLOG_BYTES,
        onProblem: (problem) => recording.problems.add(problem),
      });
      recording.header = kept.header;
    }
    recording.part.write(kept);
    if (kept.packet.clockMs - recording.startMs >= limits.maxClipMs || recording.bytes + recording.part.byteLength >= MAX_RECORDING_BYTES) {
      recording.full = true;
      endPart(recording);
    }
  }

  function endPart(recording: Recording): void {
    if (recording.part === null) return;
    recording.bytes += recording.part.byteLength;
    recording.files.push(recording.part.close());
    recording.part = null;
  }

  function finish(recording: Recording): void {
    if (!recordings.delete(recording.incident)) return;
    const finished = finishFiles(recording).finally(() => finishing.delete(finished));
    finishing.add(finished);
  }

  async function finishFiles(recording: Recording): Promise<void> {
    clearTimeout(recording.timer);
    if (recording.full && recording.endMs !== null) {
      recording.full = false;
      recording.bytes = 0;
      // A part of its own: between it and the beginning something is left out.
      const last = ring.from(recording.endMs - limits.beforeMs);
      recording.startMs = last[0]?.packet.clockMs ?? newestMs;
      for (const kept of last) write(recording, kept);
    }
    endPart(recording);
    if (recording.parts === 0) recording.problems.add("no-video");
    await Promise.all([...recording.files, recording.crops]);
    onRecorded(recording.incident, [...recording.problems]);
  }

  async function writeCrops({ folder, trackId, cropsFromPtsMs }: RecordCommand, problems: Set<RecordingProblem>): Promise<void> {
    const kept = crops.from(trackId, cropsFromPtsMs);
    if (kept.length === 0) return void problems.add("no-crops");
    try {
      await writeFile(join(folder, "crops.rgb"), Buffer.concat(kept.map(({ pixels }) => pixels)), { mode: 0o600 });
      await writeFile(join(folder, "crops.json"), JSON.stringify({ sizePx: inputSizePx, ptsMs: kept.map(({ ptsMs }) => ptsMs) } satisfies CropsInfo), { mode: 0o600 });
    } catch (error) {
      problems.add(problemOf(error));
    }
  }

  const recorder: EvidenceRecorder = {
    packet(packet, header) {
      newestMs = packet.clockMs;
      ring.add(packet, header);
      for (const recording of recordings.values()) {
        write(recording, { packet, header });
        if (recording.endMs !== null && newestMs >= recording.endMs + limits.afterMs) finish(recording);
      }
    },
    crop: (trackId, crop) => crops.add(trackId, crop),
    endTrack: (trackId) => crops.endTrack(trackId),
    record(command) {
      if (recordings.has(command.incident)) return;
      const problems = new Set<RecordingProblem>();
      const past = ring.from(command.fromPtsMs);
      const recording: Recording = {
        incident: command.incident,
        folder: command.folder,
        problems,
        files: [],
        startMs: past[0]?.packet.clockMs ?? newestMs,
        crops: writeCrops(command, problems),
        header: null,
        part: null,
        parts: 0,
        bytes: 0,
        full: false,
        endMs: null,
        timer: undefined,
      };
      recordings.set(command.incident, recording);
      for (const kept of past) write(recording, kept);
    },
    end(incident) {
      const recording = recordings.get(incident);
      // Recorded by a process that is gone: there is nothing here, and whoever waits must know.
      if (recording === undefined) return onRecorded(incident, []);
      recording.endMs ??= newestMs;
      recording.timer ??= setTimeout(() => finish(recording), limits.afterMs + AFTER_SLACK_MS);
    },
    resume(incident) {
      const recording = recordings.get(incident);
      if (recording === undefined) return;
      clearTimeout(recording.timer);
      recording.timer = undefined;
      recording.endMs = null;
    },
    async close() {
      for (const recording of recordings.values()) finish(recording);
      await Promise.all(finishing);
    },
    [Symbol.asyncDispose]: () => recorder.close(),
  };
  return recorder;
}

/** `crops.json`; the pixels lie one after the other in `crops.rgb`. */
export interface CropsInfo {
  readonly sizePx: number;
  readonly ptsMs: readonly number[];
}

function isSameFormat(a: VideoHeader | null, b: VideoHeader): boolean {
  return a !== null && (a === b || (a.codec === b.codec && Buffer.compare(a.payload, b.payload) === 0));
}
