/** The metrics as a scrape sees them: names and labels against a golden list, Prometheus' own linter, bounded series. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DISCARD_REASONS, LOSS_REASONS, NEWCOMER_REFUSALS } from "../../pipelines/types.ts";
import { ALERT_TRANSITION_KINDS } from "../alerts/alert-rule.ts";
import { BLIND_SPOT_RULES } from "../protocol.ts";
import { STREAM_STATES } from "../protocol.ts";
import { definedMetrics } from "./testing/defined-metrics.ts";
import { createMetrics, type Metrics, STAGES } from "./metrics.ts";

const PROMTOOL = "/usr/bin/promtool";

/** Metrics with at least one series of every kind. */
function busyMetrics(): Metrics {
  const metrics = createMetrics({ version: "1.2.3", maxStreams: 16 });
  const stream = metrics.stream("studio-a");
  stream.state("live");
  stream.framesDecoded(10);
  stream.framesAnalysed(9);
  stream.framesDiscarded("analysis-busy", 1);
  stream.framesLost("corrupt", 2);
  stream.frameAge(0.12);
  stream.score(0.97);
  stream.alertTransition("manipulated-face", "firing");
  const source = metrics.source("studio-a");
  source.state("backing-off");
  source.attempt();
  source.failure("unreachable");
  for (const stage of STAGES) metrics.stage(stage, 0.01);
  metrics.samplingRate(10);
  metrics.inferenceQueue(3);
  metrics.inferenceBatch(8, 0.1);
  metrics.provider("cpu");
  metrics.model({ name: "edge", kind: "cnn-lstm", trained: false, sha256: "ab" });
  metrics.component("ingest", "ready");
  metrics.restartsOf("ingest", ["exit", "signal"])("exit");
  metrics.componentMemory("ingest", 70_000_000);
  metrics.ingestRefusals({ "key-unknown": 2 });
  metrics.alertsOpen([{ rule: "manipulated-face", state: "firing" }]);
  const receiver = metrics.receiver("desk");
  receiver.tried("failed", [{ at: 1_000 }], 2_000);
  receiver.tried("delivered", [{ at: 1_000 }], 3_000);
  receiver.status({ state: "ready", backlog: 1, oldestAt: 1_000 }, 5_000);
  metrics.webSocketClosed("slow");
  metrics.httpRequest({ route: "/api/v1/streams", method: "GET", status: 200, seconds: 0.002 });
  metrics.httpRefused("origin");
  return metrics;
}

