/** `truecast extract` on real clips, good and bad. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFaceClip, makeFacelessClip } from "../recordings/testing/clips.ts";
import { runCli } from "../testing/daemon-process.ts";

const folder = mkdtempSync(join(tmpdir(), "truecast-extract-"));
const manifest = join(folder, "manifest.csv");

interface IndexLine {
  readonly file: string;
  readonly channel: string;
  readonly track: number;
  readonly crops: string;
  readonly count: number;
  readonly ptsMs: number[];
  readonly slots: number[];
  readonly refusals: unknown[];
  readonly [key: string]: unknown;
}

beforeAll(async () => {
  await makeFaceClip(join(folder, "woman.mp4"), { seconds: 3 });
  await makeFacelessClip(join(folder, "fractal.mp4"), 1);
  writeFileSync(join(folder, "broken.mp4"), "not a video\n".repeat(100));
  writeFileSync(manifest, 'file,label,type,group,licence\nwoman.mp4,real,"camera, still",alice,MIT\nfractal.mp4,real,graphics,none,MIT\nbroken.mp4,fake,swap,bob,MIT\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function lines(path: string): IndexLine[] {
  return readFileSync(path, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line) as IndexLine);
}

test("each face becomes a NumPy file and a line; clips without a crop are listed with the reason; a second run only reads", { timeout: 120_000 }, async () => {
  const out = join(folder, "out");
  const args = ["extract", "--manifest", manifest, "--out", out, "--bitrates", "source,300", "--height", "240", "--jobs", "2"];
  const first = await runCli(args);
  expect(first).toMatchObject({ code: 0, stdout: "" });
  const index = lines(join(out, "index.jsonl"));
  expect(index.map(({ file, channel, track, label, type, group }) => ({ file, channel, track, label, type, group }))).toEqual(
    ["source", "h264-300k-240p"].map((channel) => ({ file: "woman.mp4", channel, track: 1, label: "real", type: "camera, still", group: "alice" })),
  );
  for (const line of index) {
    expect(line).toMatchObject({ sizePx: 160, cropMargin: 1.1, refusals: [] });
    expect(line.count).toBeGreaterThanOrEqual(28);
    expect(line.slots).toHaveLength(line.count);
    expect(line.slots).toEqual(line.ptsMs.map((ptsMs) => Math.floor(ptsMs / 100)));
    expect(statSync(join(out, line.crops)).size).toBe(128 + line.count * 160 * 160 * 3);
    expect(readFileSync(join(out, line.crops)).subarray(0, 128).toString("latin1")).toContain(`'shape': (${line.count}, 160, 160, 3)`);
  }
  expect(lines(join(out, "left-out.jsonl")).map(({ file, channel, reason }) => [file, channel, reason])).toEqual([
    ["fractal.mp4", "source", "no-face"],
    ["fractal.mp4", "h264-300k-240p", "no-face"],
    ["broken.mp4", "source", "input-not-media"],
    ["broken.mp4", "h264-300k-240p", "input-not-media"],
  ]);

  const changedAt = statSync(join(out, index[0]!.crops)).mtimeMs;
  const second = await runCli(args);
  expect(second.code).toBe(0);
  expect(lines(join(out, "index.jsonl"))).toEqual(index);
  expect(statSync(join(out, index[0]!.crops)).mtimeMs).toBe(changedAt);
});

test("two runs into two folders write the same bytes", { timeout: 60_000 }, async () => {
  const outs = [join(folder, "a"), join(folder, "b")] as const;
  for (const out of outs) expect(await runCli(["extract", "--manifest", manifest, "--out", out, "--bitrates", "800", "--max-seconds", "1", "--size", "64", "--margin", "1.6"])).toMatchObject({ code: 0 });
  const [a, b] = outs.map((out) => lines(join(out, "index.jsonl"))[0]!);
  expect(a).toEqual(b);
  expect(a).toMatchObject({ sizePx: 64, cropMargin: 1.6 });
  expect(a!.ptsMs.at(-1)).toBeLessThan(1_000);
  expect(readFileSync(join(outs[0], a!.crops))).toEqual(readFileSync(join(outs[1], b!.crops)));
});

test("files on the command line need no manifest and have no label", { timeout: 60_000 }, async () => {
  const out = join(folder, "files");
  expect(await runCli(["extract", join(folder, "woman.mp4"), "--out", out, "--max-seconds", "0.5"])).toMatchObject({ code: 0 });
  expect(lines(join(out, "index.jsonl"))).toMatchObject([{ file: join(folder, "woman.mp4"), label: null, type: null, group: null, channel: "source" }]);
});

test.each([
  ["no manifest and no file", [], "give either --manifest FILE or files"],
  ["a manifest that is not there", ["--manifest", "/absent.csv"], "/absent.csv: no such manifest"],
  ["a bit rate that is none", ["x.mp4", "--bitrates", "300,fast"], '--bitrates holds "fast"'],
  ["a bit rate twice", ["x.mp4", "--bitrates", "300,300"], "--bitrates holds h264-300k-480p twice"],
  ["an odd height", ["x.mp4", "--height", "481"], '--height is "481" but must be a multiple of 2'],
  ["a size out of range", ["x.mp4", "--size", "4000"], '--size is "4000" but must be a whole number from 16 to 512'],
])("%s is refused in one line", { timeout: 30_000 }, async (_, args, message) => {
  const outcome = await runCli(["extract", "--out", join(folder, "refused"), ...args]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain(message);
  expect(outcome.stderr.trim().split("\n")).toHaveLength(1);
});
