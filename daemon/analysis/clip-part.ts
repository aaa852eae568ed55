/** One stretch of a stream on its way to a file, in the container that ffmpeg reads its codec from; never waited for. */
import { createWriteStream, type WriteStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decoderFeed } from "../../pipelines/decode/decoder-feed.ts";
import type { RecordingProblem } from "./messages.ts";
import type { KeptPacket } from "./packet-ring.ts";

/** Lies beside the part, `part-0.json` beside `part-0.flv`, and is all that is needed to make a clip of it. */
export interface PartInfo {
  readonly codec: string;
  /** What ffmpeg is told with `-f`; also the suffix of the file. */
  readonly format: string;
  /** Media clock at timestamp 0 of the file: its first packet. */
  readonly baseMs: number;
  /** Media clock of its first picture. */
  readonly firstPtsMs: number;
  /** Null while it is written. */
  readonly lastPtsMs: number | null;
}

export interface ClipPart {
  write(kept: KeptPacket): void;
  readonly byteLength: number;
  /** Resolves when all is written, or could not be. */
  close(): Promise<void>;
}

export interface ClipPartOptions {
  /** A keyframe. */
  readonly first: KeptPacket;
  /** What may wait for the disk; what a recording takes from the past waits for it all at once. */
  readonly maxBacklogBytes: number;
  readonly onProblem: (problem: RecordingProblem) => void;
}

export function startClipPart(folder: string, index: number, { first, maxBacklogBytes, onProblem }: ClipPartOptions): ClipPart {
  const { header } = first;
  const feed = decoderFeed(header.codec);
  const baseMs = first.packet.clockMs;
  const name = join(folder, `part-${index}`);
  const info: PartInfo = { codec: header.codec, format: feed.format, baseMs, firstPtsMs: baseMs + first.packet.compositionMs, lastPtsMs: null };
  let lastPtsMs = info.firstPtsMs;
  let byteLength = 0;
  let state: "open" | "failed" | "closed" = "open";
  const closed = Promise.withResolvers<void>();

  const file: WriteStream = createWriteStream(`${name}.${feed.format}`, { mode: 0o600 });
  file.on("error", (error) => {
    state = "failed";
    onProblem(problemOf(error));
    closed.resolve();
  });
  file.on("close", () => closed.resolve());

  const put = (bytes: Uint8Array): void => {
    if (state !== "open") return;
    if (file.writableLength + bytes.length > maxBacklogBytes) {
      state = "failed";
      onProblem("disk-slow");
      // What waits is still written.
      file.end();
      return;
    }
    byteLength += bytes.length;
    file.write(bytes);
  };
  const note = (noted: PartInfo): void => {
    try {
      writeFileSync(`${name}.json`, JSON.stringify(noted), { mode: 0o600 });
    } catch (error) {
      onProblem(problemOf(error));
    }
  };

  // Before any packet: after a crash a part without it could not be placed on the media clock.
  note(info);
  put(feed.start);
  const headerBytes = feed.header(header.payload, 0);
  if (headerBytes !== null) put(headerBytes);

  return {
    write({ packet }) {
      put(feed.packet({ ...packet, timestampMs: packet.clockMs - baseMs }));
      lastPtsMs = Math.max(lastPtsMs, packet.clockMs + packet.compositionMs);
    },
    get byteLength() {
      return byteLength;
    },
    async close() {
      if (state === "open") file.end();
      await closed.promise;
      if (state === "open") note({ ...info, lastPtsMs });
      state = "closed";
    },
  };
}

export function problemOf(error: unknown): "disk-full" | "disk-failed" {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT" ? "disk-full" : "disk-failed";
}
