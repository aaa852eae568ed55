/** A load of alerts for a daemon that is about to be killed: two faces in one picture, and a script that lets each rise and fall every few seconds. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { faceVideo } from "../../testing/daemon-process.ts";

const run = promisify(execFile);

/** The face of `faceVideo` twice, side by side, small, so that one core follows it at several times its pace; made once a machine. */
export async function twoFacesVideo(): Promise<string> {
  const file = join(tmpdir(), "truecast-test-two-faces-v1.mp4");
  if (existsSync(file)) return file;
  const part = `${file}.${process.pid}.mp4`;
  const filter = "crop=404:720:(iw-404)/2:0,split=2[a][b];[a][b]hstack=2,scale=404:360:flags=area";
  await run("ffmpeg", ["-nostdin", "-v", "error", "-y", "-i", await faceVideo(), "-filter_complex", filter, "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "30", "-b:v", "800k", part]);
  await rename(part, file);
  return file;
}

const SCRIPTED = fileURLToPath(new URL("../../../models/scripted/manifest.json", import.meta.url));
/** Slots of the media clock: ten minutes. */
const LAST_SLOT = 6_000;
const PERIOD = 40;

/** Writes a model folder `scripted` whose every second track is over the threshold while the others are under it, turning every two seconds of media. */
export async function writeSwingingModel(modelsDir: string, streams: readonly string[]): Promise<void> {
  const manifest = JSON.parse(await readFile(SCRIPTED, "utf8")) as { readonly script: object };
  const entries = streams.flatMap((stream) =>
    Array.from({ length: LAST_SLOT / PERIOD }, (_, turn) => [
      { stream, tracks: odd(1), startSlot: turn * PERIOD, endSlot: turn * PERIOD + PERIOD / 2, score: 0.95 },
      { stream, tracks: odd(0), startSlot: turn * PERIOD + PERIOD / 2, endSlot: (turn + 1) * PERIOD, score: 0.95 },
    ]).flat(),
  );
  await mkdir(join(modelsDir, "scripted"), { recursive: true });
  await writeFile(join(modelsDir, "scripted", "manifest.json"), JSON.stringify({ ...manifest, script: { defaultScore: 0.07, variation: 0.04, entries } }));
}

function odd(remainder: 0 | 1): number[] {
  return Array.from({ length: 400 }, (_, index) => index + 1).filter((track) => track % 2 === remainder);
}

/** Every crossing is told at once, and every fall ends it. */
export const SWINGING_ALERTS = { dwellMs: 0, resolveMs: 0, coolDownMs: 0, minFrames: 40 };
