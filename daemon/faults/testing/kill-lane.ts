/** One daemon that is killed again and again: its folder, its fixed ports, its publisher that keeps coming back, and what is left after each end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePort } from "../../ingest/pull/testing/pulling.ts";
import { keepPublishing } from "../../testing/keep-publishing.ts";
import { type FoundProcess, processesIn } from "../../testing/processes.ts";
import { SWINGING_ALERTS, twoFacesVideo, writeSwingingModel } from "./alert-load.ts";

const ENTRY = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const KEY = "key-of-the-killed";
/** Faster than its own pace, so that the first forty frames are there after two seconds. */
const PUBLISHING_SPEED = 2;

export interface Ports {
  readonly http: number;
  readonly rtmp: number;
  readonly whip: number;
  readonly whipUdp: number;
  /** UDP; a pulled source listens here. */
  readonly srt: number;
}

export interface RunningDaemon {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  /** Standard error so far. */
  errors(): string;
}

export interface KillLane extends AsyncDisposable {
  readonly httpUrl: string;
  readonly storePath: string;
  /** Starts the daemon anew on the same ports and the same data. */
  start(): RunningDaemon;
  /** The daemon and everything that it or its children have started. */
  processes(): FoundProcess[];
  /** One line for each port that cannot be bound. */
  boundPorts(): Promise<string[]>;
  /** What lies in the daemon's temporary folder. */
  temporaryFiles(): Promise<string[]>;
}

export async function openKillLane(): Promise<KillLane> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "truecast-kills-")));
  // Where daemons are started, and nothing else: whoever is found here belongs to one.
  const workDir = join(folder, "run");
  const temporary = join(folder, "tmp");
  const modelsDir = join(folder, "models");
  const dataDir = join(folder, "data");
  await Promise.all([workDir, temporary].map((path) => mkdir(path)));
  await writeSwingingModel(modelsDir, ["camera"]);
  const video = await twoFacesVideo();
  const ports: Ports = { http: await freePort(), rtmp: await freePort(), whip: await freePort(), whipUdp: await freePort(), srt: await freePort() };
  const config = join(folder, "config.yaml");
  await writeFile(
    config,
    stringify({
      dataDir,
      http: { port: ports.http },
      rtmp: { port: ports.rtmp, graceMs: 5_000 },
      whip: { port: ports.whip, udpPort: ports.whipUdp },
      inference: { model: "scripted", modelsDir },
      alerts: SWINGING_ALERTS,
      outbound: { allow: ["127.0.0.1"] },
      streams: [
        { name: "camera", key: KEY },
        { name: "gate", url: `srt://127.0.0.1:${ports.srt}?mode=listener` },
      ],
    }),
  );
  const publisher = keepPublishing(["-readrate", `${PUBLISHING_SPEED}`, "-stream_loop", "-1", "-i", video, "-c", "copy", "-f", "flv", `rtmp://127.0.0.1:${ports.rtmp}/live/${KEY}`]);

  return {
    httpUrl: `http://127.0.0.1:${ports.http}`,
    storePath: join(dataDir, "truecast.db"),
    start() {
      const child = spawn(process.execPath, [ENTRY, "start", "--config", config], { cwd: workDir, env: { ...process.env, TMPDIR: temporary }, stdio: ["ignore", "ignore", "pipe"] });
      let text = "";
      child.stderr.setEncoding("utf8").on("data", (part: string) => (text = (text + part).slice(-4_000)));
      return { process: child, exited: once(child, "exit"), errors: () => text };
    },
    processes: () => processesIn(workDir),
    async boundPorts() {
      const outcomes = await Promise.all([
        tcpFree("http", ports.http),
        tcpFree("rtmp", ports.rtmp),
        tcpFree("whip", ports.whip),
        udpFree("whip media", ports.whipUdp),
        udpFree("srt", ports.srt),
      ]);
      return outcomes.filter((line) => line !== null);
    },
    temporaryFiles: () => readdir(temporary),
    async [Symbol.asyncDispose]() {
      await publisher[Symbol.asyncDispose]();
      for (const { pid } of processesIn(workDir)) process.kill(pid, "SIGKILL");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function tcpFree(name: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(`${name} on TCP ${port}: ${error.message}`));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(null)));
  });
}

function udpFree(name: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => resolve(`${name} on UDP ${port}: ${error.message}`));
    socket.bind(port, "127.0.0.1", () => socket.close(() => resolve(null)));
  });
}
