/** Makes the demo's two videos on the spot, from the sample photographs inside @vladmandic/face-api. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import sharp from "sharp";
import { TruecastError } from "../../pipelines/errors.ts";
import { cameraFilters } from "./demo-camera.ts";
import { type PhotoFace, type Scene, SCENES } from "./demo-scenes.ts";
import { createForgedFace, type ForgedFace, type RgbImage } from "./forged-face.ts";

export interface DemoVideoOptions {
  /** Kept between runs: the videos are made again only when the photographs or this code change. */
  readonly outDir: string;
  readonly log: Logger;
  /** Gives up what is being made. */
  readonly signal?: AbortSignal | undefined;
  /** Shorter for tests. */
  readonly loopSeconds?: number;
}

export interface DemoVideos {
  readonly genuine: string;
  readonly forged: string;
}

const FPS = 30;
const LOOP_SECONDS = 30;
const OUT_WIDTH = 1280;
const OUT_HEIGHT = 720;
/** The still that the camera moves over; a sixth larger than what it sees. */
const STILL_WIDTH = 1472;
const STILL_HEIGHT = 828;
/** Width of the donor's face, ear to ear: live swappers draw faces at 128 px and scale them up. */
const DONOR_FACE_WIDTH = 112;
/** The code that decides what the videos look like; a change of any makes them again. */
const SOURCES = ["demo-video.ts", "demo-camera.ts", "demo-scenes.ts", "forged-face.ts", "affine.ts", "hull.ts"] as const;

/** @throws TruecastError setup-incomplete (no ffmpeg, or it refused), internal */
export async function makeDemoVideos(options: DemoVideoOptions): Promise<DemoVideos> {
  const { outDir, log, signal } = options;
  const loopSeconds = options.loopSeconds ?? LOOP_SECONDS;
  await mkdir(outDir, { recursive: true });
  const version = await versionOf(loopSeconds);
  const fileOf = (scene: Scene): string => join(outDir, `${scene.name}-${version}.mp4`);
  const missing = SCENES.filter((scene) => !existsSync(fileOf(scene)));
  if (missing.length > 0) {
    const startedAt = performance.now();
    const made = await Promise.allSettled(missing.map((scene) => makeVideo(scene, { file: fileOf(scene), loopSeconds, signal })));
    signal?.throwIfAborted();
    for (const outcome of made) if (outcome.status === "rejected") throw outcome.reason;
    await removeOthers(outDir, version);
    log.info({ outDir, seconds: Math.round((performance.now() - startedAt) / 100) / 10 }, "made the demo's videos");
  }
  const [genuine, forged] = SCENES.map(fileOf);
  return { genuine: genuine!, forged: forged! };
}

async function versionOf(loopSeconds: number): Promise<string> {
  const hash = createHash("sha256").update(`${loopSeconds}`);
  for (const source of SOURCES) hash.update(await readFile(new URL(source, import.meta.url)));
  for (const photo of photosOf(SCENES)) hash.update(await readFile(photoFile(photo)));
  return hash.digest("hex").slice(0, 12);
}

function photosOf(scenes: readonly Scene[]): Set<string> {
  return new Set(scenes.flatMap(({ photo, forgery }) => (forgery === null ? [photo] : [photo, forgery.donor.photo])));
}

function photoFile(photo: string): string {
  return fileURLToPath(import.meta.resolve(`@vladmandic/face-api/demo/${photo}`));
}

async function removeOthers(outDir: string, version: string): Promise<void> {
  const old = (await readdir(outDir)).filter((name) => /^(genuine|forged)-[0-9a-f]{12}\.mp4$/.test(name) && !name.includes(version));
  await Promise.all(old.map((name) => rm(join(outDir, name), { force: true })));
}

async function makeVideo(scene: Scene, { file, loopSeconds, signal }: { readonly file: string; readonly loopSeconds: number; readonly signal: AbortSignal | undefined }): Promise<void> {
  const loopFrames = loopSeconds * FPS;
  // Two demos at once must not write one file.
  const unfinished = `${file}.${process.pid}.part`;
  const still = await stillOf(scene);
  const stillFile = `${unfinished}.png`;
  await writeFile(stillFile, await sharp(still.rgb, { raw: { width: STILL_WIDTH, height: STILL_HEIGHT, channels: 3 } }).png().toBuffer());
  try {
    const forged = scene.forgery === null ? null : await forgedFaceOf(scene, still, loopFrames);
    await encode({ arguments: encoderArguments({ scene, stillFile, forged, loopSeconds, file: unfinished }), forged, loopFrames, signal });
    await rename(unfinished, file);
  } finally {
    await Promise.all([rm(stillFile, { force: true }), rm(unfinished, { force: true })]);
  }
}

async function stillOf({ photo, region }: Scene): Promise<RgbImage> {
  const rgb = await sharp(photoFile(photo)).extract(region).resize(STILL_WIDTH, STILL_HEIGHT, { fit: "fill" }).removeAlpha().raw().toBuffer();
  return { widthPx: STILL_WIDTH, heightPx: STILL_HEIGHT, rgb: new Uint8Array(rgb) };
}

