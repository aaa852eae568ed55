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

test("publishers ended for their codec or their silence count as refusals, those that leave do not", async () => {
  await using ingest: IngestChild = await startIngestChild({ port: 0, streams: [{ name: "studio", key: KEY }], limits: { tickMs: 20, stallWarnMs: 300, stallEndMs: 300, statsIntervalMs: 50 } });
  const leaving = await connectRtmp(ingest.port);
  await leaving.publish(KEY);
  leaving.destroy();
  await ingest.until("publisher-lost", ({ code }) => code === "closed");
  const hevc = await connectRtmp(ingest.port);
  await hevc.publish(KEY);
  hevc.video(Buffer.concat([Buffer.from("9068766331", "hex"), Buffer.alloc(40)]));
  await hevc.closed;
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
