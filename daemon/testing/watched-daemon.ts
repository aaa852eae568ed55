/** The real daemon with one well-behaved stream beside whatever a test does to it, and an eye on both: for tests that last. */
import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { memoryOf, processTree } from "../../scripts/bench/processes.ts";
import { connectLive } from "../http/testing/live-client.ts";
import type { Stream, StreamList } from "../protocol.ts";
import type { BusyLine, MemoryLine } from "./process-preload.ts";
import { type DaemonProcess, faceVideo, publish, startDaemonProcess } from "./daemon-process.ts";
import { type WitnessRecord, createWitnessRecord } from "./witness-record.ts";

const run = promisify(execFile);

export interface WatchedDaemon extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  readonly ports: { readonly rtmp: number; readonly whip: number; readonly http: number };
  readonly witness: WitnessRecord;
  /** What must not happen and did: ends of processes, errors in the log, a watching client cut off. Empty when all is well. */
  wrongs(): readonly string[];
  /** Stretches in which the daemon or its ingest process was busy for longer than BUSY_MS, since the last call. */
  takeBusy(): readonly BusyStretch[];
  figures(): Promise<Figures>;
  /** The figures once no more descriptors and processes are there than before, and after that time in any case: idle connections of HTTP close on their own. */
  figuresAsBefore(before: Figures, timeoutMs: number): Promise<Figures>;
  /** Of the witness, in words. */
  lostByReason(): Promise<string>;
  /** Resolves once only the witness is left of all publishers; rejects with what is left after the time. */
  idle(timeoutMs: number): Promise<void>;
}

