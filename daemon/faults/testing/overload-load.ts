/** Streams past what the model can do, on any machine: a model that takes a chosen time a crop, and what the daemon does about it. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { SAMPLE_RATE_HZ } from "../../../pipelines/types.ts";
import { connectLive } from "../../http/testing/live-client.ts";
import type { Stream, StreamDetail, StreamList, SystemStatus } from "../../protocol.ts";
import { publish, type Publisher, startDaemonProcess, type DaemonProcess } from "../../testing/daemon-process.ts";

const SCRIPTED = fileURLToPath(new URL("../../../models/scripted/manifest.json", import.meta.url));
const REQUEST_EVERY_MS = 100;
/** The score swings across the threshold with this period of the media clock, so that alerts keep coming. */
const PERIOD_SLOTS = 100;
const LAST_SLOT = 12_000;

export interface OverloadOptions {
  readonly streams: number;
  readonly facesPerStream: number;
  /** Crops that come in a second at full sampling, over those that the model can take. */
  readonly factor: number;
  readonly video: string;
}

export interface Overload extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  readonly streams: () => Promise<readonly Stream[]>;
  /** Adds one publisher more than `analysis.maxStreams` admits. */
  publishOneMore(): Publisher;
  /** Watches for a while, with a client on the API and one on the WebSocket. */
  watch(seconds: number): Promise<OverloadFigures>;
}

export interface OverloadFigures {
  readonly samplingFps: number;
  /** Frames analysed a second, by stream. */
  readonly analysedFps: readonly number[];
  /** Scores given in this time, of all streams, and of the one with the fewest. */
  readonly scores: number;
  readonly fewestScores: number;
  readonly frameAgesMs: readonly number[];
  /** From the daemon's own time stamp of an alert's transition to its word at the client. */
  readonly alertDelaysMs: readonly number[];
  readonly requestsMs: readonly number[];
}

export async function startOverload({ streams: count, facesPerStream, factor, video }: OverloadOptions): Promise<Overload> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-overload-"));
  const names = Array.from({ length: count }, (_, index) => `busy-${index + 1}`);
  const key = (name: string): string => `secret-of-${name}`;
  const stepMs = (1_000 * factor) / (SAMPLE_RATE_HZ * count * facesPerStream);
  await writeBusyModel(folder, { names, stepMs });
  const daemon = await startDaemonProcess({
    streams: [...names, "one-more"].map((name) => ({ name, key: key(name) })),
    inference: { model: "scripted", modelsDir: folder },
    analysis: { maxStreams: count },
    alerts: { dwellMs: 0, resolveMs: 0, coolDownMs: 0, minFrames: 40 },
  });
  const publishers = names.map((name) => publish(video, `${daemon.rtmpUrl}/${key(name)}`));

  const streams = async (): Promise<readonly Stream[]> => (await daemon.get<StreamList>("/api/v1/streams")).streams.filter(({ name }) => name !== "one-more");
  const details = (): Promise<readonly StreamDetail[]> => Promise.all(names.map((name) => daemon.get<StreamDetail>(`/api/v1/streams/${name}`)));
  const analysed = async (): Promise<readonly number[]> => {
    const text = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
    return names.map((name) => Number(new RegExp(`^truecast_frames_analysed_total\\{stream="${name}"\\} (\\d+)`, "m").exec(text)?.[1] ?? 0));
  };

  return {
    daemon,
    streams,
    publishOneMore() {
      const publisher = publish(video, `${daemon.rtmpUrl}/${key("one-more")}`);
      publishers.push(publisher);
      return publisher;
    },
    async watch(seconds) {
      const alertDelaysMs: number[] = [];
      const requestsMs: number[] = [];
      const frameAgesMs: number[] = [];
      const client = await connectLive(daemon.httpUrl);
      client.socket.on("message", (data: Buffer) => {
        const nowMs = Date.now();
        const message = JSON.parse(data.toString()) as (typeof client.messages)[number];
        if (message.type === "stream" && message.stream.frameAgeMs !== null) frameAgesMs.push(message.stream.frameAgeMs);
        if (message.type !== "alert") return;
        const { state, pendingAt, firingAt, resolvedAt } = message.alert;
        alertDelaysMs.push(nowMs - ({ pending: pendingAt, firing: firingAt, resolved: resolvedAt }[state] ?? nowMs));
      });
      const beganAt = Date.now();
      const before = await analysed();
      for (const untilMs = performance.now() + seconds * 1_000; performance.now() < untilMs; await sleep(REQUEST_EVERY_MS)) {
        const startedMs = performance.now();
        await daemon.get("/api/v1/streams");
        requestsMs.push(performance.now() - startedMs);
      }
      const elapsedSeconds = (Date.now() - beganAt) / 1_000;
      const after = await analysed();
      const scores = (await details()).map((detail) => detail.scores.filter(({ at }) => at >= beganAt).length);
      const { samplingFps } = await daemon.get<SystemStatus>("/api/v1/system");
      client.socket.terminate();
      return {
        samplingFps,
        analysedFps: after.map((total, index) => (total - (before[index] ?? 0)) / elapsedSeconds),
        scores: scores.reduce((sum, value) => sum + value, 0),
        fewestScores: Math.min(...scores),
        frameAgesMs,
        alertDelaysMs,
        requestsMs,
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(publishers.map((publisher) => publisher.close()));
      await daemon[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

async function writeBusyModel(modelsDir: string, { names, stepMs }: { names: readonly string[]; stepMs: number }): Promise<void> {
  const manifest = JSON.parse(await readFile(SCRIPTED, "utf8")) as object;
  const entries = names.flatMap((stream) => Array.from({ length: LAST_SLOT / PERIOD_SLOTS }, (_, turn) => ({ stream, startSlot: turn * PERIOD_SLOTS, endSlot: (turn + 0.5) * PERIOD_SLOTS, score: 0.95 })));
  await mkdir(join(modelsDir, "scripted"), { recursive: true });
  await writeFile(join(modelsDir, "scripted", "manifest.json"), JSON.stringify({ ...manifest, script: { defaultScore: 0.07, variation: 0.04, stepMs, entries } }));
}
