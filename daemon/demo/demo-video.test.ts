/** The demo's videos, made for real (two seconds of them) and looked at by the real face pipeline. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { descriptorOf, loadFaceNetworks } from "../../pipelines/extract/face-networks.ts";
import { startFaceApiDetector } from "../../pipelines/faces/face-api-detector.ts";
import { createFacePipeline } from "../../pipelines/faces/face-pipeline.ts";
import { makeDemoVideos, type DemoVideos } from "./demo-video.ts";

const log = pino({ level: "silent" });
const outDir = mkdtempSync(join(tmpdir(), "truecast-demo-video-"));
const LOOP_SECONDS = 2;
let videos: DemoVideos;
beforeAll(async () => {
  writeFileSync(join(outDir, "forged-0123456789ab.mp4"), "made by an earlier version");
  videos = await makeDemoVideos({ outDir, log, loopSeconds: LOOP_SECONDS });
}, 120_000);
afterAll(() => rmSync(outDir, { recursive: true, force: true }));

function framesOf(file: string, fps: number): Uint8Array[] {
  const raw = execFileSync("ffmpeg", ["-nostdin", "-v", "error", "-i", file, "-vf", `fps=${fps}`, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"], { maxBuffer: 2 ** 30 });
  const size = 1280 * 720 * 3;
  return Array.from({ length: raw.length / size }, (_, i) => new Uint8Array(raw.subarray(i * size, (i + 1) * size)));
}

test("both are 720p H.264 Main at 30 frames a second, a keyframe every two seconds, without B-frames", () => {
  for (const file of [videos.genuine, videos.forged]) {
    const probe = execFileSync("ffprobe", ["-v", "error", "-show_entries", "packet=flags:stream=codec_name,profile,width,height,pix_fmt,r_frame_rate,nb_frames,has_b_frames", "-of", "json", file]);
    expect(JSON.parse(probe.toString())).toMatchObject({
      // Two seconds hold exactly the keyframe they begin with.
      packets: Array.from({ length: 30 * LOOP_SECONDS }, (_, i) => ({ flags: expect.stringMatching(i === 0 ? /^K/ : /^_/) as string })),
      streams: [{ codec_name: "h264", profile: "Main", width: 1280, height: 720, pix_fmt: "yuv420p", r_frame_rate: "30/1", nb_frames: `${30 * LOOP_SECONDS}`, has_b_frames: 0 }],
    });
  }
});

test("they are kept for the next time, and nothing else is", async () => {
  const before = statSync(videos.forged).mtimeMs;
  expect(await makeDemoVideos({ outDir, log, loopSeconds: LOOP_SECONDS })).toEqual(videos);
  expect(statSync(videos.forged).mtimeMs).toBe(before);
  expect(readdirSync(outDir).map((name) => join(outDir, name)).toSorted()).toEqual([videos.forged, videos.genuine]);
});

test("the last frame runs into the first one", () => {
  const frames = framesOf(videos.genuine, 30);
  const difference = (a: Uint8Array, b: Uint8Array): number => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
  const steps = [5, 15, 25, 35, 45, 55].map((i) => difference(frames[i]!, frames[i + 1]!));
  const longestStep = Math.max(...steps);
  expect(difference(frames.at(-1)!, frames[0]!)).toBeLessThan(1.3 * longestStep);
  // Half a loop apart the camera is elsewhere: the bound above is not met by just any two frames.
  expect(difference(frames[0]!, frames[30]!)).toBeGreaterThan(1.3 * longestStep);
});

test("each shows one face, followed without a break and sharp enough to be judged", async () => {
  await using detector = await startFaceApiDetector({ log });
  for (const file of [videos.genuine, videos.forged]) {
    const pipeline = createFacePipeline({ detector, inputSizePx: 160, cropMargin: 1.1 });
    const results = [];
    for (const [i, rgb] of framesOf(file, 10).entries()) results.push(await pipeline.process({ ptsMs: i * 100, widthPx: 1280, heightPx: 720, rgb, decodedAtMs: 0 }));
    for (const { faces } of results.slice(4)) {
      expect(faces.map(({ trackId, crop }) => [trackId, crop.kind]), file).toEqual([[1, "ok"]]);
      expect(faces[0]!.box.height).toBeGreaterThan(150);
    }
  }
});

test("in the forged one the same person's face is another's", async () => {
  await loadFaceNetworks();
  await using detector = await startFaceApiDetector({ log });
  const identify = async (rgb: Uint8Array): Promise<readonly number[]> => {
    const frame = { ptsMs: 0, widthPx: 1280, heightPx: 720, rgb, decodedAtMs: 0 };
    const [face] = await detector.detect(frame);
    return await descriptorOf(frame, face!.box);
  };
  const [early, late] = framesOf(videos.genuine, 1);
  const genuine = await identify(early!);
  const distanceTo = async (rgb: Uint8Array): Promise<number> => Math.hypot(...(await identify(rgb)).map((value, i) => value - genuine[i]!));
  // Under about 0.5 two are one person.
  expect(await distanceTo(late!)).toBeLessThan(0.4);
  expect(await distanceTo(framesOf(videos.forged, 1)[0]!)).toBeGreaterThan(0.5);
});

test("says what is missing when there is no ffmpeg", async () => {
  vi.stubEnv("FFMPEG_PATH", join(outDir, "no-ffmpeg"));
  const elsewhere = join(outDir, "elsewhere");
  await expect(makeDemoVideos({ outDir: elsewhere, log, loopSeconds: 1 })).rejects.toMatchObject({ code: "setup-incomplete" });
  vi.unstubAllEnvs();
  expect(readdirSync(elsewhere)).toEqual([]);
});
