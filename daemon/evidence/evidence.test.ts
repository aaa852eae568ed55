/** Evidence from the first transition to the last removal, with a recorder that writes real video; the disk fills up, processes die, years pass. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { makeFlv } from "../../pipelines/decode/flv-fixture.ts";
import type { FaceAlert, ScorePoint } from "../protocol.ts";
import { type EvidenceEvent, type EvidenceKeeper, type EvidenceOptions, type RecordingCommand, startEvidence } from "./evidence.ts";
import type { EvidenceProblem } from "./manifest.ts";
import { freshFolder, quietLog } from "./testing/sealed.ts";
import { verifyEvidence } from "./verify.ts";

const run = promisify(execFile);
const DAY_MS = 24 * 3_600_000;
const until = { timeout: 30_000, interval: 50 };
let video: Buffer;

beforeAll(async () => {
  video = await makeFlv({ seconds: 3 });
});

function alertOf(changes: Partial<FaceAlert> = {}): FaceAlert {
  const at = Date.now();
  return {
    id: randomUUID(),
    stream: "studio",
    track: 1,
    tracks: [1],
    rule: "manipulated-face",
    state: "firing",
    resolution: null,
    pendingAt: at - 2_000,
    firingAt: at,
    resolvedAt: null,
    score: 0.97,
    peakScore: 0.98,
    threshold: 0.9,
    model: { name: "scripted", sha256: "ab".repeat(32), scripted: true },
    ...changes,
  };
}

const ended = (alert: FaceAlert, changes: Partial<FaceAlert> = {}): FaceAlert => ({ ...alert, state: "resolved", resolution: "score-fell", resolvedAt: Date.now(), ...changes });

function pointOf(ptsMs: number, changes: Partial<ScorePoint> = {}): ScorePoint {
  return { at: Date.now(), ptsMs, track: 1, frames: 100, score: 0.95, coverage: 1, ...changes };
}

interface Harness {
  readonly keeper: EvidenceKeeper;
  readonly events: EvidenceEvent[];
  readonly commands: RecordingCommand[];
  readonly root: string;
}

/** The recorder answers at once: it writes a clip and four crops at the start, and reports at the end. */
async function start(options: Partial<EvidenceOptions> & { readonly root?: string; readonly isDeaf?: boolean } = {}): Promise<Harness> {
  const root = options.root ?? (await freshFolder());
  const events: EvidenceEvent[] = [];
  const commands: RecordingCommand[] = [];
  const recordings = new Map<string, Promise<readonly EvidenceProblem[]>>();
  const keeper: EvidenceKeeper = await startEvidence({
    folder: root,
    limits: { beforeMs: 1_000, afterMs: 0, minFreeBytes: 0, heatMaps: true, cropsDays: 30, clipsDays: 90, verdictsDays: 365, maxBytes: 1e9 },
    windowMs: 10_000,
    modelDir: "/nowhere",
    version: "0.0.0-test",
    tell(_stream, command) {
      commands.push(command);
      if (options.isDeaf === true) return true;
      if (command.type === "record") recordings.set(command.incident, record(command.folder).then(() => [], () => ["disk-full"]));
      if (command.type === "record-end") void recordings.get(command.incident)?.then((problems) => keeper.onRecorded(command.incident, problems));
      return true;
    },
    scoresOf: () => [pointOf(8_000, { score: 0.5, at: Date.now() - 5_000 }), pointOf(19_000, { at: Date.now() - 2_000 }), pointOf(20_000), pointOf(20_000, { track: 2, score: 0.1 })],
    factsOf: () => ({ rule: { threshold: 0.9 }, model: { name: "scripted" }, stream: { name: "studio" }, tracks: [] }),
    alertOf: () => null,
    onEvent: (event) => events.push(event),
    log: quietLog,
    ...options,
  });
  onTestFinished(() => keeper.close());
  return { keeper, events, commands, root };
}

