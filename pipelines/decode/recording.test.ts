import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type Server, createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Frame } from "../types.ts";
import { NUMBERED_PICTURE, ffmpegChildren, frameNumberMatches } from "./flv-fixture.ts";
import { openRecording } from "./recording.ts";

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "truecast-recording-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function make(name: string, picture: string, output: readonly string[] = []): Promise<string> {
  const path = join(folder, name);
  await run("ffmpeg", ["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", ...output, path]);
  return path;
}

async function framesOf(pathOrUrl: string): Promise<Frame[]> {
  await using recording = await openRecording(pathOrUrl);
  const frames: Frame[] = [];
  for await (const frame of recording.frames()) frames.push(frame);
  return frames;
}

it.each(["24", "25", "30000/1001", "30", "50", "60"])("gives one frame a slot, ten a second, from %s fps", async (fps) => {
  const frames = await framesOf(await make(`rate-${fps.replace("/", "-")}.mp4`, `testsrc2=s=64x64:r=${fps}:d=3`));
  expect(frames.map((frame) => Math.floor(frame.ptsMs / 100))).toEqual(Array.from({ length: 30 }, (_, slot) => slot));
});

it("gives each frame the PTS of its own pixels, B-frames or not", async () => {
  const frames = await framesOf(await make("numbered.mp4", `${NUMBERED_PICTURE},trim=duration=4`, ["-preset", "veryfast", "-bf", "3", "-g", "30"]));
  expect(frames).toHaveLength(40);
  expect(frames.filter((frame) => !frameNumberMatches(frame))).toEqual([]);
});

it.each([
  ["1920x1080", "1280x720"],
  ["1080x1920", "405x720"],
  ["4096x4096", "720x720"],
  ["640x360", "640x360"],
  ["101x77", "101x77"],
])("scales %s to %s: down when too large, never up, aspect kept", async (size, expected) => {
  const [frame] = await framesOf(await make(`size-${size}.mp4`, `testsrc=s=${size}:r=10:d=0.2`, ["-pix_fmt", "yuv444p"]));
  expect(`${frame?.widthPx}x${frame?.heightPx}`).toBe(expected);
  expect(frame?.rgb.length).toBe((frame?.widthPx ?? 0) * (frame?.heightPx ?? 0) * 3);
});

it("makes pixels square and turns the picture as its rotation says", async () => {
  const [wide] = await framesOf(await make("anamorphic.mp4", "testsrc2=s=720x576:r=10:d=0.2,setsar=64/45"));
  expect(`${wide?.widthPx}x${wide?.heightPx}`).toBe("1024x576");
  const flat = await make("flat.mp4", "testsrc2=s=320x180:r=10:d=0.2");
  const turned = join(folder, "turned.mp4");
  await run("ffmpeg", ["-hide_banner", "-loglevel", "error", "-i", flat, "-c", "copy", "-metadata:s:v", "rotate=90", turned]);
  const [upright] = await framesOf(turned);
  expect(`${upright?.widthPx}x${upright?.heightPx}`).toBe("180x320");
});

it("follows a picture size that changes in the middle of a file", async () => {
  const parts = await Promise.all(["320x180", "180x320"].map((size) => make(`part-${size}.ts`, `testsrc2=s=${size}:r=30:d=1`, ["-f", "mpegts"])));
  const whole = join(folder, "whole.ts");
  await writeFile(whole, Buffer.concat(await Promise.all(parts.map((part) => readFile(part)))));
  const sizes = (await framesOf(whole)).map((frame) => `${frame.widthPx}x${frame.heightPx}`);
  expect(new Set(sizes)).toEqual(new Set(["320x180", "180x320"]));
  expect(sizes.length).toBeGreaterThanOrEqual(19);
});

it("says duration, coded size and codec before anything is decoded", async () => {
  await using recording = await openRecording(await make("info.mp4", "testsrc2=s=320x180:r=30:d=2"));
  expect(recording.info).toEqual({ durationMs: 2000, widthPx: 320, heightPx: 180, codec: "h264", slowedBy: 1 });
  expect(await ffmpegChildren()).toEqual([]);
});

it.each([
  { fps: "30", seconds: 2, frames: 60, slowedBy: 3 },
  { fps: "25", seconds: 5, frames: 100, slowedBy: 2 },
  { fps: "8", seconds: 2, frames: 16, slowedBy: 1 },
])("looks at $frames frames of $seconds s at $fps fps when short recordings are slowed", async ({ fps, seconds, frames, slowedBy }) => {
  await using recording = await openRecording(await make(`slow-${fps}.mp4`, `testsrc2=s=64x64:r=${fps}:d=${seconds}`), { slowShort: true });
  expect(recording.info.slowedBy).toBeCloseTo(slowedBy, 3);
  const times: number[] = [];
  for await (const frame of recording.frames()) times.push(frame.ptsMs);
  expect(times.length).toBe(frames);
  expect(times.at(-1)! / slowedBy).toBeCloseTo(seconds * 1000 - 1000 / Number(fps), -1);
});