/** The samples of one metric, `labels → value`. */
async function samplesOf(metrics: Metrics, name: string): Promise<Record<string, number>> {
  const { body } = await metrics.exposition();
  const lines = body.split("\n").flatMap((line) => {
    const match = /^([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    return match?.[1] === name ? [[match[2] ?? "", Number(match[3])] as const] : [];
  });
  return Object.fromEntries(lines);
}

test("names, types and labels are those of metrics.golden.txt", () => {
  const listed = definedMetrics().map(({ name, type, labelNames }) => `${name} ${type}${labelNames.length > 0 ? ` {${labelNames.toSorted().join(",")}}` : ""}`);
  expect(`${listed.toSorted().join("\n")}\n`).toBe(readFileSync(join(import.meta.dirname, "metrics.golden.txt"), "utf8"));
});

test("the process's own metrics carry the prefix too", async () => {
  const { body } = await createMetrics({ version: "1.2.3", maxStreams: 16 }).exposition();
  for (const name of ["truecast_nodejs_eventloop_lag_p99_seconds", "truecast_process_resident_memory_bytes", "truecast_process_cpu_seconds_total"]) expect(body).toContain(`# TYPE ${name} `);
  expect(body.match(/^# TYPE (?!truecast_).*/m)).toBeNull();
});

test.runIf(existsSync(PROMTOOL))("promtool check metrics finds nothing", async () => {
  const { body } = await busyMetrics().exposition();
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ["check", "metrics"], { input: body, encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
});

test("a stream has all its series from the start, at zero", async () => {
  const metrics = createMetrics({ version: "1.2.3", maxStreams: 16 });
  metrics.stream("studio-a");
  expect(await samplesOf(metrics, "truecast_frames_discarded_total")).toEqual(Object.fromEntries(DISCARD_REASONS.map((reason) => [`stream="studio-a",reason="${reason}"`, 0])));
  expect(await samplesOf(metrics, "truecast_faces_refused_total")).toEqual(Object.fromEntries(NEWCOMER_REFUSALS.map((reason) => [`stream="studio-a",reason="${reason}"`, 0])));
  expect(await samplesOf(metrics, "truecast_frames_lost_total")).toEqual(Object.fromEntries(LOSS_REASONS.map((reason) => [`stream="studio-a",reason="${reason}"`, 0])));
  expect(Object.keys(await samplesOf(metrics, "truecast_alert_transitions_total"))).toHaveLength(ALERT_TRANSITION_KINDS.length + 3 * BLIND_SPOT_RULES.length);
});

test("streams are counted by the state each is in", async () => {
  const metrics = createMetrics({ version: "1.2.3", maxStreams: 16 });
  metrics.stream("studio-a").state("live");
  metrics.stream("studio-b").state("live");
  metrics.stream("studio-b").state("stalled");
  metrics.stream("studio-c");
  const byState = { waiting: 1, starting: 0, live: 1, stalled: 1, reconnecting: 0, failed: 0 };
  expect(await samplesOf(metrics, "truecast_streams")).toEqual(Object.fromEntries(STREAM_STATES.map((state) => [`state="${state}"`, byState[state]])));
  const ofB = Object.entries(await samplesOf(metrics, "truecast_stream_state")).filter(([labels, value]) => labels.includes("studio-b") && value === 1);
  expect(ofB).toEqual([['stream="studio-b",state="stalled"', 1]]);
});

test("a removed stream leaves no series behind", async () => {
  const metrics = busyMetrics();
  expect((await metrics.exposition()).body).toContain('"studio-a"');
  metrics.removeStream("studio-a");
  const { body } = await metrics.exposition();
  expect(body).not.toContain("studio-a");
  expect(await samplesOf(metrics, "truecast_streams")).toMatchObject({ 'state="live"': 0 });
});

test("refusals go on counting when the ingest process restarts and counts from zero", async () => {
  const metrics = createMetrics({ version: "1.2.3", maxStreams: 16 });
  const reports = [{ "key-unknown": 2 }, { "key-unknown": 5, "protocol-violation": 1 }, {}, { "key-unknown": 1 }, { "key-unknown": 1 }, { "key-unknown": 6 }];
  for (const totals of reports) metrics.ingestRefusals(totals);
  expect(await samplesOf(metrics, "truecast_ingest_refusals_total")).toMatchObject({ 'code="key-unknown"': 11, 'code="protocol-violation"': 1, 'code="path-refused"': 0 });
});

test("one provider and one model are named at a time", async () => {
  const metrics = createMetrics({ version: "1.2.3", maxStreams: 16 });
  metrics.provider("cuda");
  metrics.provider("cpu");
  metrics.model({ name: "edge", kind: "cnn-lstm", trained: false, sha256: "ab" });
  metrics.model({ name: "edge", kind: "cnn-lstm", trained: true, sha256: "cd" });
  expect(await samplesOf(metrics, "truecast_inference_provider_info")).toEqual({ 'provider="cpu"': 1 });
  expect(await samplesOf(metrics, "truecast_model_info")).toEqual({ 'name="edge",kind="cnn-lstm",trained="true",sha256="cd"': 1 });
  metrics.provider(null);
  expect(await samplesOf(metrics, "truecast_inference_provider_info")).toEqual({});
});

test("restarts start at zero for every declared cause and count the one that happened", async () => {
  const metrics = createMetrics({ version: "1.2.3", maxStreams: 16 });
  const restarted = metrics.restartsOf("decoder", ["stalled", "exited"]);
  restarted("stalled");
  restarted("stalled");
  expect(await samplesOf(metrics, "truecast_restarts_total")).toEqual({ 'component="decoder",cause="stalled"': 2, 'component="decoder",cause="exited"': 0 });
});
