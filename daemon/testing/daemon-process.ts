/** Starts the real daemon as a process, with a real model and free ports, and a real ffmpeg that publishes to it: for end-to-end tests. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { stringify } from "yaml";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

export interface DaemonProcess extends AsyncDisposable {
  readonly pid: number;
  readonly httpUrl: string;
  readonly rtmpUrl: string;
  readonly rtmpsUrl: string | null;
  readonly whipUrl: string;
  readonly dataDir: string;
  /** Every log line so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  get<T>(path: string): Promise<T>;
  /** Its exit code or signal; null while it runs. */
  exit(): number | string | null;
  /** Process ids of the supervised children, by component. */
  childPid(component: string): number;
  stop(signal?: NodeJS.Signals): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly seconds: number }>;
}

/** @param config merged over free ports and a fresh data folder. */
export async function startDaemonProcess(config: Record<string, unknown> & { readonly dataDir?: string }, environment: Record<string, string> = {}): Promise<DaemonProcess> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-e2e-"));
  const dataDir = config.dataDir ?? join(folder, "data");
  const file = join(folder, "config.yaml");
  await writeFile(file, stringify({ http: { port: 0 }, rtmp: { port: 0 }, whip: { port: 0, udpPort: 0 }, inference: { model: "scripted" }, ...config, dataDir }));
  const child = spawn(process.execPath, [join(root, "daemon/cli/main.ts"), "start", "--config", file], { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  const log: Record<string, unknown>[] = [];
  const ready = Promise.withResolvers<Record<string, unknown>>();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const entry = JSON.parse(line) as Record<string, unknown>;
    log.push(entry);
    if (entry["msg"] === "truecast runs") ready.resolve(entry);
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  void exited.then(([code, signal]) => ready.reject(new Error(`the daemon ended with ${code ?? signal}: ${errors}`)));
  const { httpUrl, rtmpUrl, rtmpsUrl, whipUrl } = (await ready.promise) as { httpUrl: string; rtmpUrl: string; rtmpsUrl: string | null; whipUrl: string };

  return {
    pid: child.pid ?? 0,
    httpUrl,
    rtmpUrl,
    rtmpsUrl,
    whipUrl,
    dataDir,
    log,
    async get<T>(path: string) {
      const response = await fetch(`${httpUrl}${path}`);
      return (await response.json()) as T;
    },
    exit: () => child.exitCode ?? child.signalCode,
    childPid(component) {
      const entry = log.findLast((line) => line["msg"] === "child ready" && line["component"] === component);
      if (entry === undefined) throw new Error(`${component} was never ready`);
      return entry["pid"] as number;
    },
    async stop(signal = "SIGTERM") {
      const startedAt = performance.now();
      child.kill(signal);
      const [code, endSignal] = await exited;
      return { code, signal: endSignal, seconds: (performance.now() - startedAt) / 1000 };
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        const killTimer = setTimeout(() => child.kill("SIGKILL"), 12_000);
        await exited;
        clearTimeout(killTimer);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Environment of a daemon without a configuration file: free ports and a data folder of its own, for the length of one test. */
export async function freshEnvironment(): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-e2e-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return { TRUECAST_HTTP_PORT: "0", TRUECAST_RTMP_PORT: "0", TRUECAST_WHIP_PORT: "0", TRUECAST_WHIP_UDP_PORT: "0", TRUECAST_DATA_DIR: join(folder, "data"), TRUECAST_INFERENCE_MODEL: "scripted" };
}

/** Starts the command line; for what must happen while it runs. */
export function startCli(args: readonly string[], environment: Record<string, string> = {}): { readonly child: ChildProcess; readonly exited: Promise<[number | null, NodeJS.Signals | null]> } {
  const child = spawn(process.execPath, [join(root, "daemon/cli/main.ts"), ...args], { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "ignore"] });
  return { child, exited: once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]> };
}

/** Runs the command line to its end, in the folder `cwd`. */
export async function runCli(args: readonly string[], environment: Record<string, string> = {}, cwd?: string): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string; readonly seconds: number }> {
  const startedAt = performance.now();
  const outcome = await run(process.execPath, [join(root, "daemon/cli/main.ts"), ...args], { cwd, env: { ...process.env, ...environment }, maxBuffer: 64 * 1024 * 1024 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  );
  return { ...outcome, seconds: (performance.now() - startedAt) / 1000 };
}

/** One face that moves a little: from one of face-api's sample photographs, 720p30 H.264, made once a machine. */
export async function faceVideo(): Promise<string> {
  const file = join(tmpdir(), "truecast-test-face-v3.mp4");
  if (existsSync(file)) return file;
  const photograph = join(root, "node_modules/@vladmandic/face-api/demo/sample6.jpg");
  const oneWoman = "crop=iw*0.345:ih*0.6:0:ih*0.2,scale=-2:720,pad=1280:720:(ow-iw)/2:0:gray,setsar=1";
  const motion = "zoompan=z='1.1+0.04*sin(on/20)':x='iw/2-iw/zoom/2+8*sin(on/15)':d=1:s=1280x720:fps=30,setsar=1";
  const filter = `${oneWoman},${motion}`;
  const part = `${file}.${process.pid}.mp4`;
  await run("ffmpeg", ["-nostdin", "-v", "error", "-y", "-loop", "1", "-i", photograph, "-t", "12", "-vf", filter, "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "30", "-b:v", "2M", part]);
  await run("mv", [part, file]);
  return file;
}

export interface Publisher extends AsyncDisposable {
  readonly process: ChildProcess;
  close(): Promise<void>;
}

/** Publishes a file in a loop, in real time. */
export function publish(file: string, url: string): Publisher {
  return publishWith(["-re", "-stream_loop", "-1", "-i", file, "-c", "copy", "-f", "flv", url]);
}

/** A real ffmpeg with these arguments. */
export function publishWith(args: readonly string[]): Publisher {
  const child = spawn("ffmpeg", ["-nostdin", "-v", "error", ...args], { stdio: "ignore" });
  const exited = once(child, "exit");
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
  };
  return { process: child, close, [Symbol.asyncDispose]: close };
}
