/** Test support: FLV made by the real ffmpeg, and its tags played into a decoder at the speed of a clock. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type FlvTag, createFlvReader, encodeFlvTag, flvHeader } from "./flv-reader.ts";

const run = promisify(execFile);

/** A picture whose grey says which frame of a 30 fps stream it is; see `frameNumberMatches`. */
export const NUMBERED_PICTURE = "nullsrc=s=64x64:r=30,geq=lum='16+mod(N*7,210)':cb=128:cr=128";

/** Whether the pixels are those of the frame that the PTS names: one frame off is 8 shades off. */
export function frameNumberMatches(frame: { readonly ptsMs: number; readonly rgb: Uint8Array }): boolean {
  const number = Math.round((frame.ptsMs * 30) / 1000);
  const shade = ((number * 7) % 210) * (255 / 219);
  return Math.abs((frame.rgb[frame.rgb.length >> 1] ?? -1) - shade) < 4;
}

export interface FlvFixtureOptions {
  /** A lavfi source; `size` and `fps` belong to the default one. */
  readonly picture?: string;
  readonly size?: string;
  readonly fps?: number | string;
  readonly seconds?: number;
  readonly gopFrames?: number;
  readonly encoder?: readonly string[];
}

/** The tags of an H.264 test picture; `encoder` options come last and win. */
export async function makeFlvTags(options: FlvFixtureOptions = {}): Promise<readonly FlvTag[]> {
  return createFlvReader().push(await makeFlv(options));
}

export async function makeFlv(options: FlvFixtureOptions = {}): Promise<Buffer> {
  const { size = "320x180", fps = 30, picture = `testsrc2=s=${size}:r=${fps}`, seconds = 4, gopFrames = 30, encoder = [] } = options;
  const x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", String(gopFrames), "-pix_fmt", "yuv420p", "-threads", "1"];
  const input = ["-f", "lavfi", "-i", picture, "-t", String(seconds)];
  const { stdout } = await run("ffmpeg", ["-hide_banner", "-loglevel", "error", ...input, ...x264, ...encoder, "-f", "flv", "pipe:1"], { encoding: "buffer", maxBuffer: 64 << 20 });
  return stdout;
}

export function videoTags(tags: readonly FlvTag[]): readonly FlvTag[] {
  return tags.filter((tag) => tag.codec !== null && (tag.kind === "sequence-header" || tag.kind === "keyframe" || tag.kind === "inter"));
}

/** FLV bytes of one H.264 tag, moved in time. */
export function tagBytes(tag: FlvTag, shiftMs = 0): Buffer {
  const kind = tag.kind === "sequence-header" || tag.kind === "keyframe" ? tag.kind : "inter";
  return encodeFlvTag({ kind, timestampMs: tag.timestampMs + shiftMs, compositionMs: tag.compositionMs, payload: tag.payload });
}

export interface Player extends AsyncDisposable {
  /** Resolves when all tags were played (never, for a looped player). */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

/** Plays tags at `speed` times their own pace; `loop` begins again with timestamps that go on. */
export function playTags(tags: readonly FlvTag[], write: (bytes: Uint8Array) => void, options: { readonly speed?: number; readonly loop?: boolean; readonly header?: boolean } = {}): Player {
  const { speed = 1, loop = false, header = true } = options;
  const stopped = new AbortController();
  const video = videoTags(tags);
  const lengthMs = (video.at(-1)?.timestampMs ?? 0) + 33;

  async function play(): Promise<void> {
    const startedAtMs = performance.now();
    if (header) write(flvHeader());
    for (let round = 0; round === 0 || loop; round++) {
      for (const tag of video) {
        const dueMs = (tag.timestampMs + round * lengthMs) / speed;
        const waitMs = startedAtMs + dueMs - performance.now();
        if (waitMs > 1) await delay(waitMs);
        if (stopped.signal.aborted) return;
        write(tagBytes(tag, round * lengthMs));
      }
    }
  }

  const done = play();
  const stop = async (): Promise<void> => {
    stopped.abort();
    await done;
  };
  return { done, stop, [Symbol.asyncDispose]: stop };
}

/** Pids of the ffmpeg processes that this process has started and that still exist. */
export async function ffmpegChildren(): Promise<number[]> {
  const list = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
  const pids = list.trim().split(" ").filter((pid) => pid !== "").map(Number);
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")));
  return pids.filter((_, i) => names[i]?.trim() === "ffmpeg");
}
