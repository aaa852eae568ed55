/** The exact ffmpeg arguments of live and recorded decoding: one filter chain for both, so both give the same frames. */
import { SAMPLE_RATE_HZ } from "../types.ts";

/** Largest analysed picture; a larger one is scaled down, a smaller one is never scaled up. */
export const MAX_FRAME_WIDTH_PX = 1280;
export const MAX_FRAME_HEIGHT_PX = 720;

/** Limits of the coded picture. Past them a picture is refused, not decoded. */
export const MIN_SOURCE_SIDE_PX = 32;
export const MAX_SOURCE_SIDE_PX = 8192;

/** What stands before and after `-i INPUT` on ffmpeg's command line. */
export interface FfmpegArguments {
  readonly inputOptions: readonly string[];
  readonly outputOptions: readonly string[];
}

/**
 * Containers that hold media themselves. Playlists and scripts (hls, dash, concat, sdp, image sequences) are left out:
 * they make ffmpeg open further files and addresses of the input's choosing.
 */
const CONTAINERS = "mov,matroska,flv,mpegts,mpeg,avi,ogg,asf,h264,hevc,mpegvideo,m4v,ivf,mjpeg,gif,nut,mxf,rm,wtv";

/** One microsecond, in slots: absorbs the rounding of `t` without moving a frame into a slot it does not belong to. */
const GRID_EPSILON = 0.00001;

/**
 * Keeps the first frame of each slot of the media clock. Choosing by distance from the last chosen frame instead would
 * give 8.3 frames a second at 25 fps and 7.5 at 30 fps with jitter. `resumeAtMs`: frames before it are only proof that
 * a refilled decoder lives, so one a second is enough.
 */
function selectFilter(resumeAtMs: number | undefined): string {
  const slot = (time: string) => `floor(${time}*${SAMPLE_RATE_HZ}+${GRID_EPSILON})`;
  const newSlot = `not(eq(${slot("t")},${slot("prev_selected_t")}))`;
  if (resumeAtMs === undefined) return `select='isnan(prev_selected_t)+${newSlot}'`;
  const newSecond = "not(eq(floor(t),floor(prev_selected_t)))";
  return `select='isnan(prev_selected_t)+if(lt(t,${resumeAtMs / 1000}),${newSecond},${newSlot})'`;
}

/**
 * Keeps the displayed aspect (pixels become square); a wild sample aspect ratio is clipped, for it is the sender's word.
 * One within 2% of square is taken as square: encoders write such from rounded sizes, and resampling every picture for a
 * stretch that nobody sees costs as much as a third of decoding it.
 */
function scaleFilter(): string {
  const shownWidth = "iw*if(lt(abs(sar-1),0.02),1,clip(sar,0.25,4))";
  const factor = `min(1,min(${MAX_FRAME_WIDTH_PX}/(${shownWidth}),${MAX_FRAME_HEIGHT_PX}/ih))`;
  return `scale=w='max(1,round(${shownWidth}*${factor}))':h='max(1,round(ih*${factor}))':flags=bilinear`;
}

/**
 * `showinfo` comes last: its line on stderr gives PTS and size of exactly the picture that follows on stdout.
 * Side data is deleted before it, for it would print a publisher's SEI messages byte by byte.
 */
function outputOptions(resumeAtMs: number | undefined): readonly string[] {
  return [
    // V, not v: the cover art of an audio file is no video.
    "-map", "0:V:0",
    "-fps_mode", "passthrough",
    // Without it ffmpeg scales every later picture to the size of the first, behind showinfo's back.
    "-autoscale", "0",
    // Without it the rawvideo encoder's thread keeps one frame (100 ms) back.
    "-threads", "1",
    "-vf", `${selectFilter(resumeAtMs)},${scaleFilter()},format=rgb24,sidedata=mode=delete,showinfo=checksum=0`,
    "-c:v", "rawvideo",
    "-pix_fmt", "rgb24",
    "-flush_packets", "1",
    "-f", "rawvideo",
  ];
}

