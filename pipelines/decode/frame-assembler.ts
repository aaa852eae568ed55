/**
 * Pairs the two pipes of one ffmpeg: raw pixels on stdout and one announcement a frame (PTS, size) on stderr.
 * ffmpeg writes each announcement before its pixels, but the pipes are read independently, so either may be seen first.
 */
import { TruecastError } from "../errors.ts";
import { MAX_FRAME_HEIGHT_PX, MAX_FRAME_WIDTH_PX } from "./ffmpeg-arguments.ts";

export interface FrameAnnouncement {
  readonly rawPtsMs: number | null;
  readonly widthPx: number;
  readonly heightPx: number;
}

export interface AssembledFrame extends FrameAnnouncement {
  readonly rgb: Uint8Array;
}

export interface FrameAssembler {
  /** @throws TruecastError decoder-exited when the decoder announces more than can be true; it must be ended then. */
  announce(announcement: FrameAnnouncement): void;
  /** `taken` is called once the chunk is no longer needed; withholding it is what slows a recording's ffmpeg down. */
  pixels(chunk: Uint8Array, taken: () => void): void;
  /** Goes on after `onFrame` returned false. */
  resume(): void;
  /** True when every announced frame has been delivered whole. */
  readonly settled: boolean;
}

/** ffmpeg is at most a pipe's content (64 KiB of lines) ahead of the pixels. */
const MAX_WAITING_ANNOUNCEMENTS = 4096;
const BYTES_PER_PIXEL = 3;

/** `onFrame` returns false to be given nothing more until `resume()`. */
export function createFrameAssembler(onFrame: (frame: AssembledFrame) => boolean): FrameAssembler {
  const waiting: FrameAnnouncement[] = [];
  const chunks: { readonly bytes: Uint8Array; offset: number; readonly taken: () => void }[] = [];
  let open: { readonly announcement: FrameAnnouncement; readonly rgb: Uint8Array; filled: number } | null = null;
  let held = false;

  function assemble(): void {
    while (!held) {
      const chunk = chunks[0];
      if (!chunk) return;
      if (!open) {
        const announcement = waiting.shift();
        if (!announcement) return;
        // Unpooled, so that the buffer is the frame's alone and may be transferred to a worker; every byte is overwritten.
        const rgb = new Uint8Array(Buffer.allocUnsafeSlow(announcement.widthPx * announcement.heightPx * BYTES_PER_PIXEL).buffer);
        open = { announcement, rgb, filled: 0 };
      }
      const take = Math.min(open.rgb.length - open.filled, chunk.bytes.length - chunk.offset);
      open.rgb.set(chunk.bytes.subarray(chunk.offset, chunk.offset + take), open.filled);
      open.filled += take;
      chunk.offset += take;
      if (chunk.offset === chunk.bytes.length) {
        chunks.shift();
        chunk.taken();
      }
      if (open.filled === open.rgb.length) {
        const frame = { ...open.announcement, rgb: open.rgb };
        open = null;
        held = !onFrame(frame);
      }
    }
  }

  return {
    announce(announcement) {
      const { widthPx, heightPx } = announcement;
      if (widthPx < 1 || heightPx < 1 || widthPx > MAX_FRAME_WIDTH_PX || heightPx > MAX_FRAME_HEIGHT_PX) {
        throw new TruecastError("decoder-exited", `The decoder announced a frame of ${widthPx}x${heightPx}.`);
      }
      if (waiting.length >= MAX_WAITING_ANNOUNCEMENTS) throw new TruecastError("decoder-exited", "The decoder announces frames but sends no pixels.");
      waiting.push(announcement);
      assemble();
    },
    pixels(bytes, taken) {
      chunks.push({ bytes, offset: 0, taken });
      assemble();
    },
    resume() {
      held = false;
      assemble();
    },
    get settled() {
      return waiting.length === 0 && open === null && chunks.length === 0;
    },
  };
}