async function record(folder: string): Promise<void> {
  await writeFile(join(folder, "part-0.flv"), video);
  await writeFile(join(folder, "part-0.json"), JSON.stringify({ codec: "h264", format: "flv", baseMs: 7_000, firstPtsMs: 7_000, lastPtsMs: 9_967 }));
  await writeFile(join(folder, "crops.rgb"), Buffer.alloc(4 * 16 * 16 * 3, 0x7f));
  await writeFile(join(folder, "crops.json"), JSON.stringify({ sizePx: 16, ptsMs: [18_500, 19_000, 19_500, 20_000] }));
}

const sealed = async ({ keeper }: Harness, id: string) => {
  await expect.poll(() => keeper.evidenceOf(id)?.sealedAt ?? null, until).not.toBeNull();
  return keeper.evidenceOf(id) ?? expect.fail();
};

/** From firing to sealed. */
async function happen(harness: Harness, changes: Partial<FaceAlert> = {}): Promise<FaceAlert> {
  const alert = alertOf(changes);
  harness.keeper.onTransition({ alert });
  harness.keeper.onTransition({ alert: ended(alert, changes) });
  await sealed(harness, alert.id);
  return alert;
}

test("a pending alert writes nothing, and neither does one that never fires", async () => {
  const harness = await start();
  const pending = alertOf({ state: "pending", firingAt: null });
  harness.keeper.onTransition({ alert: pending });
  harness.keeper.onTransition({ alert: ended(pending) });
  expect([harness.commands, harness.keeper.evidenceOf(pending.id), await readdir(harness.root)]).toEqual([[], null, expect.not.arrayContaining(["recording"])]);
});

test("an alert that fires is recorded from the beginning of what its first score over the threshold is about", async () => {
  const harness = await start();
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  await expect.poll(() => harness.commands).toEqual([expect.objectContaining({ type: "record", stream: "studio", trackId: 1, fromPtsMs: 19_000 - 10_000 - 1_000, cropsFromPtsMs: 10_000 })]);
  harness.keeper.onScore("studio", pointOf(21_000));
  harness.keeper.onScore("studio", pointOf(21_000, { track: 2 }));
  harness.keeper.onScore("gate", pointOf(21_000));
  harness.keeper.onTransition({ alert: ended(alert) });
  const evidence = await sealed(harness, alert.id);
  expect(evidence).toMatchObject({ state: "complete", problems: [], clips: [{ name: "clip.mp4", zeroPtsMs: 7_000 }] });
  const { path } = harness.keeper.fileOf(alert.id, "scores.json") ?? expect.fail();
  const { points } = JSON.parse(await readFile(path, "utf8")) as { points: ScorePoint[] };
  expect(points.map(({ ptsMs, track }) => [ptsMs, track])).toEqual([[8_000, 1], [19_000, 1], [20_000, 1], [21_000, 1]]);
  expect(harness.events).toEqual([{ kind: "sealed", complete: true }]);
  expect((await verifyEvidence({ folder: harness.root })).findings).toEqual([]);
  expect(await readdir(join(harness.root, "recording"))).toEqual([]);
});

test("an alert that fires again while its last seconds are recorded is one incident and one folder", async () => {
  const harness = await start({ isDeaf: true });
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  await expect.poll(() => harness.commands.length).toBe(1);
  harness.keeper.onTransition({ alert: ended(alert) });
  harness.keeper.onTransition({ alert });
  expect(harness.commands.map(({ type }) => type)).toEqual(["record", "record-end", "record-on"]);
  await record(join(harness.root, "recording", alert.id));
  harness.keeper.onTransition({ alert: ended(alert) });
  harness.keeper.onRecorded(alert.id, []);
  expect(await sealed(harness, alert.id)).toMatchObject({ state: "complete" });
  harness.keeper.onTransition({ alert });
  expect(harness.commands.map(({ type }) => type)).toEqual(["record", "record-end", "record-on", "record-end"]);
});

