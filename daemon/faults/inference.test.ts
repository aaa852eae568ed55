/** Fault matrix (docs/operations.md): a model that answers with errors, as a device does that is lost or out of memory. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { Stream, StreamDetail, SystemStatus } from "../protocol.ts";
import { faceVideo, publish, startDaemonProcess } from "../testing/daemon-process.ts";
import { writeFailingModel } from "./testing/failing-model.ts";
import { expectRecovery, until } from "./testing/recovery.ts";

const KEY = "camera-key-12";
/** Between the mean of the face's crop in the video and in its brightened copy. */
const FAILS_FROM = 170;

test("a model that fails is started anew, faces are unscored and never authentic meanwhile, and scores come once it works", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "truecast-failing-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const bright = join(folder, "bright.mp4");
  await promisify(execFile)("ffmpeg", ["-nostdin", "-v", "error", "-i", await faceVideo(), "-vf", "lutyuv=y=min(val*0.75+95\\,235)", "-c:v", "libx264", "-preset", "veryfast", "-g", "30", bright]);
  await writeFailingModel(folder, FAILS_FROM);
  await using daemon = await startDaemonProcess({ streams: [{ name: "camera", key: KEY }], inference: { model: "edge", modelsDir: folder } });
  const stream = async (): Promise<Stream> => (await daemon.get<StreamDetail>("/api/v1/streams/camera")).stream;
  const restarts = async (): Promise<number> => (await daemon.get<SystemStatus>("/api/v1/system")).components["inference"]?.restarts ?? 0;
  const verdicts = new Set<string>();
  const failing = async (): Promise<number> => {
    verdicts.add((await stream()).verdict.kind);
    return restarts();
  };

  {
    await using _publisher = publish(bright, `${daemon.rtmpUrl}/${KEY}`);
    await until(stream, ({ state, tracks }) => state === "live" && tracks.length > 0);
    await until(failing, (count) => count >= 2);
  }
  expect(verdicts).toEqual(new Set(["unscored"]));
  expect(await (await fetch(`${daemon.httpUrl}/metrics`)).text()).toMatch(/truecast_restarts_total\{component="inference",cause="exit"\} [2-9]/);
  expect(daemon.log.some(({ msg }) => typeof msg === "string" && msg.startsWith("inference keeps failing"))).toBe(true);

  const publisher = publish(await faceVideo(), `${daemon.rtmpUrl}/${KEY}`);
  onTestFinished(() => publisher.close());
  await expectRecovery("inference answered with errors, verdicts again once it works", 25, () => until(stream, ({ verdict }) => verdict.kind !== "unscored"));
});
