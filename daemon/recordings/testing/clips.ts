/** Small real clips for tests, made by ffmpeg from the sample photographs of face-api. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const photographs = fileURLToPath(new URL("../../../node_modules/@vladmandic/face-api/demo/", import.meta.url));

/** One woman of sample6.jpg who moves a little, 320x320 at 25 fps. */
export async function makeFaceClip(path: string, { seconds, extraFilter = "null" }: { readonly seconds: number; readonly extraFilter?: string }): Promise<void> {
  const filter = `crop=iw*0.345:ih*0.6:0:ih*0.2,scale=480:-2,zoompan=z='1.1+0.04*sin(on/20)':x='iw/2-iw/zoom/2+4*sin(on/15)':d=1:s=320x320:fps=25,${extraFilter}`;
  await run("ffmpeg", ["-nostdin", "-v", "error", "-y", "-loop", "1", "-i", join(photographs, "sample6.jpg"), "-t", String(seconds), "-vf", filter, "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p", path]);
}

export async function makeFacelessClip(path: string, seconds: number): Promise<void> {
  await run("ffmpeg", ["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "mandelbrot=size=320x320:rate=25", "-t", String(seconds), "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", path]);
}