test("what an ended run had recorded is finished by the next, and says so", { timeout: 60_000 }, async () => {
  const first = await start({ isDeaf: true });
  const alert = alertOf();
  first.keeper.onTransition({ alert });
  await expect.poll(() => readdir(join(first.root, "recording", alert.id)), until).toEqual(expect.arrayContaining(["incident.json", "scores.jsonl"]));
  await record(join(first.root, "recording", alert.id));
  first.keeper.onScore("studio", pointOf(21_000));
  await first.keeper.close();
  const second = await start({ root: first.root, alertOf: (id) => (id === alert.id ? ended(alert, { resolution: "daemon-restarted" }) : null) });
  expect(await sealed(second, alert.id)).toMatchObject({ state: "incomplete", problems: [{ code: "daemon-restarted" }], clips: [{ name: "clip.mp4" }] });
  const report = JSON.parse(await readFile(second.keeper.fileOf(alert.id, "report.json")?.path ?? "", "utf8")) as object;
  expect(report).toMatchObject({ alert: { resolution: "daemon-restarted" }, scores: { count: 4 }, rule: { threshold: 0.9 } });
  expect(second.events).toEqual(expect.arrayContaining([{ kind: "problem", problem: "daemon-restarted" }, { kind: "sealed", complete: false }]));
});

test("a recorder that dies takes nothing of what it wrote, and the incident is not waited for", { timeout: 60_000 }, async () => {
  const harness = await start({ isDeaf: true });
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  await expect.poll(() => harness.commands.length).toBe(1);
  await record(join(harness.root, "recording", alert.id));
  harness.keeper.onAnalysisLost(["gate", "studio"]);
  expect(harness.keeper.evidenceOf(alert.id)).toMatchObject({ state: "recording", problems: [{ code: "analysis-lost" }] });
  harness.keeper.onTransition({ alert: ended(alert) });
  expect(await sealed(harness, alert.id)).toMatchObject({ state: "incomplete", clips: [{ name: "clip.mp4" }] });
});

test("a clip that ffmpeg cannot read leaves the rest, and says so", { timeout: 60_000 }, async () => {
  const harness = await start({ isDeaf: true });
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  await expect.poll(() => harness.commands.length).toBe(1);
  const folder = join(harness.root, "recording", alert.id);
  await record(folder);
  // A playlist in place of packets: with a format that is not guessed it is no playlist.
  await writeFile(join(folder, "part-0.flv"), "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n");
  harness.keeper.onTransition({ alert: ended(alert) });
  harness.keeper.onRecorded(alert.id, []);
  const evidence = await sealed(harness, alert.id);
  expect(evidence).toMatchObject({ state: "incomplete", problems: [{ code: "clip-failed" }], clips: [] });
  expect(evidence.files.map(({ name }) => name)).toContain("crops.jpg");
});

const mayMount = process.getuid?.() === 0;

test.runIf(mayMount)("a full disk stops no alert: evidence waits, is sealed as incomplete once there is room, and both are counted", { timeout: 120_000 }, async () => {
  const root = await freshFolder();
  await run("mount", ["-t", "tmpfs", "-o", "size=1m", "none", root]);
  onTestFinished(async () => void (await run("umount", ["-l", root])));
  const harness = await start({ root, maintenanceMs: 200 });
  onTestFinished(() => harness.keeper.close());
  const { bavail, bsize } = await statfs(root);
  await writeFile(join(root, "filler"), Buffer.alloc(bavail * bsize - 8 * bsize));
  const alerts = [alertOf(), alertOf({ stream: "gate" })];
  for (const alert of alerts) harness.keeper.onTransition({ alert });
  for (const alert of alerts) harness.keeper.onTransition({ alert: ended(alert) });
  for (const { id } of alerts) await expect.poll(() => harness.keeper.evidenceOf(id), until).toMatchObject({ state: "incomplete", sealedAt: null, problems: expect.arrayContaining([expect.objectContaining({ code: "disk-full" })]) as [] });
  expect(harness.events.filter((event) => event.kind === "problem" && event.problem === "disk-full")).toHaveLength(2);
  await rm(join(root, "filler"));
  for (const { id } of alerts) expect(await sealed(harness, id)).toMatchObject({ state: "incomplete" });
  expect((await verifyEvidence({ folder: root })).findings).toEqual([]);
});

