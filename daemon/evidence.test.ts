/** Evidence through the whole daemon: real RTMP, real packets, real clip; only the classifier is scripted. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { AlertPage, Evidence, FaceAlert, ScorePoint } from "./protocol.ts";
import { type DaemonProcess, faceVideo, publish, type Publisher, runCli, startDaemonProcess } from "./testing/daemon-process.ts";

const run = promisify(execFile);
const KEY = "forged-key-1";
const settings = { streams: [{ name: "demo-forged", key: KEY }], rtmp: { port: 0, graceMs: 500 }, alerts: { dwellMs: 0, minFrames: 40, coolDownMs: 0 }, evidence: { beforeMs: 1_000, afterMs: 1_000, minFreeBytes: 0 } };

let first: DaemonProcess;
let daemon: DaemonProcess;
let publisher: Publisher;
let alert: FaceAlert;
let scratch: string;

const evidenceOf = (id: string) => daemon.get<Evidence>(`/api/v1/alerts/${id}/evidence`);

async function firing(): Promise<FaceAlert> {
  return await vi.waitFor(
    async () => {
      const [first] = (await daemon.get<AlertPage>("/api/v1/alerts?state=firing")).alerts;
      if (first?.rule !== "manipulated-face") throw new Error("no alert fires yet");
      return first;
    },
    { timeout: 40_000, interval: 100 },
  );
}

async function sealed(id: string): Promise<Evidence> {
  return await vi.waitFor(
    async () => {
      const evidence = await evidenceOf(id);
      if (evidence.sealedAt === null) throw new Error(`not sealed yet: ${JSON.stringify(evidence)}`);
      return evidence;
    },
    { timeout: 40_000, interval: 200 },
  );
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "truecast-evidence-e2e-"));
  first = await startDaemonProcess(settings);
  daemon = first;
  publisher = publish(await faceVideo(), `${daemon.rtmpUrl}/${KEY}`);
}, 60_000);

afterAll(async () => {
  await publisher.close();
  await first[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

test("old alerts are removed from the first moment on, which asks what is held", () => {
  expect(daemon.log.filter(({ msg }) => typeof msg === "string" && msg.includes("could not be removed"))).toEqual([]);
});

test("while an alert fires its evidence is recorded, and nothing is sealed", { timeout: 60_000 }, async () => {
  alert = await firing();
  expect(await evidenceOf(alert.id)).toMatchObject({ state: "recording", files: [], sealedAt: null });
  await vi.waitFor(async () => expect(await readdir(join(daemon.dataDir, "evidence/recording", alert.id))).toEqual(expect.arrayContaining(["crops.json", "crops.rgb", "incident.json", "part-0.flv", "part-0.json", "scores.jsonl"])), { timeout: 10_000 });
});

test("after its end clip, sheet, score line and report are sealed, and all is complete", { timeout: 60_000 }, async () => {
  await publisher.close();
  const evidence = await sealed(alert.id);
  expect(evidence).toMatchObject({ state: "complete", problems: [], held: false });
  expect(evidence.files.map(({ name }) => name)).toEqual(["clip.mp4", "crops.jpg", "crops.png", "scores.json", "scores.svg", "report.json", "sha256sums.txt"]);
  expect(await readdir(join(daemon.dataDir, "evidence/recording"))).toEqual([]);
});

test("the clip shows what the score was about, and its seconds are those of the media clock", { timeout: 60_000 }, async () => {
  const [clip] = (await evidenceOf(alert.id)).clips;
  if (clip === undefined) return expect.fail("no clip");
  const file = join(scratch, "clip.mp4");
  await writeFile(file, new Uint8Array(await (await fetch(`${daemon.httpUrl}/api/v1/alerts/${alert.id}/evidence/clip.mp4`)).arrayBuffer()));
  const { stdout } = await run("ffprobe", ["-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", file]);
  const seconds = stdout.trim().split("\n").map(Number).toSorted((a, b) => a - b);
  expect(clip.zeroPtsMs + (seconds[0] ?? 0) * 1_000).toBeCloseTo(clip.firstPtsMs, -1);
  expect(clip.zeroPtsMs + (seconds.at(-1) ?? 0) * 1_000).toBeCloseTo(clip.lastPtsMs ?? 0, -1);
  const { points } = (await daemon.get<{ points: ScorePoint[] }>(`/api/v1/alerts/${alert.id}/evidence/scores.json`));
  // A second is more than alert and score of the same moment are apart, and less than two scores.
  const crossed = points.find(({ at }) => at >= alert.pendingAt - 900);
  // Ten seconds of horizon, or all of a stream that is younger; its first picture is some frames in where there are B-frames.
  expect(clip.firstPtsMs).toBeLessThanOrEqual(Math.max(100, (crossed?.ptsMs ?? 0) - 10_000));
  expect(clip.lastPtsMs).toBeGreaterThan(points.at(-1)?.ptsMs ?? Number.POSITIVE_INFINITY);
  await run("ffmpeg", ["-nostdin", "-v", "error", "-xerror", "-i", file, "-f", "null", "-"]);
});

test("the report has model, rule, coverage, sampling, tracks, times and stream", async () => {
  const report = await daemon.get<Record<string, Record<string, unknown>>>(`/api/v1/alerts/${alert.id}/evidence/report.json`);
  expect(report).toMatchObject({
    software: { name: "Truecast" },
    alert: { id: alert.id, state: "resolved", resolution: "stream-ended" },
    model: { name: "scripted", sha256: alert.model.sha256 },
    rule: { threshold: alert.threshold, minCoverage: 0.5, dwellMs: 0 },
    stream: { name: "demo-forged", samplingFps: 10, publisher: { videoCodec: "h264", widthPx: 1280, heightPx: 720 } },
  });
  expect(report["scores"]?.["lowestCoverage"]).toBeGreaterThan(0);
});

test("files are served for players and browsers that trust nothing", async () => {
  const url = `${daemon.httpUrl}/api/v1/alerts/${alert.id}/evidence`;
  const range = await fetch(`${url}/clip.mp4`, { headers: { range: "bytes=4-7" } });
  expect([range.status, await range.text(), range.headers.get("content-type")]).toEqual([206, "ftyp", "video/mp4"]);
  const picture = await fetch(`${url}/scores.svg`);
  expect(picture.headers.get("content-security-policy")).toMatch(/^sandbox; default-src 'none'/);
  expect(Object.fromEntries(["content-type", "x-content-type-options", "cross-origin-resource-policy"].map((name) => [name, picture.headers.get(name)]))).toEqual({ "content-type": "image/svg+xml", "x-content-type-options": "nosniff", "cross-origin-resource-policy": "same-origin" });
  for (const name of ["nothing.mp4", "..%2F..%2Flog.jsonl", "%2e%2e", "signing-key.pem"]) expect([name, (await fetch(`${url}/${name}`)).status]).toEqual([name, 404]);
  expect((await fetch(`${daemon.httpUrl}/api/v1/alerts/nobody/evidence`)).status).toBe(404);
});

test("the command line verifies it beside the running daemon, and so do openssl and sha256sum alone", { timeout: 60_000 }, async () => {
  const root = join(daemon.dataDir, "evidence");
  const whole = await runCli(["evidence", "verify", root]);
  expect([whole.code, whole.stdout]).toEqual([0, expect.stringContaining("are as they were sealed") as string]);
  const { stdout } = await run("find", [root, "-name", alert.id, "-path", "*demo-forged*"]);
  const folder = stdout.trim();
  const alone = await runCli(["evidence", "verify", folder, "--public-key", join(root, "public-key.pem")]);
  expect([alone.code, alone.stdout]).toEqual([0, expect.stringContaining("1 incident, 7 files and 1 record are as they were sealed") as string]);
  await writeFile(join(folder, "planted.txt"), "x");
  const planted = await runCli(["evidence", "verify", root]);
  expect([planted.code, planted.stdout]).toEqual([1, expect.stringContaining("planted.txt: is not in the manifest") as string]);
  await rm(join(folder, "planted.txt"));
  expect((await runCli(["evidence", "verify", scratch])).code).toBe(2);
});

test("held evidence stays; deleted evidence takes its alert along, and is nowhere in the data folder", { timeout: 60_000 }, async () => {
  const url = `${daemon.httpUrl}/api/v1/alerts/${alert.id}`;
  const hold = (held: boolean) => fetch(`${url}/evidence/hold`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ held }) });
  expect(await (await hold(true)).json()).toMatchObject({ held: true });
  expect((await fetch(`${url}/evidence?alert=true`, { method: "DELETE" })).status).toBe(409);
  expect((await hold(false)).status).toBe(200);
  expect((await fetch(`${url}/evidence?alert=true`, { method: "DELETE" })).status).toBe(204);
  expect(await evidenceOf(alert.id)).toMatchObject({ state: "deleted", removal: { cause: "request" }, files: [] });
  expect([(await fetch(url)).status, (await fetch(`${url}/evidence/clip.mp4`)).status]).toEqual([404, 404]);
  // The UUID is left in the signed records of hold and deletion and in the audit record of who asked, and nowhere else; the stream's name is left nowhere.
  const { stdout } = await run("grep", ["-r", "-l", "-a", "-F", alert.id, daemon.dataDir]);
  expect(stdout.trim().split("\n").toSorted()).toEqual(["evidence/log.jsonl", "truecast.db"].map((file) => join(daemon.dataDir, file)));
  const { entries } = (await (await fetch(`${daemon.httpUrl}/api/v1/audit?object=alert:${alert.id}`)).json()) as { entries: { action: string; actor: string }[] };
  expect(entries.map(({ action, actor }) => [action, actor])).toEqual(["evidence.delete-requested", "evidence.released", "evidence.delete-requested", "evidence.held"].map((action) => [action, "loopback"]));
  await expect(run("grep", ["-r", "-l", "-a", "-F", "demo-forged", daemon.dataDir])).rejects.toMatchObject({ code: 1 });
  expect(await (await fetch(`${daemon.httpUrl}/metrics`)).text()).toMatch(/truecast_evidence_removals_total\{cause="request"\} 1/);
  expect((await runCli(["evidence", "verify", join(daemon.dataDir, "evidence")])).code).toBe(0);
});

test("kill -9 in the middle of an incident loses neither its clip nor its scores", { timeout: 120_000 }, async () => {
  publisher = publish(await faceVideo(), `${daemon.rtmpUrl}/${KEY}`);
  const interrupted = await firing();
  await vi.waitFor(async () => expect((await readdir(join(daemon.dataDir, "evidence/recording", interrupted.id))).filter((name) => /^(part-0\.flv|incident\.json|scores\.jsonl)$/.test(name))).toHaveLength(3), { timeout: 10_000 });
  await daemon.stop("SIGKILL");
  await publisher.close();
  const { dataDir } = daemon;
  await using next = await startDaemonProcess({ ...settings, dataDir });
  daemon = next;
  const evidence = await sealed(interrupted.id);
  expect(evidence).toMatchObject({ state: "incomplete", problems: [{ code: "daemon-restarted" }] });
  expect(evidence.files.map(({ name }) => name)).toEqual(expect.arrayContaining(["clip.mp4", "crops.jpg", "scores.json", "report.json"]));
  expect((await runCli(["evidence", "verify", join(dataDir, "evidence")])).code).toBe(0);
});
