/** Test support: video of any codec from ffmpeg's real encoders, as bodies of Enhanced RTMP video tags, which ffmpeg 5.1 cannot write itself. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LiveVideoCodec } from "../video-tag.ts";

const run = promisify(execFile);

export type EncodedCodec = Exclude<LiveVideoCodec, "vp8">;

export interface EncodedVideo {
  readonly codec: EncodedCodec;
  /** avcC, hvcC, av1C, or vpcC. */
  readonly configuration: Buffer;
  /** In decoding order. */
  readonly packets: readonly EncodedPacket[];
}

export interface EncodedPacket {
  /** Not negative, as RTMP needs it. */
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly keyframe: boolean;
  readonly data: Buffer;
}

export interface EncodeOptions {
  readonly codec: EncodedCodec;
  /** A lavfi source at 30 fps. */
  readonly picture: string;
  readonly seconds: number;
  readonly gopFrames?: number;
  readonly bFrames?: number;
  /** Options that come last and win. */
  readonly encoder?: readonly string[];
}

const FOUR_CC: Readonly<Record<EncodedCodec, string>> = { h264: "avc1", hevc: "hvc1", av1: "av01", vp9: "vp09" };
/** VPCodecConfigurationRecord: profile 0, 8 bits, 4:2:0; ffprobe does not give it. */
const VPCC = Buffer.from("01000000000a820101010000", "hex");

function encoderOf({ codec, gopFrames = 30, bFrames = 0 }: EncodeOptions): readonly string[] {
  const gop = ["-g", String(gopFrames)];
  switch (codec) {
    case "h264":
      return ["-c:v", "libx264", "-preset", "ultrafast", "-bf", String(bFrames), ...gop];
    case "hevc":
      return ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", `log-level=none:keyint=${gopFrames}:min-keyint=${gopFrames}:bframes=${bFrames}:b-adapt=0:scenecut=0:pools=1`];
    case "vp9":
      return ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-lag-in-frames", "0", "-auto-alt-ref", "0", ...gop];
    case "av1":
      return ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-b:v", "1M", "-lag-in-frames", "0", ...gop];
  }
}

export async function encodeVideo(options: EncodeOptions): Promise<EncodedVideo> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-encoded-"));
  try {
    const file = join(folder, "video.mp4");
    await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", options.picture, "-t", String(options.seconds), "-pix_fmt", "yuv420p", "-threads", "1", ...encoderOf(options), ...(options.encoder ?? []), file]);
    const { stdout } = await run("ffprobe", ["-v", "error", "-show_packets", "-show_streams", "-show_data", "-print_format", "json", file], { maxBuffer: 256 << 20 });
    const { packets, streams } = JSON.parse(stdout) as { packets: { pts_time: string; dts_time: string; flags: string; data: string }[]; streams: { extradata?: string }[] };
    const ms = (seconds: string) => Math.round(Number(seconds) * 1_000);
    const shiftMs = Math.max(0, -ms(packets[0]?.dts_time ?? "0"));
    return {
      codec: options.codec,
      configuration: options.codec === "vp9" ? VPCC : bytesOfDump(streams[0]?.extradata ?? ""),
      packets: packets.map(({ pts_time, dts_time, flags, data }) => ({ ptsMs: ms(pts_time) + shiftMs, dtsMs: ms(dts_time) + shiftMs, keyframe: flags.startsWith("K"), data: bytesOfDump(data) })),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** ffprobe's hexadecimal dump. */
function bytesOfDump(dump: string): Buffer {
  return Buffer.from(dump.split("\n").map((line) => line.slice(10, 50).replaceAll(" ", "")).join(""), "hex");
}

export interface EnhancedBody {
  readonly timestampMs: number;
  readonly body: Buffer;
}

/** SequenceStart, then a CodedFrames or CodedFramesX for each packet. */
export function enhancedBodies(video: EncodedVideo): readonly EnhancedBody[] {
  const fourCc = Buffer.from(FOUR_CC[video.codec]);
  const hasComposition = video.codec === "h264" || video.codec === "hevc";
  const start = { timestampMs: 0, body: Buffer.concat([Buffer.from([0x90]), fourCc, video.configuration]) };
  return [
    start,
    ...video.packets.map(({ dtsMs, ptsMs, keyframe, data }) => {
      const compositionMs = ptsMs - dtsMs;
      const withX = hasComposition && compositionMs === 0;
      const composition = Buffer.alloc(hasComposition && !withX ? 3 : 0);
      if (composition.length > 0) composition.writeIntBE(compositionMs, 0, 3);
      return { timestampMs: dtsMs, body: Buffer.concat([Buffer.from([(keyframe ? 0x90 : 0xa0) | (withX ? 3 : 1)]), fourCc, composition, data]) };
    }),
  ];
}

/** The same as a tag of an FLV stream. */
export function enhancedTag({ timestampMs, body }: EnhancedBody): Buffer {
  const tag = Buffer.alloc(11 + body.length + 4);
  tag.writeUInt8(9, 0);
  tag.writeUIntBE(body.length, 1, 3);
  tag.writeUIntBE(timestampMs & 0xff_ff_ff, 4, 3);
  tag.writeUInt8(timestampMs >>> 24, 7);
  body.copy(tag, 11);
  tag.writeUInt32BE(11 + body.length, 11 + body.length);
  return tag;
}