test("with less free than is to stay free, neither clip nor crops are recorded", async () => {
  const harness = await start({ limits: { beforeMs: 0, afterMs: 0, minFreeBytes: 1e18, heatMaps: false, cropsDays: 30, clipsDays: 90, verdictsDays: 90, maxBytes: 1e9 } });
  const alert = await happen(harness);
  expect(harness.commands).toEqual([]);
  const evidence = harness.keeper.evidenceOf(alert.id);
  expect(evidence).toMatchObject({ state: "incomplete", problems: [{ code: "disk-full" }] });
  expect(evidence?.files.map(({ name }) => name)).toEqual(["scores.json", "scores.svg", "report.json", "sha256sums.txt"]);
});

test("crops go after thirty days, clips later, all of it at last; what is held stays", { timeout: 60_000 }, async () => {
  let nowMs = Date.now();
  const harness = await start({ now: () => nowMs, maintenanceMs: 50 });
  const alert = await happen(harness);
  const held = await happen(harness);
  await harness.keeper.hold(held.id, true);
  const left = (id: string): string[] => harness.keeper.evidenceOf(id)?.files.filter(({ removed }) => !removed).map(({ name }) => name) ?? [];
  const all = left(alert.id);
  nowMs += 30.5 * DAY_MS;
  await expect.poll(() => left(alert.id), until).toEqual(all.filter((name) => !name.startsWith("crops")));
  expect(harness.keeper.fileOf(alert.id, "crops.jpg")).toBeNull();
  nowMs += 60 * DAY_MS;
  await expect.poll(() => left(alert.id), until).toEqual(["scores.json", "scores.svg", "report.json", "sha256sums.txt"]);
  nowMs += 280 * DAY_MS;
  await expect.poll(() => harness.keeper.evidenceOf(alert.id), until).toMatchObject({ state: "deleted", removal: { cause: "retention" } });
  expect([left(held.id), harness.keeper.heldAlerts()]).toEqual([all, [held.id]]);
  expect((await verifyEvidence({ folder: harness.root })).findings).toEqual([]);
});

test("past the quota the oldest go first, and none that is held", { timeout: 60_000 }, async () => {
  const limits = { beforeMs: 0, afterMs: 0, minFreeBytes: 0, heatMaps: false, cropsDays: 30, clipsDays: 90, verdictsDays: 90 };
  const first = await start({ limits: { ...limits, maxBytes: 1e9 } });
  const at = Date.now();
  const [oldest, old, newest] = [await happen(first, { firingAt: at - 3_000 }), await happen(first, { firingAt: at - 2_000 }), await happen(first, { firingAt: at - 1_000 })];
  await first.keeper.hold(oldest.id, true);
  const { bytes } = first.keeper.stats();
  await first.keeper.close();
  const second = await start({ root: first.root, limits: { ...limits, maxBytes: bytes - 1 } });
  await expect.poll(() => second.keeper.evidenceOf(old.id)?.state, until).toBe("deleted");
  expect([oldest, newest].map(({ id }) => second.keeper.evidenceOf(id)?.problems)).toEqual([[], []]);
  await expect.poll(() => second.events).toEqual([{ kind: "removed", cause: "quota" }]);
});

