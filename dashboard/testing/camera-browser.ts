/** Chromium with a camera: a file with a face in it, or none, or one that it may not use. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { faceVideo } from "../../daemon/testing/daemon-process.ts";
import { launchChromium } from "./browser.ts";

const run = promisify(execFile);

export interface CameraBrowser extends AsyncDisposable {
  readonly browser: Browser;
}

/** `denied`: the person says no. `absent`: allowed, but none is plugged in. */
export async function startCameraBrowser(camera: "face" | "denied" | "absent"): Promise<CameraBrowser> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-camera-"));
  const file = join(folder, "face.y4m");
  // Small, and few frames: three encoders share the machine with the daemon.
  if (camera === "face") await run("ffmpeg", ["-nostdin", "-v", "error", "-i", await faceVideo(), "-t", "4", "-vf", "fps=15,scale=640:360", "-pix_fmt", "yuv420p", file]);
  const consent = camera === "denied" ? ["--deny-permission-prompts"] : ["--use-fake-ui-for-media-stream"];
  const device = camera === "absent" ? [] : ["--use-fake-device-for-media-stream", ...(camera === "face" ? [`--use-file-for-fake-video-capture=${file}`] : [])];
  const browser = await launchChromium([...consent, ...device]);
  return {
    browser,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await rm(folder, { recursive: true });
    },
  };
}
