/** From recorded packets to a file that players take, by ffmpeg, which copies them and decodes nothing. */
import { spawn } from "node:child_process";
import { TruecastError } from "../../pipelines/errors.ts";

/** Where a codec's packets can be played: one table, like `decoderFeed` on the way in. */
const CONTAINERS: Readonly<Record<string, { readonly format: string; readonly suffix: string; readonly mediaType: string }>> = {
  vp8: { format: "webm", suffix: "webm", mediaType: "video/webm" },
  vp9: { format: "webm", suffix: "webm", mediaType: "video/webm" },
};
const MP4 = { format: "mp4", suffix: "mp4", mediaType: "video/mp4" };

export function containerOf(codec: string): { readonly format: string; readonly suffix: string; readonly mediaType: string } {
  return CONTAINERS[codec] ?? MP4;
}

export interface RemuxOptions {
  readonly input: string;
  /** What the recorder wrote, never guessed from the bytes. */
  readonly inputFormat: string;
  readonly codec: string;
  readonly output: string;
  readonly signal?: AbortSignal;
}

export function remuxArguments({ input, inputFormat, codec, output }: RemuxOptions): readonly string[] {
  const { format } = containerOf(codec);
  // Fragments that begin with keyframes: half a file still plays.
  const layout = format === "mp4" ? ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"] : [];
  return [
    "-nostdin", "-hide_banner", "-loglevel", "error", "-y",
    // The file's bytes are a stranger's: they may name no other file and no address.
    "-protocol_whitelist", "file", "-f", inputFormat, "-i", `file:${input}`,
    "-map", "0:v:0", "-c", "copy", "-map_metadata", "-1", "-fflags", "+bitexact",
    ...layout, "-f", format, `file:${output}`,
  ];
}

/** @throws TruecastError evidence-failed */
export async function remux(options: RemuxOptions): Promise<void> {
  const child = spawn(process.env["FFMPEG_PATH"] ?? "ffmpeg", remuxArguments(options), { stdio: ["ignore", "ignore", "pipe"], signal: options.signal, killSignal: "SIGKILL" });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-1_000);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", (error) => reject(new TruecastError("evidence-failed", `ffmpeg could not be run on ${options.input}`, { cause: error })));
  child.once("close", (code, signal) => {
    if (code === 0) resolve();
    else reject(new TruecastError("evidence-failed", `ffmpeg ended with ${code ?? signal} on ${options.input}: ${complaint.trim()}`));
  });
  await promise;
}
