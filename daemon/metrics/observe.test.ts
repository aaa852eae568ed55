/** What the parts of the daemon report, seen through to a scrape. */
import { expect, test } from "vitest";
import type { IngestEvent } from "../ingest/messages.ts";
import { type IngestChild, startIngestChild } from "../ingest/testing/ingest-child.ts";
import { connectRtmp } from "../ingest/testing/rtmp-client.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createObserver } from "./observe.ts";

const KEY = "secret-of-the-studio";
const newMetrics = (): Metrics => createMetrics({ version: "1.2.3", maxStreams: 16 });

async function valueOf(metrics: Metrics, series: string): Promise<number | undefined> {
  const line = (await metrics.exposition()).body.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

type IngestStats = Extract<IngestEvent, { type: "stats" }>;

const ingestStats = (streams: readonly (readonly [stream: string, sessionId: string, droppedPackets: number])[]): IngestStats => ({
  type: "stats",
  streams: streams.map(([stream, sessionId, droppedPackets]) => ({ stream, sessionId, droppedPackets, bytesIn: 0, videoPackets: 0, skippedPackets: 0, bitrateKbps: 0 })),
  connections: streams.length,
  whip: null,
  rssBytes: 1,
  refusals: {},
});

test("packets dropped before analysis add up over the sessions of a stream, each of which counts from zero", async () => {
  const metrics = newMetrics();
  const observe = createObserver(metrics);
  const dropped = () => valueOf(metrics, 'truecast_packets_dropped_total{stream="studio"}');
  for (const [sessionId, total] of [["first", 0], ["first", 4], ["first", 4], ["first", 9]] as const) observe.ingest(ingestStats([["studio", sessionId, total]]));
  expect(await dropped()).toBe(9);
  // More than the session before it had: only the session's name tells that all of them are new.
  observe.ingest(ingestStats([["studio", "second", 12], ["other", "third", 0]]));
  observe.ingest(ingestStats([]));
  observe.ingest(ingestStats([["studio", "second", 13]]));
  expect(await dropped()).toBe(22);
  expect(await valueOf(metrics, 'truecast_packets_dropped_total{stream="other"}')).toBe(0);
});

test("crops that the model failed on and storms of the decoder are counted, from zero on", async () => {
  const metrics = newMetrics();
  const observe = createObserver(metrics);
  const stream = metrics.stream("studio");
  const counts = async () => [await valueOf(metrics, "truecast_inference_failures_total"), await valueOf(metrics, 'truecast_decoder_storms_total{stream="studio"}')];
  expect(await counts()).toEqual([0, 0]);
  const second = { type: "stats", crops: 8, discarded: 0, batches: 1, batchSizes: [8], inferenceSeconds: [0.1], queueDepth: 0, oldestWaitMs: 0, tracks: 1, noRoom: 0, trackEnded: 0, protocolErrors: 0, clients: 1, rssBytes: 1 } as const;
  observe.inference({ ...second, failed: 3 });
  observe.inference({ ...second, failed: 2 });
  stream.decoderStorm();
  expect(await counts()).toEqual([5, 1]);
});

test("publishers ended for their codec or their silence count as refusals, those that leave do not", async () => {
  await using ingest: IngestChild = await startIngestChild({ port: 0, streams: [{ name: "studio", key: KEY }], limits: { tickMs: 20, stallWarnMs: 300, stallEndMs: 300, statsIntervalMs: 50 } });
  const leaving = await connectRtmp(ingest.port);
  await leaving.publish(KEY);
  leaving.destroy();
  await ingest.until("publisher-lost", ({ code }) => code === "closed");
  const vvc = await connectRtmp(ingest.port);
  await vvc.publish(KEY);
  vvc.video(Buffer.concat([Buffer.from("9076766331", "hex"), Buffer.alloc(40)]));
  await vvc.closed;
  const silent = await connectRtmp(ingest.port);
  await silent.publish(KEY);
  await silent.closed;
  const stats = await ingest.until("stats", ({ refusals }) => refusals["publisher-stalled"] !== undefined);
  expect(stats.refusals).toEqual({ "codec-unsupported": 1, "publisher-stalled": 1 });

  const metrics = newMetrics();
  createObserver(metrics).ingest(stats);
  expect(await valueOf(metrics, 'truecast_ingest_refusals_total{code="codec-unsupported"}')).toBe(1);
  expect(await valueOf(metrics, 'truecast_ingest_refusals_total{code="publisher-stalled"}')).toBe(1);
});