test("deleted evidence is nowhere on the disk: neither its files nor its stream's name", { timeout: 60_000 }, async () => {
  const harness = await start();
  const other = await happen(harness);
  const alert = await happen(harness, { stream: "private-person" });
  const gone = await happen(harness, { stream: "private-person" });
  await harness.keeper.hold(gone.id, true);
  // In the manifest and in the sums: what is left of either would hold it.
  const reportHash = harness.keeper.evidenceOf(alert.id)?.files.find(({ name }) => name === "report.json")?.sha256 ?? "";
  await expect(harness.keeper.remove(gone.id)).rejects.toMatchObject({ code: "conflict" });
  expect(await harness.keeper.removeStream("private-person")).toEqual({ removed: [alert.id], kept: [gone.id] });
  await harness.keeper.hold(gone.id, false);
  await harness.keeper.remove(gone.id);
  await harness.keeper.close();
  await expect(run("grep", ["-r", "-l", "-a", "-F", "-e", "private-person", "-e", reportHash, harness.root])).rejects.toMatchObject({ code: 1 });
  expect((await readdir(harness.root, { recursive: true })).filter((name) => name.includes("private-person"))).toEqual([]);
  const verification = await verifyEvidence({ folder: harness.root });
  expect(verification).toMatchObject({ findings: [], incidents: 1 });
  expect(verification.removed.toSorted((a, b) => a.localeCompare(b))).toEqual([alert.id, gone.id].toSorted((a, b) => a.localeCompare(b)));
  expect(other.id).not.toBe(alert.id);
});

test("evidence that is being recorded is not deleted under the recorder's hands", async () => {
  const harness = await start({ isDeaf: true });
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  await expect(harness.keeper.remove(alert.id)).rejects.toMatchObject({ code: "conflict" });
  expect(await harness.keeper.removeStream("studio")).toEqual({ removed: [], kept: [alert.id] });
});

test("a folder that cannot be used holds up nothing, and is used once it can be", { timeout: 60_000 }, async () => {
  const root = await freshFolder();
  await writeFile(join(root, "signing-key.pem"), "not a key");
  const harness = await start({ root, maintenanceMs: 100 });
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  harness.keeper.onTransition({ alert: ended(alert) });
  await expect.poll(() => harness.keeper.evidenceOf(alert.id)?.state, until).toBe("incomplete");
  await expect(harness.keeper.removeStream("studio")).rejects.toMatchObject({ code: "evidence-failed" });
  await rm(join(root, "signing-key.pem"));
  await sealed(harness, alert.id);
});

test("a folder of recordings that says nothing of itself is cleared away", async () => {
  const root = await freshFolder();
  await mkdir(join(root, "recording", randomUUID()), { recursive: true });
  await start({ root });
  await expect.poll(() => readdir(join(root, "recording"))).toEqual([]);
});

test("an alert that fires again as its recording ends, or after it, is not passed off as complete", { timeout: 60_000 }, async () => {
  const harness = await start({ isDeaf: true });
  const [late, later] = [alertOf(), alertOf()];
  for (const alert of [late, later]) harness.keeper.onTransition({ alert });
  await expect.poll(() => harness.commands.length).toBe(2);
  for (const alert of [late, later]) {
    await record(join(harness.root, "recording", alert.id));
    harness.keeper.onTransition({ alert: ended(alert) });
  }
  // The recorder was through before the word to go on reached it.
  harness.keeper.onTransition({ alert: late });
  for (const { id } of [late, later]) harness.keeper.onRecorded(id, []);
  harness.keeper.onTransition({ alert: later });
  harness.keeper.onTransition({ alert: ended(late) });
  for (const { id } of [late, later]) expect(await sealed(harness, id)).toMatchObject({ state: "incomplete", problems: [{ code: "fired-again" }], clips: [{ name: "clip.mp4" }] });
  // Sealed evidence is not added to: that is counted.
  harness.events.length = 0;
  harness.keeper.onTransition({ alert: later, kind: "re-firing" });
  expect(harness.events).toEqual([{ kind: "problem", problem: "fired-again" }]);
});

