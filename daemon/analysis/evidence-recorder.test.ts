/** Recordings of real packets, made into clips by the real ffmpeg: what the recorder writes is what a player shows. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { makeFlvTags, videoTags } from "../../pipelines/decode/flv-fixture.ts";
import type { FlvTag } from "../../pipelines/decode/flv-reader.ts";
import type { ClockedPacket, VideoHeader } from "../../pipelines/decode/packet-history.ts";
import type { PartInfo } from "./clip-part.ts";
import { createEvidenceRecorder, type EvidenceRecorder } from "./evidence-recorder.ts";
import type { EvidenceLimits, RecordingProblem } from "./messages.ts";

const run = promisify(execFile);
const limits: EvidenceLimits = { ringMs: 6_000, ringBytes: 8_000_000, beforeMs: 1_000, afterMs: 1_000, maxClipMs: 60_000 };

let folder: string;
let told: { incident: string; problems: readonly RecordingProblem[] }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "truecast-recorder-"));
  told = [];
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

function create(changes: Partial<EvidenceLimits> = {}): EvidenceRecorder {
  const recorder = createEvidenceRecorder({ limits: { ...limits, ...changes }, inputSizePx: 2, onRecorded: (incident, problems) => told.push({ incident, problems }) });
  onTestFinished(() => recorder.close());
  return recorder;
}

interface Step {
  readonly packet: ClockedPacket;
  readonly header: VideoHeader;
}

/** As the packet intake gives them; `shiftMs` moves them on the clock. */
function stepsOf(tags: readonly FlvTag[], shiftMs = 0): Step[] {
  let header: VideoHeader | undefined;
  return videoTags(tags).flatMap((tag) => {
    if (tag.kind === "sequence-header") header = { codec: "h264", payload: tag.payload };
    if (header === undefined || (tag.kind !== "keyframe" && tag.kind !== "inter")) return [];
    return [{ header, packet: { kind: tag.kind, timestampMs: tag.timestampMs, clockMs: tag.timestampMs + shiftMs, compositionMs: tag.compositionMs, payload: tag.payload } }];
  });
}

const command = (changes: object = {}) => ({ type: "record" as const, stream: "studio", incident: "one", trackId: 1, folder, fromPtsMs: 0, cropsFromPtsMs: 0, ...changes });

function feed(recorder: EvidenceRecorder, steps: readonly Step[]): void {
  for (const { packet, header } of steps) recorder.packet(packet, header);
}

async function partsOf(): Promise<(PartInfo & { readonly pts: readonly number[] })[]> {
  const notes = (await readdir(folder)).filter((name) => /^part-\d+\.json$/.test(name)).toSorted((a, b) => a.localeCompare(b));
  return await Promise.all(
    notes.map(async (name) => {
      const info = JSON.parse(await readFile(join(folder, name), "utf8")) as PartInfo;
      const { stdout } = await run("ffprobe", ["-v", "error", "-f", info.format, "-show_entries", "packet=pts_time", "-of", "csv=p=0", join(folder, name.replace("json", info.format))]);
      return { ...info, pts: stdout.trim().split("\n").map((second) => info.baseMs + Number(second) * 1_000).toSorted((a, b) => a - b) };
    }),
  );
}

test("a recording begins in the past, at a keyframe, and goes on for its time after the end", async () => {
  const steps = stepsOf(await makeFlvTags({ seconds: 12, encoder: ["-tune", "film", "-bf", "2"] }), 50_000);
  const recorder = create();
  const at = (seconds: number): number => seconds * 30;
  feed(recorder, steps.slice(0, at(8)));
  recorder.record(command({ fromPtsMs: 54_500 }));
  feed(recorder, steps.slice(at(8), at(10)));
  recorder.end("one");
  feed(recorder, steps.slice(at(10)));
  await expect.poll(() => told).toEqual([{ incident: "one", problems: ["no-crops"] }]);
  const [part, ...others] = await partsOf();
  expect(others).toEqual([]);
  expect(part).toMatchObject({ codec: "h264", format: "flv", baseMs: 54_000 });
  expect(part?.firstPtsMs).toBeCloseTo(part?.pts[0] ?? 0, 0);
  // B-frames: the last picture in time is not the last packet.
  expect(part?.lastPtsMs).toBeCloseTo(part?.pts.at(-1) ?? 0, 0);
  expect(part?.lastPtsMs).toBeGreaterThan(60_900);
  expect(part?.lastPtsMs).toBeLessThan(61_300);
});

test("of a long incident the beginning and the last moments are kept, each a part of its own", async () => {
  const steps = stepsOf(await makeFlvTags({ seconds: 30 }));
  const recorder = create({ maxClipMs: 5_000 });
  feed(recorder, steps.slice(0, 60));
  recorder.record(command());
  feed(recorder, steps.slice(60, 28 * 30));
  recorder.end("one");
  feed(recorder, steps.slice(28 * 30));
  await recorder.close();
  const parts = await partsOf();
  expect(parts.map(({ firstPtsMs, lastPtsMs }) => [firstPtsMs, Math.round((lastPtsMs ?? 0) / 100)])).toEqual([[0, 50], [26_000, 290]]);
});

