/** `truecast demo`: the daemon, two real RTMP streams into it, and a running account of what it sees. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import WebSocket from "ws";
import { loadConfig } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import { readManifest } from "../../models/manifest.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { startDaemon, type Daemon } from "../daemon.ts";
import { makeDemoVideos } from "../demo/demo-video.ts";
import { startPublisher } from "../demo/publish-video.ts";
import { modelFolder } from "../inference-service.ts";
import { createLogger } from "../log-output.ts";
import type { ServerMessage } from "../protocol.ts";
import { endSignal } from "./start.ts";

const SHUTDOWN_DEADLINE_MS = 9_000;
/** The stand-in of tests; see models/scripted. */
const SCRIPTED = "scripted";
const SCRIPT_NOTE = "The scores of this demo come from a SCRIPT, not from a detector: everything else is the real pipeline.";

type Inference = Config["inference"];

export interface DemoOptions {
  readonly video?: string;
  readonly model?: string;
}

interface DemoStream {
  readonly name: string;
  readonly key: string;
  /** Absent: for the user's own publisher. */
  readonly file?: string;
}

export async function demo(options: DemoOptions): Promise<void> {
  if (options.video !== undefined && !existsSync(options.video)) throw new TruecastError("input-not-found", `${options.video}: no such file`);
  const ending = endSignal();
  const abort = new AbortController();
  void ending.then((signal) => abort.abort(signal));
  const log = createLogger("warn", { component: "daemon" });
  const loaded = loadConfig({ environment: process.env });
  const { inference, note } = await chooseModel(options, loaded.config.inference);
  await using stack = new AsyncDisposableStack();

  const dataDir = await mkdtemp(join(tmpdir(), "truecast-demo-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const config = { ...loaded.config, dataDir, streams: [], log: { level: "warn" as const }, inference };
  let streams: readonly DemoStream[];
  let daemon: Daemon;
  try {
    streams = [...(await demoStreams(options.video, { log, signal: abort.signal })), { name: "studio", key: newKey() }];
    daemon = await startDaemon({ ...loaded, config, streams }, { log, signal: abort.signal });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    return;
  }
  stack.defer(async () => void (await daemon.close(SHUTDOWN_DEADLINE_MS)));

  for (const { key, file } of streams) {
    if (file !== undefined) stack.use(await startPublisher({ file, url: `${daemon.rtmpUrl}/${key}`, log }));
  }
  announce(daemon, { streams, note });
  const follow = followLive(daemon, loaded.token);
  stack.defer(async () => follow.close());
  await ending;
  console.log("\nending the demo");
}

/**
 * The configured model, whose word counts only once it is trained. Until then the demo's own videos, of which the viewer
 * is told what they are, get the labelled script; a user's video never does.
 */
async function chooseModel(options: DemoOptions, configured: Inference): Promise<{ readonly inference: Inference; readonly note: string | null }> {
  const inference = { ...configured, model: options.model ?? configured.model };
  const { info } = await readManifest(modelFolder(inference.model, inference.modelsDir));
  if (info.trained) return { inference, note: null };
  if (info.kind === "scripted") return { inference, note: SCRIPT_NOTE };
  const untrained = `The model ${inference.model} is untrained`;
  if (options.model !== undefined || options.video !== undefined) return { inference, note: `${untrained}: its scores mean nothing, and no alert is raised.` };
  return { inference: { ...inference, model: SCRIPTED, modelsDir: null }, note: `${untrained}. ${SCRIPT_NOTE}` };
}

async function demoStreams(video: string | undefined, { log, signal }: { readonly log: Logger; readonly signal: AbortSignal }): Promise<DemoStream[]> {
  if (video !== undefined) return [{ name: "demo-video", key: newKey(), file: resolve(video) }];
  console.log("Making the demo's two videos from the sample photographs of @vladmandic/face-api (once) …");
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const { genuine, forged } = await makeDemoVideos({ outDir: join(cache, "truecast", "demo"), log, signal });
  return [
    { name: "demo-genuine", key: newKey(), file: genuine },
    { name: "demo-forged", key: newKey(), file: forged },
  ];
}

function newKey(): string {
  return randomBytes(12).toString("base64url");
}

function announce({ httpUrl, rtmpUrl, whipUrl }: Daemon, { streams, note }: { streams: readonly DemoStream[]; note: string | null }): void {
  const fed = streams.filter(({ file }) => file !== undefined).map(({ name }) => name);
  const own = streams.find(({ file }) => file === undefined);
  console.log(`
  Truecast is running. Open the dashboard:

      ${httpUrl}/

  Fed now over RTMP: ${fed.join(", ")}.
  Your own camera:   OBS → Settings → Stream → Custom, server ${rtmpUrl}, stream key ${own?.key ?? ""}
                     or  ffmpeg -re -i FILE -c:v libx264 -preset veryfast -tune zerolatency -g 60 -an -f flv ${rtmpUrl}/${own?.key ?? ""}
${whipUrl === null ? "" : `                     or  OBS → Settings → Stream → WHIP, server ${whipUrl}/${own?.name ?? ""}, bearer token ${own?.key ?? ""}\n`}  Metrics:           ${httpUrl}/metrics`);
  if (note !== null) console.log(`\n  ${note}`);
  console.log("  Ctrl-C ends the demo.\n");
}

/** Tells the terminal what the dashboard shows: first scores, then every change of verdict and every alert. */
function followLive({ httpUrl }: Daemon, token: string | null): { close(): void } {
  const verdicts = new Map<string, string>();
  const startedAt = performance.now();
  const say = (text: string): void => console.log(`  ${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${text}`);
  const socket = new WebSocket(`${httpUrl.replace("http", "ws")}/api/v1/live`, token === null ? {} : { headers: { authorization: `Bearer ${token}` } });
  socket.on("error", (error) => say(`the live connection failed: ${error.message}`));
  socket.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as ServerMessage;
    if (message.type === "stream") {
      const { name, state, verdict } = message.stream;
      const text = verdict.kind === "unscored" ? `unscored (${verdict.reason})` : verdict.kind;
      const shown = state === "live" ? text : state;
      if (verdicts.get(name) === shown || (state === "waiting" && !verdicts.has(name))) return;
      verdicts.set(name, shown);
      say(`${name}: ${shown}${state === "live" && verdict.score !== null ? `, score ${verdict.score.toFixed(2)}` : ""}`);
    } else if (message.type === "alert" && message.alert.state !== "pending") {
      const { alert } = message;
      const what = alert.rule === "manipulated-face" ? `peak score ${alert.peakScore.toFixed(2)}${alert.model.scripted ? " (scripted)" : ""}` : alert.rule;
      say(`ALERT ${alert.state}: ${alert.stream}, ${what}`);
    }
  });
  return { close: () => socket.terminate() };
}