test("a score line that a power cut left full of zeros keeps neither its own incident nor another from being finished", { timeout: 60_000 }, async () => {
  const first = await start({ isDeaf: true });
  const alerts = [alertOf(), alertOf()];
  for (const alert of alerts) first.keeper.onTransition({ alert });
  for (const { id } of alerts) await expect.poll(() => readdir(join(first.root, "recording", id)).catch(() => []), until).toEqual(expect.arrayContaining(["incident.json", "scores.jsonl"]));
  await first.keeper.close();
  for (const { id } of alerts) await appendFile(join(first.root, "recording", id, "scores.jsonl"), `${"\0".repeat(100)}\n`);
  const second = await start({ root: first.root });
  for (const { id } of alerts) expect(await sealed(second, id)).toMatchObject({ problems: [{ code: "daemon-restarted" }] });
  expect(JSON.parse(await readFile(second.keeper.fileOf(alerts[0]?.id ?? "", "scores.json")?.path ?? "", "utf8"))).toMatchObject({ points: [{ ptsMs: 8_000 }, {}, {}] });
});

test("an alert that fires for months does not fill the disk with scores", { timeout: 60_000 }, async () => {
  const points = Array.from({ length: 30_000 }, (_, second) => pointOf(20_000 + second * 1_000));
  const harness = await start({ isDeaf: true, scoresOf: () => points });
  const alert = alertOf({ pendingAt: Date.now() - 500 });
  harness.keeper.onTransition({ alert });
  const lines = async (): Promise<number> => (await readFile(join(harness.root, "recording", alert.id, "scores.jsonl"), "utf8").catch(() => "")).split("\n").length - 1;
  await expect.poll(lines, until).toBe(30_000);
  harness.keeper.onScore("studio", pointOf(50_000_000));
  await expect.poll(lines, until).toBe(14_400);
  harness.keeper.onScore("studio", pointOf(50_001_000));
  await expect.poll(lines, until).toBe(14_401);
});

test("while the folder cannot be used, nobody is told that there is no evidence and that nothing is held", { timeout: 60_000 }, async () => {
  const first = await start();
  const alert = await happen(first);
  await first.keeper.hold(alert.id, true);
  await first.keeper.close();
  const key = await readFile(join(first.root, "signing-key.pem"));
  await writeFile(join(first.root, "signing-key.pem"), "not a key");
  const second = await start({ root: first.root, maintenanceMs: 100 });
  for (const ask of [() => second.keeper.heldAlerts(), () => second.keeper.evidenceOf(alert.id), () => second.keeper.fileOf(alert.id, "report.json")]) expect(ask).toThrow(expect.objectContaining({ code: "evidence-failed" }) as Error);
  await writeFile(join(first.root, "signing-key.pem"), key);
  await expect.poll(() => second.keeper.stats().held, until).toBe(1);
  expect([second.keeper.heldAlerts(), second.keeper.evidenceOf(alert.id)?.held]).toEqual([[alert.id], true]);
});

test("an incident that begins before the folder can be used is not cleared away once it can", { timeout: 60_000 }, async () => {
  const root = await freshFolder();
  await writeFile(join(root, "signing-key.pem"), "not a key");
  const harness = await start({ root, maintenanceMs: 100 });
  const alert = alertOf();
  harness.keeper.onTransition({ alert });
  await expect.poll(() => harness.commands.length).toBe(1);
  // As if its note were still on its way to the disk.
  await expect.poll(() => readdir(join(root, "recording", alert.id)), until).toEqual(expect.arrayContaining(["incident.json", "part-0.flv"]));
  await rm(join(root, "recording", alert.id, "incident.json"));
  await rm(join(root, "signing-key.pem"));
  const after = await happen(harness);
  harness.keeper.onTransition({ alert: ended(alert) });
  expect(await sealed(harness, alert.id)).toMatchObject({ state: "complete", clips: [{ name: "clip.mp4" }] });
  expect(after.id).not.toBe(alert.id);
});
