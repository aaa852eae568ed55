/** `truecast evaluate` on two real clips, end to end, and on everything that cannot be evaluated. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copyEdgeUntrained } from "../../models/testing/untrained-copy.ts";
import type { ChannelReport } from "../../pipelines/evaluation/channel-report.ts";
import type { EvaluationReport } from "../../pipelines/evaluation/report.ts";
import { makeFaceClip, makeFacelessClip } from "../recordings/testing/clips.ts";
import { runCli } from "../testing/daemon-process.ts";

const folder = mkdtempSync(join(tmpdir(), "truecast-evaluate-"));
const manifest = join(folder, "manifest.csv");

beforeAll(async () => {
  await makeFaceClip(join(folder, "genuine.mp4"), { seconds: 5 });
  await makeFaceClip(join(folder, "altered.mp4"), { seconds: 5, extraFilter: "hue=h=12,eq=contrast=1.1" });
  await makeFacelessClip(join(folder, "fractal.mp4"), 1);
  writeFileSync(join(folder, "broken.mp4"), "not a video\n".repeat(100));
  writeFileSync(manifest, "file,label,type,group\ngenuine.mp4,real,camera,alice\naltered.mp4,fake,tint,bob\nfractal.mp4,real,graphics,carol\nbroken.mp4,fake,swap,dave\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function report(out: string): EvaluationReport & { readonly clips: readonly { readonly channel: string; readonly clips: readonly { readonly file: string; readonly score: number | null; readonly unscored: string | null }[] }[] } {
  return JSON.parse(readFileSync(join(out, "report.json"), "utf8"));
}

test("clips pass the real pipeline; the report says UNTRAINED, what is unscored and why; a second run only reads", { timeout: 180_000 }, async () => {
  const out = join(folder, "out");
  const models = join(folder, "models");
  await copyEdgeUntrained(models);
  const args = ["evaluate", "--manifest", manifest, "--models-dir", models, "--out", out, "--bitrates", "source,300", "--height", "240", "--jobs", "2"];
  const first = await runCli(args);
  expect(first).toMatchObject({ code: 0, stdout: "" });
  expect(first.stderr).toContain("UNTRAINED model");

  const found = report(out);
  expect(found.model).toMatchObject({ name: "edge", trained: false });
  expect(found.channels.map(({ channel }) => channel)).toEqual(["source", "h264-300k-240p"]);
  for (const channel of found.channels as readonly ChannelReport[]) {
    expect(channel.scored).toEqual({ real: 1, fake: 1 });
    expect(channel.unscored).toEqual([
      { label: "real", reason: "no-face", clips: 1 },
      { label: "fake", reason: "input-not-media", clips: 1 },
    ]);
    expect([0, 1]).toContain(channel.area.value);
    // Five seconds are slowed to nearly ten.
    expect(channel.horizons.all.map(({ frames, real, fake }) => [frames, real, fake])).toEqual([[40, 1, 1], [60, 1, 1], [80, 1, 1], [100, 0, 0]]);
    expect(channel.incidents).toMatchObject({ genuineTracks: 1, alertableHours: 0 });
    expect(channel.accuracyOfAll).toBeLessThanOrEqual(0.5);
  }
  const page = readFileSync(join(out, "report.md"), "utf8");
  expect(page).toMatch(/^# Evaluation of edge\n\n> \*\*UNTRAINED\.\*\*/);
  const pictures = [...page.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, file]) => file!);
  expect(pictures).toEqual(["roc.png", "reliability-source.png", "scores-source.png", "reliability-h264-300k-240p.png", "scores-h264-300k-240p.png"]);
  for (const picture of pictures) expect((await sharp(join(out, picture)).metadata()).format).toBe("png");

  expect(readdirSync(join(out, "scores"))).toHaveLength(8);
  const second = await runCli(args);
  expect(second.code).toBe(0);
  expect(report(out)).toEqual(found);
});

test("the score of a clip is the one that analyze gives", { timeout: 60_000 }, async () => {
  const clip = report(join(folder, "out")).clips[0]!.clips.find(({ file }) => file === "genuine.mp4")!;
  const { stdout } = await runCli(["analyze", "--json", join(folder, "genuine.mp4")]);
  const verdict = JSON.parse(stdout.trim().split("\n").at(-1)!) as { score: number };
  expect(clip.score).toBeCloseTo(verdict.score, 5);
});

function manifestOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test.each([
  ["the scripted stand-in", () => ["--manifest", manifest, "--model", "scripted"], '--model is "scripted", a script that detects nothing: its scores are made up and cannot be evaluated [config-invalid]'],
  ["a model that is not there", () => ["--manifest", manifest, "--model", "absent"], "[model-not-found]"],
  ["a manifest that is not there", () => ["--manifest", join(folder, "absent.csv")], "absent.csv: no such manifest, or it may not be read. [input-not-found]"],
  ["a clip that is not there", () => ["--manifest", manifestOf("gone.csv", "file,label,type,group\ngenuine.mp4,real,camera,a\ngone.mp4,fake,swap,b\n")], 'gone.csv:3: column file: "gone.mp4" is no file'],
  ["a label that is unknown", () => ["--manifest", manifestOf("label.csv", "file,label,type,group\ngenuine.mp4,true,camera,a\n")], 'label.csv:2: column label is "true" but must be real or fake [manifest-invalid]'],
  ["a manifest of one label", () => ["--manifest", manifestOf("one.csv", "file,label,type,group\ngenuine.mp4,real,camera,a\n")], "one.csv: column label: no clip is fake; an evaluation needs both"],
  ["an unknown provider", () => ["--manifest", manifest, "--provider", "quantum"], '--provider is "quantum"'],
  ["no jobs at all", () => ["--manifest", manifest, "--jobs", "0"], '--jobs is "0" but must be a whole number from 1 to 64'],
])("%s is refused in one line before any work", { timeout: 30_000 }, async (_, args, message) => {
  const outcome = await runCli(["evaluate", "--out", join(folder, "refused"), ...args()]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain(message);
  expect(outcome.stderr.trim().split("\n")).toHaveLength(1);
});
