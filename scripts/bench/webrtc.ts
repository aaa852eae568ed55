/** WebRTC against RTMP with the same video: CPU a peer, frame age; and how long a WHIP publisher waits for its first verdict. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { StreamDetail } from "../../daemon/protocol.ts";
import { faceVideo, startDaemonProcess } from "../../daemon/testing/daemon-process.ts";
import { MODEL } from "./capacity.ts";
import { bucketsBetween, histogramQuantile } from "./exposition.ts";
import { type ByPart, type LiveLoad, mapParts, startLiveLoad, total, type Way } from "./live-load.ts";
import { publishOverWhip } from "./publish-over-whip.ts";
import type { Cell, Table } from "./report.ts";
import { type BenchContext, type Section, wait } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const PEERS = [1, 2, 4];
const WAYS = ["rtmp", "whip"] as const;
/** Past the first detections, which look harder than those of a followed face. */
const SETTLE_SECONDS = 5;
const VERDICT_TIMEOUT_MS = 60_000;

interface Window {
  /** Cores used on average. */
  readonly cpu: ByPart<number>;
  readonly publishers: number;
  readonly frameAgeP95Ms: number;
  readonly bitrateKbps: number;
}

/** As WebRTC senders make it: no B-frames, 2 Mbit/s, a keyframe every two seconds. Made once a machine. */
async function webrtcVideo(): Promise<string> {
  const file = join(tmpdir(), "truecast-bench-webrtc-v1.mp4");
  if (existsSync(file)) return file;
  const part = `${file}.${process.pid}.mp4`;
  await promisify(execFile)("ffmpeg", ["-nostdin", "-v", "error", "-y", "-i", await faceVideo(), "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-bf", "0", "-g", "60", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "2M", part]);
  await rename(part, file);
  return file;
}

async function watch(load: LiveLoad, context: BenchContext, seconds: number): Promise<Window> {
  const before = { cpu: load.cpu(), publishers: load.publisherCpu(), metrics: await load.metrics(), atMs: performance.now() };
  await wait(seconds, context);
  const elapsed = (performance.now() - before.atMs) / 1000;
  const cpu = load.cpu();
  const publishers = load.publisherCpu();
  const name = "truecast_frame_age_seconds";
  const frameAge = bucketsBetween(before.metrics.buckets(name), (await load.metrics()).buckets(name));
  const rates = (await load.streams()).flatMap(({ publisher }) => publisher?.bitrateKbps ?? []);
  return {
    cpu: mapParts(before.cpu, (value, part) => (cpu[part] - value) / elapsed),
    publishers: (publishers - before.publishers) / elapsed,
    frameAgeP95Ms: 1000 * histogramQuantile(frameAge, 0.95),
    bitrateKbps: median(rates),
  };
}

async function compareCpu(context: BenchContext, video: string): Promise<Table> {
  const rounds = context.quick ? 1 : 3;
  const seconds = context.quick ? 8 : 20;
  const windows = new Map<string, Window[]>();
  await using load = await startLiveLoad({ model: MODEL, maxStreams: Math.max(...PEERS), signal: context.signal, video });
  await wait(SETTLE_SECONDS, context);
  const idle = await watch(load, context, seconds);
  for (let round = 1; round <= rounds; round++) {
    for (const peers of PEERS) {
      // One after the other, so that whatever else the machine does meets both.
      for (const way of WAYS) {
        context.say(`round ${round} of ${rounds}: ${peers} over ${way}`);
        await load.setStreams(peers, way);
        await wait(SETTLE_SECONDS, context);
        const key = `${peers} ${way}`;
        windows.set(key, [...(windows.get(key) ?? []), await watch(load, context, seconds)]);
      }
    }
  }
  const rows = PEERS.map((peers): Cell[] => {
    const of = (way: Way, value: (window: Window) => number): number => median((windows.get(`${peers} ${way}`) ?? []).map(value));
    const ingest = (way: Way): number => of(way, ({ cpu }) => (100 * (cpu.ingest - idle.cpu.ingest)) / peers);
    const all = (way: Way): number => of(way, ({ cpu }) => (100 * (total(cpu) - total(idle.cpu))) / peers);
    const age = (way: Way): number => of(way, ({ frameAgeP95Ms }) => frameAgeP95Ms);
    return [peers, ingest("rtmp"), ingest("whip"), ingest("whip") - ingest("rtmp"), all("rtmp"), all("whip"), age("rtmp"), age("whip"), of("whip", ({ bitrateKbps }) => bitrateKbps)];
  });
  return {
    title: "CPU a peer, % of a core, and frame age p95, ms",
    columns: ["peers", "ingest, RTMP", "ingest, WebRTC", "more", "all, RTMP", "all, WebRTC", "frame age, RTMP", "frame age, WebRTC", "kbit/s"],
    rows,
  };
}

