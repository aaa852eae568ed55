/** The real daemon under real load: publishers over RTMP or WHIP, and what it costs while they are there. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Stream, StreamList, StreamDetail, SystemStatus } from "../../daemon/protocol.ts";
import { type DaemonProcess, faceVideo, publish, type Publisher, startDaemonProcess } from "../../daemon/testing/daemon-process.ts";
import { type Exposition, parseExposition } from "./exposition.ts";
import { publishOverWhip } from "./publish-over-whip.ts";
import { cpuSeconds, type Memory, memoryOf, processTree } from "./processes.ts";

/** Where CPU and memory go; `decoders` are the ffmpegs. */
export const PARTS = ["daemon", "ingest", "analysis", "inference", "decoders"] as const;
export type Part = (typeof PARTS)[number];
export type ByPart<T> = Readonly<Record<Part, T>>;

export interface LiveLoad extends AsyncDisposable {
  readonly video: string;
  readonly publishing: number;
  /** Brings the number of publishers to `count` and waits until just these streams are live; those over another way are ended first. */
  setStreams(count: number, way?: Way): Promise<void>;
  metrics(): Promise<Exposition>;
  system(): Promise<SystemStatus>;
  streams(): Promise<readonly Stream[]>;
  /** The live streams, with their scores. */
  details(): Promise<readonly StreamDetail[]>;
  /** CPU seconds so far. */
  cpu(): ByPart<number>;
  /** CPU seconds of the publishers so far: the machine spends them, the daemon does not. */
  publisherCpu(): number;
  memory(): ByPart<Memory>;
}

/** How publishers come in: ffmpeg over RTMP, or a process of ours over WHIP. */
export type Way = "rtmp" | "whip";

export interface LiveLoadOptions {
  readonly model: string;
  /** H.264; default: a face, 720p30. */
  readonly video?: string;
  readonly maxStreams: number;
  readonly signal: AbortSignal;
}

const LIVE_TIMEOUT_MS = 30_000;
const POLL_MS = 200;
/** All publishers send the same file; begun together, their keyframes and detections would all fall into the same instant. */
const STAGGER_MS = 730;

export async function startLiveLoad({ model, maxStreams, signal, video: given }: LiveLoadOptions): Promise<LiveLoad> {
  const video = given ?? (await faceVideo());
  const keys = Array.from({ length: maxStreams }, (_, index) => ({ name: `bench-${index + 1}`, key: `bench-secret-${index + 1}` }));
  const daemon = await startDaemonProcess({
    streams: keys,
    inference: { model },
    analysis: { maxStreams },
    // A publisher that is taken away must leave nothing behind for the next step.
    rtmp: { port: 0, graceMs: 0, maxConnections: maxStreams * 2 + 8 },
  });
  const publishers: Publisher[] = [];
  let way: Way = "rtmp";

  const streams = async (): Promise<readonly Stream[]> => (await daemon.get<StreamList>("/api/v1/streams")).streams;

  async function setStreams(count: number, wanted: Way = "rtmp"): Promise<void> {
    while (publishers.length > (wanted === way ? count : 0)) await publishers.pop()?.close();
    way = wanted;
    while (publishers.length < count) {
      const stream = keys[publishers.length];
      if (stream === undefined) throw new RangeError(`${count} streams are more than the ${maxStreams} configured`);
      publishers.push(way === "whip" ? publishOverWhip({ video, endpoint: `${daemon.whipUrl}/${stream.name}`, key: stream.key }) : publish(video, `${daemon.rtmpUrl}/${stream.key}`));
      await sleep(STAGGER_MS, undefined, { signal });
    }
    const deadlineMs = performance.now() + LIVE_TIMEOUT_MS;
    for (;;) {
      const states = (await streams()).map(({ state }) => state);
      if (states.filter((state) => state === "live").length === count && states.filter((state) => state === "waiting").length === maxStreams - count) return;
      if (performance.now() > deadlineMs) throw new Error(`${count} streams are not live after ${LIVE_TIMEOUT_MS / 1000} s: ${states.join(", ")}`);
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  async function dispose(): Promise<void> {
    await Promise.all(publishers.splice(0).map((publisher) => publisher.close()));
    await daemon[Symbol.asyncDispose]();
  }

  return {
    video,
    get publishing() {
      return publishers.length;
    },
    setStreams,
    async metrics() {
      const response = await fetch(`${daemon.httpUrl}/metrics`);
      return parseExposition(await response.text());
    },
    system: () => daemon.get<SystemStatus>("/api/v1/system"),
    streams,
    async details() {
      const live = (await streams()).filter(({ state }) => state === "live");
      return Promise.all(live.map(({ name }) => daemon.get<StreamDetail>(`/api/v1/streams/${name}`)));
    },
    cpu: () => sumByPart(daemon, cpuSeconds, 0, (a, b) => a + b),
    publisherCpu: () => publishers.reduce((total, { process }) => total + cpuSeconds(process.pid ?? 0), 0),
    memory: () => sumByPart(daemon, memoryOf, { rssMb: 0, pssMb: 0 }, (a, b) => ({ rssMb: a.rssMb + b.rssMb, pssMb: a.pssMb + b.pssMb })),
    [Symbol.asyncDispose]: dispose,
  };
}

function sumByPart<T>(daemon: DaemonProcess, measure: (pid: number) => T, zero: T, add: (a: T, b: T) => T): ByPart<T> {
  const sums: Record<Part, T> = { daemon: zero, ingest: zero, analysis: zero, inference: zero, decoders: zero };
  const parts = partsOf(daemon);
  for (const pid of processTree(daemon.pid)) {
    // Whoever is not a child that the daemon has announced was started by one: the ffmpegs of analysis.
    const part = parts.get(pid) ?? "decoders";
    sums[part] = add(sums[part], measure(pid));
  }
  return sums;
}

function partsOf(daemon: DaemonProcess): ReadonlyMap<number, Part> {
  const parts = new Map<number, Part>([[daemon.pid, "daemon"]]);
  for (const { msg, component, pid } of daemon.log) {
    if (msg !== "child ready" || typeof component !== "string" || typeof pid !== "number") continue;
    // Components are named `analysis-0`, `analysis-1`, …; the other two have one process each.
    parts.set(pid, component === "ingest" || component === "inference" ? component : "analysis");
  }
  return parts;
}

export function total(parts: ByPart<number>): number {
  return PARTS.reduce((sum, part) => sum + parts[part], 0);
}

export function mapParts<A, B>(parts: ByPart<A>, f: (value: A, part: Part) => B): ByPart<B> {
  return byPart((part) => f(parts[part], part));
}

export function byPart<T>(f: (part: Part) => T): ByPart<T> {
  return Object.fromEntries(PARTS.map((part) => [part, f(part)])) as Record<Part, T>;
}