async function forgedFaceOf(scene: Scene, still: RgbImage, loopFrames: number): Promise<ForgedFace> {
  const { target, donor } = scene.forgery!;
  const toStill = STILL_WIDTH / scene.region.width;
  const toDonor = DONOR_FACE_WIDTH / widthOf(donor);
  const { width } = await sharp(photoFile(donor.photo)).metadata();
  const { data, info } = await sharp(photoFile(donor.photo)).resize(Math.round(width * toDonor)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return createForgedFace({
    target: still,
    targetLandmarks: target.landmarks.map(({ x, y }) => ({ x: (x - scene.region.left) * toStill, y: (y - scene.region.top) * toStill })),
    donor: { widthPx: info.width, heightPx: info.height, rgb: new Uint8Array(data) },
    donorLandmarks: donor.landmarks.map(({ x, y }) => ({ x: x * toDonor, y: y * toDonor })),
    loopFrames,
  });
}

function widthOf({ landmarks }: PhotoFace): number {
  const xs = landmarks.map(({ x }) => x);
  return Math.max(...xs) - Math.min(...xs);
}

interface EncoderOptions {
  readonly scene: Scene;
  readonly stillFile: string;
  readonly forged: ForgedFace | null;
  readonly loopSeconds: number;
  readonly file: string;
}

function encoderArguments({ scene, stillFile, forged, loopSeconds, file }: EncoderOptions): string[] {
  const camera = cameraFilters({
    widthPx: STILL_WIDTH,
    heightPx: STILL_HEIGHT,
    outWidthPx: OUT_WIDTH,
    outHeightPx: OUT_HEIGHT,
    fps: FPS,
    loopSeconds,
    phase: scene.phase,
  });
  // The filter repeats the decoded still; `-loop 1` would decode the file again for every frame.
  const still = `[0:v]format=yuv420p,loop=loop=-1:size=1,setpts=N/(${FPS}*TB)`;
  const graph = forged === null ? `${still},${camera}[v]` : `${still}[s];[s][1:v]overlay=x=${forged.left}:y=${forged.top},${camera}[v]`;
  const patch = forged === null ? [] : ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", `${forged.widthPx}x${forged.heightPx}`, "-framerate", `${FPS}`, "-i", "pipe:0"];
  const input = ["-framerate", `${FPS}`, "-f", "png_pipe", "-i", stillFile, ...patch];
  const filters = ["-filter_complex", graph, "-map", "[v]", "-frames:v", `${loopSeconds * FPS}`];
  const codec = ["-c:v", "libx264", "-preset", "superfast", "-profile:v", "main", "-pix_fmt", "yuv420p", "-bf", "0"];
  const rate = ["-b:v", "2000k", "-maxrate", "2500k", "-bufsize", "2500k", "-g", `${2 * FPS}`, "-keyint_min", `${2 * FPS}`, "-sc_threshold", "0"];
  const output = ["-movflags", "+faststart", "-f", "mp4", file];
  return ["-nostdin", "-hide_banner", "-loglevel", "error", "-y", ...input, ...filters, ...codec, ...rate, ...output];
}

async function encode(job: { readonly arguments: readonly string[]; readonly forged: ForgedFace | null; readonly loopFrames: number; readonly signal: AbortSignal | undefined }): Promise<void> {
  const child = spawn(process.env["FFMPEG_PATH"] ?? "ffmpeg", job.arguments, { stdio: ["pipe", "ignore", "pipe"], signal: job.signal, killSignal: "SIGKILL" });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-500);
  });
  const exited = exitOf(child);
  const patches = job.forged === null ? [] : patchesOf(job.forged, job.loopFrames);
  // A pipe that breaks means that ffmpeg has ended; its exit says why.
  const [fed] = await Promise.allSettled([pipeline(Readable.from(patches), child.stdin)]);
  const { code, error } = await exited;
  if (error !== null) throw new TruecastError("setup-incomplete", "ffmpeg cannot be started; install it or put it on the PATH.", { cause: error });
  if (code !== 0) throw new TruecastError("internal", `ffmpeg did not make the demo's video: ${complaint.trim()}`);
  if (fed.status === "rejected") throw new TruecastError("internal", "The forged face could not be rendered.", { cause: fed.reason });
}

function* patchesOf(forged: ForgedFace, loopFrames: number): Generator<Uint8Array> {
  for (let frame = 0; frame < loopFrames; frame++) {
    const patch = new Uint8Array(forged.widthPx * forged.heightPx * 4);
    forged.render(frame, patch);
    yield patch;
  }
}

function exitOf(child: ChildProcess): Promise<{ readonly code: number | null; readonly error: Error | null }> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, error }));
    child.once("close", (code) => resolve({ code, error: null }));
  });
}