it("does not slow a recording that fills a horizon", async () => {
  await using recording = await openRecording(await make("ten.mp4", "testsrc2=s=64x64:r=25:d=10"), { slowShort: true });
  expect(recording.info.slowedBy).toBe(1);
});

it("lets ffmpeg wait while nobody asks for the next frame, and still gives them all", async () => {
  await using recording = await openRecording(await make("long.mp4", "testsrc2=s=640x360:r=10:d=20"));
  const frames = recording.frames();
  await frames.next();
  const cpuTicks = async () => {
    const [pid] = await ffmpegChildren();
    return (await readFile(`/proc/${pid}/stat`, "utf8")).split(" ")[13];
  };
  await expect.poll(async () => (await cpuTicks()) === (await cpuTicks())).toBe(true);
  let count = 1;
  for await (const frame of frames) count += frame.rgb.length > 0 ? 1 : 0;
  expect(count).toBe(200);
});

it("ends ffmpeg when the loop is left, when it is closed and when it is aborted", async () => {
  const path = await make("leave.mp4", "testsrc2=s=640x360:r=10:d=20");
  for await (const frame of (await openRecording(path)).frames()) {
    expect(frame.ptsMs).toBe(0);
    break;
  }
  expect(await ffmpegChildren()).toEqual([]);

  const forgotten = await openRecording(path);
  await forgotten.frames().next();
  await forgotten.close();
  expect(await ffmpegChildren()).toEqual([]);

  const closed = await openRecording(path);
  const frames = closed.frames();
  await frames.next();
  await Promise.all([closed.close(), expect(async () => { for await (const frame of frames) expect(frame.ptsMs).toBeLessThan(1000); }).rejects.toMatchObject({ name: "AbortError" })]);
  expect(await ffmpegChildren()).toEqual([]);

  const abort = new AbortController();
  await expect(async () => {
    for await (const frame of (await openRecording(path, { signal: abort.signal })).frames()) if (frame.ptsMs >= 300) abort.abort();
  }).rejects.toMatchObject({ name: "AbortError" });
  expect(await ffmpegChildren()).toEqual([]);
});

it.each([
  ["input-not-found", "missing.mp4", null],
  ["input-empty", "empty.mp4", ""],
  ["input-not-media", "text.mp4", "nothing but text\n".repeat(100)],
  // Would make ffmpeg open other files and addresses.
  ["input-not-media", "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n"],
  ["input-not-media", "list.ffconcat", "ffconcat version 1.0\nfile flat.mp4\n"],
])("answers %s for %s, naming the input", async (code, name, content) => {
  const path = join(folder, name);
  if (content !== null) await writeFile(path, content);
  await expect(openRecording(path)).rejects.toMatchObject({ code, message: expect.stringContaining(name) });
});

it("refuses sound without a picture, a directory, and a picture of 16x16", async () => {
  const sound = join(folder, "sound.mp4");
  await run("ffmpeg", ["-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", "sine=d=0.2", sound]);
  await expect(openRecording(sound)).rejects.toMatchObject({ code: "input-not-media" });
  await expect(openRecording(folder)).rejects.toMatchObject({ code: "input-not-media" });
  await expect(openRecording(await make("tiny.mp4", "color=s=16x16:d=0.2"))).rejects.toMatchObject({ code: "picture-size-refused" });
});

it("calls a file of which not one frame can be decoded input-not-media, although ffmpeg exits with 0", async () => {
  const whole = await readFile(await make("gone.mp4", "testsrc2=s=320x180:r=30:d=1", ["-movflags", "+faststart"]));
  const path = join(folder, "hollow.mp4");
  await writeFile(path, whole.fill(0, whole.indexOf("mdat") + 4));
  const recording = await openRecording(path);
  await expect(recording.frames().next()).rejects.toMatchObject({ code: "input-not-media", message: expect.stringContaining("hollow.mp4") });
  expect(recording.decodeErrors).toBeGreaterThan(0);
});

it("gives the frames that a truncated file still holds", async () => {
  const whole = await readFile(await make("cut.mp4", "testsrc2=s=320x180:r=30:d=4", ["-g", "10", "-movflags", "+faststart"]));
  const path = join(folder, "half.mp4");
  await writeFile(path, whole.subarray(0, whole.length >> 1));
  const frames = await framesOf(path);
  expect(frames.length).toBeGreaterThan(10);
  expect(frames.length).toBeLessThan(40);
});

it("reads a URL, and tells one that answers 404 from one that answers with text", async () => {
  const video = await readFile(await make("served.mp4", "testsrc2=s=320x180:r=30:d=1", ["-movflags", "+faststart"]));
  const server: Server = createServer((request, response) => {
    if (request.url === "/video.mp4") response.end(video);
    else if (request.url === "/text") response.end("hello");
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  try {
    expect(await framesOf(`${base}/video.mp4`)).toHaveLength(10);
    await expect(openRecording(`${base}/none`)).rejects.toMatchObject({ code: "input-not-found" });
    await expect(openRecording(`${base}/text`)).rejects.toMatchObject({ code: "input-not-media" });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