/** `Date.now()` times; processor time of the main thread between two looks of its event loop. */
export interface BusyStretch {
  readonly process: "daemon" | "ingest";
  readonly busyMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Figures {
  readonly daemon: ProcessFigures;
  readonly ingest: ProcessFigures;
  readonly analysis: ProcessFigures;
  /** Processes below the daemon, ffmpegs among them. */
  readonly processes: number;
}

export interface ProcessFigures {
  /** Objects and buffers still in use after a garbage collection. */
  readonly liveMb: number;
  readonly rssMb: number;
  readonly descriptors: number;
}

export const WITNESS = { name: "witness", key: "secret-of-the-witness-1" } as const;
/** An input that costs more than this is slow. */
export const BUSY_MS = 100;
const PRELOAD = new URL("./process-preload.ts", import.meta.url);
const LIVE_TIMEOUT_MS = 30_000;
const MEMORY_TIMEOUT_MS = 20_000;

/** Besides, it has played a file from a source of its own, the only one that it takes, so that every kind of child is there. */
export async function startWatchedDaemon(streams: readonly { readonly name: string; readonly key: string }[], config: Record<string, unknown> = {}): Promise<WatchedDaemon> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-witness-"));
  const video = join(folder, "witness.mp4");
  await run("ffmpeg", ["-nostdin", "-v", "error", "-i", await faceVideo(), "-vf", "scale=640:-2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-b:v", "500k", video]);
  const watchFile = join(folder, "processes.jsonl");
  await writeFile(watchFile, "");
  const environment = { NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --import=${PRELOAD.href}`, PROCESS_WATCH_FILE: watchFile, PROCESS_WATCH_BUSY_MS: String(BUSY_MS) };
  const daemon = await startDaemonProcess({ streams: [WITNESS, ...streams, { name: "played", url: pathToFileURL(video).href }], pull: { maxSources: 1, fileRoots: [folder] }, rtmp: { port: 0, graceMs: 1_000 }, ...config }, environment);
  const witness = createWitnessRecord(WITNESS.name);
  const publisher = publish(video, `${daemon.rtmpUrl}/${WITNESS.key}`);
  const live = await connectLive(daemon.httpUrl);
  live.socket.on("message", () => {
    const message = live.messages.pop();
    live.texts.pop();
    if (message !== undefined) witness.take(message, performance.now());
  });
  let closing = false;
  let cutOff: string | null = null;
  void live.closed.then((code) => (cutOff ??= closing ? null : `a WebSocket client that only listens was closed with ${code}`));
  const startedMs = performance.now();
  while (witness.state !== "live") {
    if (performance.now() - startedMs > LIVE_TIMEOUT_MS) throw new Error(`the witness is not live: ${witness.state}`);
    await delay(50);
  }

  const portOf = (url: string) => Number(new URL(url.replace("rtmp:", "http:")).port);
  const ports = { rtmp: portOf(daemon.rtmpUrl), whip: portOf(daemon.whipUrl), http: portOf(daemon.httpUrl) };
  const linesOf = <K extends "busy" | "memory">(kind: K): Extract<BusyLine | MemoryLine, { kind: K }>[] => {
    const lines = readFileSync(watchFile, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line) as BusyLine | MemoryLine);
    return lines.filter((line): line is Extract<BusyLine | MemoryLine, { kind: K }> => line.kind === kind);
  };
  let busyTaken = 0;
  const takeBusy = (): BusyStretch[] => {
    const lines = linesOf("busy");
    const fresh = lines.slice(busyTaken);
    busyTaken = lines.length;
    return fresh.flatMap(({ pid, busyMs, fromMs, toMs }) => {
      const name = pid === daemon.pid ? "daemon" : pid === daemon.childPid("ingest") ? "ingest" : null;
      return name === null ? [] : [{ process: name, busyMs, fromMs, toMs }];
    });
  };

  const figuresOf = async (pid: number): Promise<ProcessFigures> => {
    const told = () => linesOf("memory").filter((line) => line.pid === pid);
    const before = told().length;
    process.kill(pid, "SIGUSR2");
    const deadlineMs = performance.now() + MEMORY_TIMEOUT_MS;
    while (told().length === before) {
      if (performance.now() > deadlineMs) throw new Error(`process ${pid} did not tell of its memory`);
      await delay(20);
    }
    return { liveMb: (told().at(-1)?.liveBytes ?? 0) / 1e6, rssMb: memoryOf(pid).rssMb, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  };
  const figures = async (): Promise<Figures> => {
    const [ofDaemon, ingest, analysis] = [await figuresOf(daemon.pid), await figuresOf(daemon.childPid("ingest")), await figuresOf(daemon.childPid("analysis-0"))];
    return { daemon: ofDaemon, ingest, analysis, processes: processTree(daemon.pid).length };
  };

  return {
    daemon,
    ports,
    witness,
    wrongs() {
      const wrongs = [...witness.wrongs];
      if (daemon.exit() !== null) wrongs.push(`the daemon ended with ${daemon.exit()}`);
      if (publisher.process.exitCode !== null || publisher.process.signalCode !== null) wrongs.push("the witness's publisher ended");
      if (cutOff !== null) wrongs.push(cutOff);
      for (const entry of daemon.log) if ((entry["level"] as number) >= 50) wrongs.push(`logged as an error: ${JSON.stringify(entry).slice(0, 600)}`);
      return wrongs;
    },
    takeBusy,
    figures,
    async figuresAsBefore(before, timeoutMs) {
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        const now = await figures();
        const parts = ["daemon", "ingest", "analysis"] as const;
        if (performance.now() > deadlineMs || (now.processes <= before.processes && parts.every((part) => now[part].descriptors <= before[part].descriptors))) return now;
        await delay(200);
      }
    },
    lostByReason: () => lostByReason(daemon),
    async idle(timeoutMs) {
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        const left = await leftovers(daemon);
        if (left.length === 0) return;
        if (performance.now() > deadlineMs) throw new Error(`not idle after ${timeoutMs / 1000} s: ${left.join("; ")}`);
        await delay(200);
      }
    },
    async [Symbol.asyncDispose]() {
      closing = true;
      await publisher.close();
      live.socket.terminate();
      await daemon[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Frames that the daemon itself counts as lost, by reason. */
async function lostByReason(daemon: DaemonProcess): Promise<string> {
  const metrics = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
  const counts = [...metrics.matchAll(/^truecast_frames_lost_total\{(.*)\} (\d+)$/gm)].filter(([, labels]) => labels?.includes(`stream="${WITNESS.name}"`));
  return counts.map(([, labels, value]) => `${/reason="([^"]*)"/.exec(labels ?? "")?.[1] ?? "?"} ${value}`).join(", ") || "none";
}

async function leftovers(daemon: DaemonProcess): Promise<string[]> {
  const { streams } = await daemon.get<StreamList>("/api/v1/streams");
  const metrics = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1] ?? Number.NaN);
  // A refused publisher's reason stays on its stream until the next one comes.
  const left = streams.filter(({ name, state, publisher }: Stream) => name !== WITNESS.name && state !== "waiting" && (state !== "failed" || publisher !== null)).map(({ name, state }) => `${name} is ${state}`);
  if (value("truecast_ingest_connections") !== 1) left.push(`${value("truecast_ingest_connections")} RTMP connections are open`);
  if (value("truecast_whip_sessions") !== 0) left.push(`${value("truecast_whip_sessions")} WHIP sessions are open`);
  if (value("truecast_websocket_clients") !== 1) left.push(`${value("truecast_websocket_clients")} WebSocket clients are connected`);
  return left;
}