interface Start {
  readonly firstFrameMs: number;
  readonly firstVerdictMs: number;
}

async function measureStarts(context: BenchContext, video: string): Promise<Table> {
  const key = "bench-secret-start";
  const starts: Start[] = [];
  await using daemon = await startDaemonProcess({ streams: [{ name: "start", key }], inference: { model: MODEL }, rtmp: { port: 0, graceMs: 0 } });
  const detail = (): Promise<StreamDetail> => daemon.get<StreamDetail>("/api/v1/streams/start");
  for (let round = 1; round <= (context.quick ? 2 : 10); round++) {
    await using publisher = publishOverWhip({ video, endpoint: `${daemon.whipUrl}/start`, key });
    const postedAt = await publisher.postedAt;
    starts.push(await awaitVerdict(detail, postedAt, context));
    await publisher.close();
    while ((await detail()).stream.state !== "waiting") await sleep(100, undefined, { signal: context.signal });
    context.say(`start ${round}: verdict after ${((starts.at(-1)?.firstVerdictMs ?? 0) / 1000).toFixed(2)} s`);
  }
  const row = (name: string, values: readonly number[]): Cell[] => [name, values.length, ...[0.5, 0.95, 1].map((q) => quantile(values, q) / 1000)];
  return {
    title: "From WHIP's POST, s",
    columns: ["until", "starts", "p50", "p95", "longest"],
    rows: [row("first frame", starts.map(({ firstFrameMs }) => firstFrameMs)), row("first verdict", starts.map(({ firstVerdictMs }) => firstVerdictMs))],
  };
}

/** The daemon says itself when the stream became live and when a score was made: polling only finds it out. */
async function awaitVerdict(detail: () => Promise<StreamDetail>, postedAt: number, { signal }: BenchContext): Promise<Start> {
  let firstFrameMs: number | null = null;
  while (Date.now() - postedAt < VERDICT_TIMEOUT_MS) {
    const { stream, scores } = await detail();
    if (stream.state === "live" && stream.stateSince > postedAt) firstFrameMs ??= stream.stateSince - postedAt;
    const score = scores.find(({ at }) => at > postedAt);
    if (score !== undefined && firstFrameMs !== null) return { firstFrameMs, firstVerdictMs: score.at - postedAt };
    await sleep(50, undefined, { signal });
  }
  throw new Error(`no verdict within ${VERDICT_TIMEOUT_MS / 1000} s`);
}

export const webrtc: Section = {
  name: "webrtc",
  about: `WebRTC against RTMP, with ${MODEL}: CPU a peer, frame age, time to the first verdict`,
  async run(context) {
    const video = await webrtcVideo();
    return {
      kind: "measured",
      tables: [await measureStarts(context, video), await compareCpu(context, video)],
      goals: [],
      notes: [
        "The same H.264 file, 720p30 at 2 Mbit/s without B-frames, over both; by ffmpeg -c copy over RTMP, over WHIP by a process of ours with DTLS, SRTP and RTP on loopback, whose CPU is not counted.",
        `CPU is that of all processes of the daemon less that without streams; "ingest" is the process that takes WebRTC or RTMP. Medians of ${context.quick ? 1 : 3} windows of ${context.quick ? 8 : 20} s, both ways in turn.`,
        "Frame age: decode to score of every crop scored. A first verdict needs 40 frames, four seconds, after the first frame.",
      ],
    };
  },
};