test("another format of the stream begins another part; formats without end are left", async () => {
  const small = stepsOf(await makeFlvTags({ seconds: 1, size: "64x64" }));
  const large = stepsOf(await makeFlvTags({ seconds: 1, size: "128x96" }));
  const recorder = create();
  feed(recorder, small);
  recorder.record(command());
  for (let round = 1; round < 12; round++) feed(recorder, (round % 2 === 0 ? small : large).map(({ packet, header }) => ({ header, packet: { ...packet, clockMs: packet.clockMs + round * 1_000 } })));
  recorder.end("one");
  await recorder.close();
  expect(told).toEqual([{ incident: "one", problems: ["no-crops", "clip-broken"] }]);
  expect((await partsOf()).map(({ firstPtsMs, pts }) => [firstPtsMs, pts.length])).toEqual(Array.from({ length: 8 }, (_, index) => [index * 1_000, 30]));
});

test("a publisher that came back with the same format goes on in the same part", async () => {
  const steps = stepsOf(await makeFlvTags({ seconds: 2 }));
  const recorder = create();
  feed(recorder, steps);
  recorder.record(command());
  feed(recorder, steps.map(({ packet, header }) => ({ header: { ...header, payload: Uint8Array.from(header.payload) }, packet: { ...packet, clockMs: packet.clockMs + 2_100 } })));
  await recorder.close();
  expect((await partsOf()).map(({ pts }) => pts.length)).toEqual([120]);
});

test("the crops of the horizon are written as they are, with their times", async () => {
  const recorder = create();
  for (let index = 0; index < 6; index++) recorder.crop(7, { ptsMs: index * 500, pixels: new Uint8Array(12).fill(index) });
  recorder.record(command({ trackId: 7, cropsFromPtsMs: 1_000 }));
  await recorder.close();
  expect(JSON.parse(await readFile(join(folder, "crops.json"), "utf8"))).toEqual({ sizePx: 2, ptsMs: [1_000, 1_500, 2_000, 2_500] });
  expect([...(await readFile(join(folder, "crops.rgb")))].filter((_, index) => index % 12 === 0)).toEqual([2, 3, 4, 5]);
  expect(told).toEqual([{ incident: "one", problems: ["no-video"] }]);
});

test("an incident that goes on after all is recorded on", async () => {
  const steps = stepsOf(await makeFlvTags({ seconds: 6 }));
  const recorder = create();
  feed(recorder, steps.slice(0, 30));
  recorder.record(command());
  recorder.end("one");
  feed(recorder, steps.slice(30, 50));
  recorder.resume("one");
  feed(recorder, steps.slice(50));
  expect(told).toEqual([]);
  await recorder.close();
  expect((await partsOf())[0]?.pts).toHaveLength(180);
});

test("a stream that stands still does not keep a recording open", { timeout: 10_000 }, async () => {
  const recorder = create({ afterMs: 0 });
  feed(recorder, stepsOf(await makeFlvTags({ seconds: 1 })));
  recorder.record(command());
  recorder.end("one");
  await expect.poll(() => told.length, { timeout: 8_000 }).toBe(1);
});

test("a folder that cannot be written to is a problem, not a crash", async () => {
  const recorder = create();
  feed(recorder, stepsOf(await makeFlvTags({ seconds: 1 })));
  recorder.crop(1, { ptsMs: 0, pixels: new Uint8Array(12) });
  recorder.record(command({ folder: join(folder, "nowhere") }));
  await recorder.close();
  expect(told).toEqual([{ incident: "one", problems: ["disk-failed"] }]);
});

test("an end that nobody recorded is answered", () => {
  create().end("unknown");
  expect(told).toEqual([{ incident: "unknown", problems: [] }]);
});

test("a past larger than what else may wait for the disk is no slow disk", async () => {
  const [first] = stepsOf(await makeFlvTags({ seconds: 1, size: "64x64" }));
  if (first === undefined) expect.fail();
  const recorder = create({ ringBytes: 33_554_432 });
  const payload = new Uint8Array(100_000);
  // Ten seconds at 20 Mbit/s.
  for (let frame = 0; frame < 250; frame++) recorder.packet({ ...first.packet, kind: frame % 25 === 0 ? "keyframe" : "inter", clockMs: frame * 40, payload }, first.header);
  recorder.record(command({ fromPtsMs: 4_000 - 10_000 }));
  await recorder.close();
  expect(told).toEqual([{ incident: "one", problems: ["no-crops"] }]);
  expect((await stat(join(folder, "part-0.flv"))).size).toBeGreaterThan(17_000_000);
});
