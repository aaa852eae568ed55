/** `truecast analyze` on real recordings, good and bad. */
import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { copyEdgeUntrained } from "../../models/testing/untrained-copy.ts";
import { faceVideo, runCli } from "../testing/daemon-process.ts";

const folder = mkdtempSync(join(tmpdir(), "truecast-analyze-"));
const run = promisify(execFile);

interface Line {
  readonly type: string;
  readonly [key: string]: unknown;
}

async function make(name: string, ...args: string[]): Promise<string> {
  const path = join(folder, name);
  await run("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args, path]);
  return path;
}

async function analyze(input: string, ...args: string[]) {
  const outcome = await runCli(["analyze", "--json", ...args, input]);
  return { ...outcome, lines: outcome.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Line) };
}

test("a recording gives every score of its face and a verdict last; an untrained model gives no verdict", { timeout: 60_000 }, async () => {
  const models = join(folder, "untrained");
  await copyEdgeUntrained(models);
  const { code, lines } = await analyze(await faceVideo(), "--models-dir", models);
  expect(code).toBe(0);
  const scores = lines.filter(({ type, track }) => type === "score" && track === 1);
  expect(scores.map(({ frames }) => frames).slice(0, 5)).toEqual([40, 60, 80, 100, 100]);
  for (const { score, ptsMs } of scores) {
    expect(score).toBeGreaterThanOrEqual(0);
    expect(score).toBeLessThanOrEqual(1);
    expect(ptsMs).toBeGreaterThan(3_000);
  }
  expect(lines.at(-1)).toMatchObject({ type: "verdict", verdict: "unscored", reason: "untrained-model", frames: 120, model: "edge", trained: false });
});

test("the shipped model gives a verdict of a genuine face", { timeout: 60_000 }, async () => {
  const { lines } = await analyze(await faceVideo());
  expect(lines.at(-1)).toMatchObject({ type: "verdict", reason: null, model: "edge", trained: true });
  expect(["authentic", "uncertain"]).toContain(lines.at(-1)?.["verdict"]);
});

test("two runs over one recording give the same scores: nothing is left out and nothing depends on time", { timeout: 60_000 }, async () => {
  const video = await faceVideo();
  const [first, second] = [await analyze(video), await analyze(video)];
  expect(second.lines).toEqual(first.lines);
});

test("the scripted stand-in says that it is one", { timeout: 60_000 }, async () => {
  const { lines } = await analyze(await faceVideo(), "--model", "scripted");
  expect(lines.at(-1)).toMatchObject({ verdict: "authentic", model: "scripted", trained: false, scripted: true });
});

test("a recording without a face is unscored, not authentic", { timeout: 60_000 }, async () => {
  const { code, lines } = await analyze(await make("faceless.mp4", "-f", "lavfi", "-i", "mandelbrot=size=640x360:rate=30", "-t", "3", "-pix_fmt", "yuv420p"));
  expect(code).toBe(0);
  expect(lines).toEqual([expect.objectContaining({ type: "verdict", verdict: "unscored", score: null, reason: "no-face", tracks: [], frames: 90 })]);
});

test("a picture of 4096x4096 is scaled down and analysed", { timeout: 60_000 }, async () => {
  const { code, lines } = await analyze(await make("huge.mp4", "-f", "lavfi", "-i", "color=size=4096x4096:rate=10", "-t", "1", "-pix_fmt", "yuv420p", "-preset", "ultrafast"));
  expect(code).toBe(0);
  expect(lines.at(-1)).toMatchObject({ reason: "no-face", frames: 10 });
});

test.each([
  ["a missing file", async () => join(folder, "absent.mp4"), "input-not-found"],
  [
    "an empty file",
    async () => {
      const path = join(folder, "empty.mp4");
      writeFileSync(path, "");
      return path;
    },
    "input-empty",
  ],
  [
    "bytes that are no media",
    async () => {
      const path = join(folder, "noise.mp4");
      writeFileSync(path, "not a video\n".repeat(1_000));
      return path;
    },
    "input-not-media",
  ],
  ["a recording with sound alone", () => make("sound.m4a", "-f", "lavfi", "-i", "sine=duration=1"), "input-not-media"],
  ["a picture of 1x1", () => make("dot.mkv", "-f", "lavfi", "-i", "color=size=16x16:rate=10,format=gray,scale=1:1", "-t", "1", "-c:v", "ffv1"), "picture-size-refused"],
])("%s ends with one clear line and a code", { timeout: 60_000 }, async (_, input, code) => {
  const path = await input();
  const outcome = await analyze(path);
  expect(outcome.code).toBe(1);
  expect(outcome.stdout).toBe("");
  expect(outcome.stderr.trim().split("\n")).toHaveLength(1);
  expect(outcome.stderr).toContain(path);
  expect(outcome.stderr).toContain(`[${code}]`);
});

test("a model whose graph was changed is refused by its hash", { timeout: 60_000 }, async () => {
  const models = join(folder, "models");
  await run("cp", ["-r", new URL("../../models/edge", import.meta.url).pathname, join(folder, "edge")]);
  await run("mkdir", ["-p", models]);
  await run("mv", [join(folder, "edge"), models]);
  await run("sh", ["-c", `printf x >> '${join(models, "edge/horizon.onnx")}'`]);
  const outcome = await analyze(await faceVideo(), "--models-dir", models);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain("horizon.onnx");
  expect(outcome.stderr).toContain("[model-hash-mismatch]");
});

test("an unknown provider is refused by name", async () => {
  const outcome = await analyze("whatever.mp4", "--provider", "quantum");
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain('--provider is "quantum"');
});
