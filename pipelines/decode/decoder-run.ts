/** The life of one live ffmpeg: packets in with timestamps of its own, frames out on the stream's clock, a bounded backlog. */
import { Readable } from "node:stream";
import { TruecastError } from "../errors.ts";
import { SLOT_MS } from "../types.ts";
import { readDecoderLogLine } from "./decoder-log.ts";
import { liveArguments } from "./ffmpeg-arguments.ts";
import { type FfmpegExit, startFfmpeg } from "./ffmpeg-process.ts";
import { decoderFeed } from "./decoder-feed.ts";
import { createFrameAssembler } from "./frame-assembler.ts";
import type { ClockedPacket, VideoHeader } from "./packet-history.ts";
import type { LiveVideoCodec } from "./video-tag.ts";

export interface RunFrame {
  readonly ptsMs: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Uint8Array;
}

export interface DecoderRun {
  readonly pid: number | null;
  readonly codec: LiveVideoCodec;
  readonly exited: Promise<FfmpegExit>;
  /** Returns false when the packet was dropped: the decoder is behind, and everything up to a later keyframe goes too. */
  feed(packet: ClockedPacket): boolean;
  /** A new sequence header of the same codec; ffmpeg takes it in its stride, new picture size included. */
  feedHeader(payload: Uint8Array): void;
  /** True once the timestamps of this run near their 32 bits (after 24 days). */
  isSpent(clockMs: number): boolean;
  /** No more packets: what is in the decoder comes out, then it ends by itself; one that does not is stopped. */
  finish(): Promise<FfmpegExit>;
  stop(options?: { readonly termGraceMs?: number }): Promise<FfmpegExit>;
}

export interface DecoderRunOptions {
  readonly header: VideoHeader;
  /** Packets to begin with; the first is a keyframe. */
  readonly packets: readonly ClockedPacket[];
  /** Frames before this position of the clock are wanted only as a sign of life. */
  readonly resumeAtMs: number | null;
  /** Bytes that may wait for the decoder, beyond the packets to begin with. */
  readonly maxBacklogBytes: number;
  /** How far the frames may lie behind the packets while packets wait. */
  readonly maxBacklogMs: number;
  readonly onFrame: (frame: RunFrame) => void;
  readonly onDecodeError: (message: string) => void;
}

const DRAIN_TIMEOUT_MS = 2000;
const SPENT_AFTER_MS = 2 ** 31;

export function startDecoderRun(options: DecoderRunOptions): DecoderRun {
  const first = options.packets[0];
  if (!first) throw new TruecastError("internal", "A decoder needs a keyframe to begin with.");
  // On the grid, so that ffmpeg's slots are the clock's slots.
  const baseMs = Math.floor(first.clockMs / SLOT_MS) * SLOT_MS;
  const { codec } = options.header;
  const container = decoderFeed(codec);
  const input = new Readable({ read() {} });
  let newestMs = 0;
  let replayBytes = 0;
  let newestFrameMs: number | null = null;
  let dropping = false;
  let finishing: Promise<FfmpegExit> | null = null;

  const assembler = createFrameAssembler(({ rawPtsMs, widthPx, heightPx, rgb }) => {
    // Without a PTS of its own a frame belongs to what was fed last; the slot gate sorts it out.
    const ptsMs = baseMs + (rawPtsMs ?? newestMs);
    newestFrameMs = ptsMs;
    options.onFrame({ ptsMs, widthPx, heightPx, rgb });
    return true;
  });

  const ffmpeg = startFfmpeg({
    input,
    arguments: liveArguments({ format: container.format, decoder: container.decoder, ...(options.resumeAtMs === null ? {} : { resumeAtMs: options.resumeAtMs - baseMs }) }),
    onOutput: (chunk, taken) => assembler.pixels(chunk, taken),
    onLogLine(line) {
      const entry = readDecoderLogLine(line);
      if (entry.kind === "error") options.onDecodeError(entry.message);
      // Both containers count milliseconds, and `-copyts` keeps them.
      else if (entry.kind === "frame") announce({ rawPtsMs: entry.pts, widthPx: entry.widthPx, heightPx: entry.heightPx });
    },
  });

  function announce(announcement: Parameters<typeof assembler.announce>[0]): void {
    try {
      assembler.announce(announcement);
    } catch (error) {
      options.onDecodeError(error instanceof Error ? error.message : String(error));
      // Its exit is seen by the owner, who starts another.
      void ffmpeg.stop();
    }
  }

  /** Packets waiting alone are no lateness, nor is a slow stream whose frames lie far apart. */
  function isLate(packet: ClockedPacket, backlogBytes: number): boolean {
    return backlogBytes > 0 && replayBytes === 0 && newestFrameMs !== null && packet.clockMs - newestFrameMs > options.maxBacklogMs;
  }

  function write(packet: ClockedPacket): void {
    newestMs = packet.clockMs - baseMs;
    input.push(container.packet({ ...packet, timestampMs: newestMs }));
  }

  function feedHeader(payload: Uint8Array): void {
    const bytes = container.header(payload, newestMs);
    if (bytes !== null) input.push(bytes);
  }

  input.push(container.start);
  feedHeader(options.header.payload);
  for (const packet of options.packets) write(packet);
  replayBytes = input.readableLength;

  return {
    get pid() {
      return ffmpeg.pid;
    },
    codec,
    exited: ffmpeg.exited,
    feed(packet) {
      const backlogBytes = input.readableLength;
      replayBytes = Math.min(replayBytes, backlogBytes);
      if (backlogBytes - replayBytes > options.maxBacklogBytes || isLate(packet, backlogBytes)) dropping = true;
      else if (packet.kind === "keyframe") dropping = false;
      if (dropping) return false;
      write(packet);
      return true;
    },
    feedHeader,
    isSpent: (clockMs) => clockMs - baseMs > SPENT_AFTER_MS,
    finish() {
      finishing ??= finishDraining();
      return finishing;
    },
    stop: (stopOptions) => ffmpeg.stop(stopOptions),
  };

  async function finishDraining(): Promise<FfmpegExit> {
    input.push(null);
    const timer = setTimeout(() => void ffmpeg.stop(), DRAIN_TIMEOUT_MS);
    const exit = await ffmpeg.finished;
    clearTimeout(timer);
    return exit;
  }
}
