/** The exact ffmpeg arguments that turn a source into H.264 in FLV. Pure. */
import { MAX_FRAME_HEIGHT_PX, MAX_FRAME_WIDTH_PX, MAX_SOURCE_SIDE_PX } from "../../../pipelines/decode/ffmpeg-arguments.ts";
import { SAMPLE_RATE_HZ } from "../../../pipelines/types.ts";

export type PullInput =
  /** Standard input; nothing may be opened at all. */
  | { readonly kind: "stdin"; readonly format: "flv" | "mpegts" | "mov"; readonly pace: "live" | "bursts" }
  /** A relay on loopback. */
  | { readonly kind: "rtsp" | "rtmp"; readonly url: string; readonly tcUrl?: string }
  /** `url` names a literal address. */
  | { readonly kind: "srt"; readonly url: string }
  /** Descriptor 3, opened by us. */
  | { readonly kind: "file"; readonly loop: boolean };

/** Containers that hold media themselves; none that opens further files (playlists, concat, image sequences). */
const FILE_CONTAINERS = "mov,matroska,flv,mpegts,mpeg,avi,ogg,asf,h264,hevc,mpegvideo,m4v,ivf,nut,mxf";
export const FILE_DESCRIPTOR = 3;

const COMMON = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-max_pixels", String(MAX_SOURCE_SIDE_PX * MAX_SOURCE_SIDE_PX)] as const;
/**
 * Codec and size must be known before the first byte goes out; the rate need not. Live formats do not say that all has been
 * seen, so ffmpeg always looks for the whole of this time: a second, and only where that was too short to meet a keyframe, long.
 */
const PROBE = { short: ["-probesize", "2000000", "-analyzeduration", "1000000"], long: ["-probesize", "20000000", "-analyzeduration", "12000000"] } as const;

export interface PullModes {
  readonly transcode: boolean;
  readonly probe: keyof typeof PROBE;
  readonly readTimeoutMs: number;
}

export function pullArguments(input: PullInput, { transcode, probe, readTimeoutMs }: PullModes): readonly string[] {
  return [...COMMON, ...PROBE[probe], "-fpsprobesize", "0", ...inputOptions(input, readTimeoutMs), ...outputOptions(transcode, input.kind === "rtsp")];
}

function inputOptions(input: PullInput, readTimeoutMs: number): readonly string[] {
  const only = (protocols: string): readonly string[] => ["-protocol_whitelist", protocols];
  const timeoutUs = String(readTimeoutMs * 1_000);
  switch (input.kind) {
    case "stdin":
      // A segment holds seconds that arrive at once; `-re` gives them out as they happened.
      return [...only("pipe"), ...(input.pace === "bursts" ? ["-re"] : []), "-f", input.format, "-i", "pipe:0"];
    case "rtsp":
      return [...only("tcp"), "-rtsp_transport", "tcp", "-allowed_media_types", "video", "-timeout", timeoutUs, "-f", "rtsp", "-i", input.url];
    case "rtmp":
      return [...only("rtmp,tcp"), "-rw_timeout", timeoutUs, "-rtmp_live", "live", ...(input.tcUrl === undefined ? [] : ["-rtmp_tcurl", input.tcUrl]), "-f", "flv", "-i", input.url];
    case "srt":
      return [...only("srt"), "-f", "mpegts", "-i", input.url];
    case "file":
      return [...only("file"), "-format_whitelist", FILE_CONTAINERS, "-re", ...(input.loop ? ["-stream_loop", "-1"] : []), "-i", `file:/dev/fd/${FILE_DESCRIPTOR}`];
  }
}

/**
 * RTP carries one timestamp, and a server's first packets may have none: FLV refuses both. What is missing is made up until
 * the true ones come; it concerns the first few packets of pictures that are not in the order of their times.
 */
const MADE_UP_TIMES = "setts=pts=if(eq(PTS\\,NOPTS)\\,0\\,PTS):dts=if(eq(N\\,0)\\,if(eq(DTS\\,NOPTS)\\,-9000\\,DTS)\\,if(eq(DTS\\,NOPTS)\\,PREV_OUTDTS+1\\,max(DTS\\,PREV_OUTDTS+1)))";

function outputOptions(transcode: boolean, isRtp: boolean): readonly string[] {
  return [
    // V, not v: cover art is no video.
    "-map", "0:V:0", "-an", "-sn", "-dn",
    ...(transcode ? encoding() : ["-c:v", "copy", ...(isRtp ? ["-bsf:v", MADE_UP_TIMES] : [])]),
    "-map_metadata", "-1", "-flvflags", "no_duration_filesize", "-flush_packets", "1", "-f", "flv", "pipe:1",
  ];
}

/** At the rate and size at which frames are analysed, so that no more is encoded than is looked at; a keyframe every two seconds. */
function encoding(): readonly string[] {
  const slot = (time: string): string => `floor(${time}*${SAMPLE_RATE_HZ}+0.00001)`;
  const select = `select='isnan(prev_selected_t)+not(eq(${slot("t")},${slot("prev_selected_t")}))'`;
  const scale = `scale=w='trunc(iw*min(1,min(${MAX_FRAME_WIDTH_PX}/iw,${MAX_FRAME_HEIGHT_PX}/ih))/2)*2':h='trunc(ih*min(1,min(${MAX_FRAME_WIDTH_PX}/iw,${MAX_FRAME_HEIGHT_PX}/ih))/2)*2':flags=bilinear`;
  return ["-fps_mode", "passthrough", "-threads", "1", "-vf", `${select},${scale},format=yuv420p`, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-crf", "18", "-g", String(2 * SAMPLE_RATE_HZ), "-threads", "1"];
}

const VIDEO_STREAM = /^\[info\] +Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\([\w-]+\))?: Video: (\w+)(?!.*\(attached pic\))/;
const ERROR_LINE = /^(?:\[[^\]]+ @ [^\]]+\] )*\[(?:error|fatal|panic)\] (.*)/;

/** What a line of ffmpeg's log says of the source. Text of the source itself is printed indented further, so it cannot pass for these. */
export function readPullLogLine(line: string): { readonly kind: "codec"; readonly codec: string } | { readonly kind: "error"; readonly message: string } | null {
  const codec = VIDEO_STREAM.exec(line)?.[1];
  if (codec !== undefined) return { kind: "codec", codec };
  const message = ERROR_LINE.exec(line)?.[1];
  return message === undefined ? null : { kind: "error", message };
}
