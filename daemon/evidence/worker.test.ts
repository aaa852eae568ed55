/** The worker process with the shipped model: bounded, alone, and gone afterwards. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import { readManifest } from "../../models/manifest.ts";
import { freshFolder } from "./testing/sealed.ts";
import { runWorker, type WorkerJob } from "./worker.ts";

const modelDir = join(import.meta.dirname, "../../models/edge");

async function jobOf(work: WorkerJob["work"], changes: Partial<WorkerJob> = {}): Promise<WorkerJob> {
  const recording = await freshFolder();
  const out = join(recording, "finished");
  await mkdir(out);
  const { info } = await readManifest(modelDir);
  const size = info.inputSizePx;
  const photograph = join(import.meta.dirname, "../../node_modules/@vladmandic/face-api/demo/sample6.jpg");
  const crops: Buffer[] = [];
  for (let index = 0; index < 6; index++) crops.push(await sharp(photograph).extract({ left: 100 + index * 4, top: 200, width: 400, height: 400 }).resize(size, size).removeAlpha().raw().toBuffer());
  await writeFile(join(recording, "crops.rgb"), Buffer.concat(crops));
  await writeFile(join(recording, "crops.json"), JSON.stringify({ sizePx: size, ptsMs: crops.map((_, index) => index * 500) }));
  return { work, recording, out, scores: [], firedPtsMs: 2_500, modelDir, modelSha256: info.sha256, ...changes };
}

test("the heat map comes from the graphs of the model that raised the alert, as picture and as figures", { timeout: 180_000 }, async () => {
  const job = await jobOf("heat-map");
  const { files, problems } = await runWorker(job, { timeoutMs: 150_000 });
  expect([problems, files.map(({ name, kind }) => [name, kind])]).toEqual([[], [["heat-map.jpg", "crops"], ["heat-map.json", "verdict"]]]);
  const map = JSON.parse(await readFile(join(job.out, "heat-map.json"), "utf8")) as { model: object; cropsPtsMs: number[]; cells: number; score: number; evidence: number[]; covered: number[] };
  expect(map).toMatchObject({ model: { name: "edge", sha256: job.modelSha256 }, cells: 8 });
  expect([map.cropsPtsMs.length, map.evidence.length, map.covered.length]).toEqual([5, 64, 64]);
  expect(new Set(map.covered).size).toBeGreaterThan(32);
  const { width, height } = await sharp(join(job.out, "heat-map.jpg")).metadata();
  expect([width, height]).toEqual([480, 480]);
});

test("another model in its folder is not asked in the place of the one that raised the alert", { timeout: 60_000 }, async () => {
  const { files, problems } = await runWorker(await jobOf("heat-map", { modelSha256: "00".repeat(32) }), { timeoutMs: 50_000 });
  expect([files, problems]).toEqual([[], [{ problem: "heat-map-failed", message: expect.stringContaining("another model") as string }]]);
});

test("work that takes too long, or is no longer wanted, ends with its process", { timeout: 60_000 }, async () => {
  await expect(runWorker(await jobOf("heat-map"), { timeoutMs: 50 })).rejects.toThrow(/ended with SIGKILL/);
  const abort = new AbortController();
  const unwanted = runWorker(await jobOf("heat-map"), { timeoutMs: 50_000, signal: abort.signal });
  setImmediate(() => abort.abort());
  await expect(unwanted).rejects.toThrow(/ended with SIGKILL/);
});

test("crops that were not written to the end make no picture", { timeout: 60_000 }, async () => {
  const job = await jobOf("media");
  await writeFile(join(job.recording, "crops.rgb"), Buffer.alloc(1_000));
  expect(await runWorker(job, { timeoutMs: 50_000 })).toEqual({ files: [], clips: [], problems: [] });
});

test("a process that cannot be started fails its work and nothing else", async () => {
  const unhandled: Error[] = [];
  const note = (error: Error): void => void unhandled.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", note);
  const { execPath } = process;
  onTestFinished(() => {
    process.execPath = execPath;
    process.off("uncaughtException", note);
    for (const listener of others) process.on("uncaughtException", listener);
  });
  process.execPath = "/nowhere/node";
  await expect(runWorker(await jobOf("media"), { timeoutMs: 5_000 })).rejects.toThrow();
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(unhandled).toEqual([]);
});
