import { execFile } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { makeFlv } from "../../pipelines/decode/flv-fixture.ts";
import { remux, remuxArguments } from "./remux.ts";
import { freshFolder } from "./testing/sealed.ts";

const run = promisify(execFile);

async function probe(file: string): Promise<{ format: { format_name: string; start_time: string }; streams: { codec_name: string; nb_read_packets: string }[] }> {
  const { stdout } = await run("ffprobe", ["-v", "error", "-count_packets", "-show_entries", "format=format_name,start_time:stream=codec_name,nb_read_packets", "-of", "json", file]);
  return JSON.parse(stdout) as never;
}

test("ffmpeg is told its formats, may open nothing but files, and copies", () => {
  expect(remuxArguments({ input: "/e/part-0.flv", inputFormat: "flv", codec: "h264", output: "/e/clip.mp4" }).join(" ")).toBe(
    "-nostdin -hide_banner -loglevel error -y -protocol_whitelist file -f flv -i file:/e/part-0.flv -map 0:v:0 -c copy -map_metadata -1 -fflags +bitexact -movflags +frag_keyframe+empty_moov+default_base_moof -f mp4 file:/e/clip.mp4",
  );
  expect(remuxArguments({ input: "/e/part-0.ivf", inputFormat: "ivf", codec: "vp8", output: "/e/clip.webm" }).join(" ")).toContain("-f ivf -i file:/e/part-0.ivf -map 0:v:0 -c copy -map_metadata -1 -fflags +bitexact -f webm");
});

test("H.264 with B-frames becomes MP4 of the same packets, its times those of the part", async () => {
  const folder = await freshFolder();
  await writeFile(join(folder, "part-0.flv"), await makeFlv({ seconds: 2, encoder: ["-tune", "film", "-bf", "2"] }));
  await remux({ input: join(folder, "part-0.flv"), inputFormat: "flv", codec: "h264", output: join(folder, "clip.mp4") });
  const [before, after] = [await probe(join(folder, "part-0.flv")), await probe(join(folder, "clip.mp4"))];
  expect(after.streams).toEqual(before.streams);
  expect(after.format.start_time).toBe(before.format.start_time);
  const { stdout: md5 } = await run("ffmpeg", ["-nostdin", "-v", "error", "-i", join(folder, "part-0.flv"), "-f", "framemd5", "-"]);
  const { stdout: md5After } = await run("ffmpeg", ["-nostdin", "-v", "error", "-i", join(folder, "clip.mp4"), "-f", "framemd5", "-"]);
  const pictures = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("0,")).map((line) => line.split(",").at(-1)?.trim() ?? "");
  expect(pictures(md5After)).toEqual(pictures(md5));
  expect(pictures(md5)).toHaveLength(60);
});

test("VP8 becomes WebM", async () => {
  const folder = await freshFolder();
  await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=30", "-t", "1", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-f", "ivf", join(folder, "part-0.ivf")]);
  await remux({ input: join(folder, "part-0.ivf"), inputFormat: "ivf", codec: "vp8", output: join(folder, "clip.webm") });
  const { format, streams } = await probe(join(folder, "clip.webm"));
  expect([format.format_name, streams[0]?.codec_name, streams[0]?.nb_read_packets]).toEqual(["matroska,webm", "vp8", "30"]);
});

test("half a part, as a crash leaves it, still becomes a clip", async () => {
  const folder = await freshFolder();
  const whole = await makeFlv({ seconds: 3 });
  await writeFile(join(folder, "part-0.flv"), whole.subarray(0, Math.floor(whole.length / 2)));
  await remux({ input: join(folder, "part-0.flv"), inputFormat: "flv", codec: "h264", output: join(folder, "clip.mp4") });
  expect(Number((await probe(join(folder, "clip.mp4"))).streams[0]?.nb_read_packets)).toBeGreaterThan(30);
});

test("a concatenation script or playlist that poses as packets opens nothing", async () => {
  const folder = await freshFolder();
  await writeFile(join(folder, "secret.txt"), "secret");
  for (const text of [`ffconcat version 1.0\nfile ${join(folder, "secret.txt")}\n`, "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"]) {
    await writeFile(join(folder, "part-0.flv"), text);
    await expect(remux({ input: join(folder, "part-0.flv"), inputFormat: "flv", codec: "h264", output: join(folder, "clip.mp4") })).rejects.toMatchObject({ code: "evidence-failed" });
  }
  expect(await readdir(folder)).not.toContain("secret.txt.mp4");
});