/** `level` puts the severity into each line, so that decode errors are counted without matching their text. */
const COMMON = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"] as const;
const MAX_PIXELS = ["-max_pixels", String(MAX_SOURCE_SIDE_PX * MAX_SOURCE_SIDE_PX)] as const;

/** Live packets on stdin, each frame out as soon as it can be. `resumeAtMs`: position in what is fed from which frames are wanted. */
export function liveArguments(options: { readonly format?: "flv" | "ivf"; readonly decoder?: string | null; readonly resumeAtMs?: number } = {}): FfmpegArguments {
  return {
    inputOptions: [
      ...COMMON,
      // The input must not be read ahead; `-fflags nobuffer` would throw the probed keyframe away.
      "-probesize", "32",
      "-analyzeduration", "0",
      "-flags", "low_delay",
      "-threads", "1",
      ...MAX_PIXELS,
      "-protocol_whitelist", "pipe",
      // PTS stay those of what is fed, which the media clock has already made continuous.
      "-copyts",
      "-f", options.format ?? "flv",
      ...(options.decoder ? ["-c:v", options.decoder] : []),
    ],
    outputOptions: outputOptions(options.resumeAtMs),
  };
}

/** A recording, as fast as it is read; `slowedBy` makes its times longer. */
export function recordingArguments(source: RecordingSource, slowedBy = 1): FfmpegArguments {
  const slow = slowedBy === 1 ? [] : ["-itsscale", slowedBy.toFixed(6)];
  return { inputOptions: [...COMMON, "-threads", "1", ...MAX_PIXELS, ...slow, ...inputGuards(source)], outputOptions: outputOptions(undefined) };
}

/** ffprobe's arguments before the input. */
export function probeArguments(source: RecordingSource): readonly string[] {
  return ["-hide_banner", "-loglevel", "quiet", "-print_format", "json", "-show_error", "-show_format", "-show_streams", "-select_streams", "V", ...inputGuards(source)];
}

export interface RecordingSource {
  readonly kind: "file" | "url";
  /** What ffmpeg is given after `-i`. */
  readonly input: string;
}

/** A path is forced to be a path (`file:`), whatever it looks like; only http and https count as URLs. */
export function recordingSource(pathOrUrl: string): RecordingSource {
  return /^https?:\/\//i.test(pathOrUrl) ? { kind: "url", input: pathOrUrl } : { kind: "file", input: `file:${pathOrUrl}` };
}

/** Which protocols and containers an input may use; for any ffmpeg that reads what a user named. */
export function inputGuards(source: RecordingSource): readonly string[] {
  const protocols = source.kind === "url" ? "http,https,tcp,tls" : "file,pipe";
  // rw_timeout in microseconds: a server that stops sending must not hold the analysis for ever.
  const timeout = source.kind === "url" ? ["-rw_timeout", "15000000"] : [];
  return ["-protocol_whitelist", protocols, "-format_whitelist", CONTAINERS, ...timeout];
}

export type PictureSizeVerdict = { readonly kind: "ok" } | { readonly kind: "refused"; readonly message: string };

/** Whether a coded picture of this size is analysed at all. */
export function judgePictureSize(widthPx: number, heightPx: number): PictureSizeVerdict {
  if (widthPx < MIN_SOURCE_SIDE_PX || heightPx < MIN_SOURCE_SIDE_PX) {
    return { kind: "refused", message: `The picture is ${widthPx}x${heightPx}; at least ${MIN_SOURCE_SIDE_PX}x${MIN_SOURCE_SIDE_PX} is needed.` };
  }
  if (widthPx > MAX_SOURCE_SIDE_PX || heightPx > MAX_SOURCE_SIDE_PX) {
    return { kind: "refused", message: `The picture is ${widthPx}x${heightPx}; at most ${MAX_SOURCE_SIDE_PX}x${MAX_SOURCE_SIDE_PX} is accepted.` };
  }
  return { kind: "ok" };
}
