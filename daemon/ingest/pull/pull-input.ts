/** Opens a source the way its plan says: what ffmpeg is given, and what has to be closed when it ends. */
import type { FileHandle } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { TruecastError } from "../../../pipelines/errors.ts";
import { openDashFeed } from "./dash-feed.ts";
import { type Feed, type FeedContext, openHttpFeed } from "./feed.ts";
import { openHlsFeed } from "./hls-feed.ts";
import type { PullInput } from "./pull-arguments.ts";
import { openRelay, type Relay } from "./relay.ts";
import { openSourceFile } from "./source-file.ts";
import type { SourcePlan } from "./source-plan.ts";
import { openUdpFeed } from "./udp-feed.ts";

export interface OpenedInput {
  readonly input: PullInput;
  /** Bytes for ffmpeg's standard input. */
  readonly bytes: AsyncIterable<Uint8Array> | null;
  readonly file: FileHandle | null;
  readonly relay: Relay | null;
}

export interface InputContext extends FeedContext {
  readonly fileRoots: readonly string[];
  readonly loop: boolean;
}

const NOTHING = { bytes: null, file: null, relay: null } as const;

/** @throws TruecastError address-refused, unreachable, playlist-invalid, input-not-found and others */
export async function openInput(plan: SourcePlan, context: InputContext): Promise<OpenedInput> {
  switch (plan.kind) {
    case "http-flv":
      return fed(await openHttpFeed(plan.url, "flv", context));
    case "http-ts":
      return fed(await openHttpFeed(plan.url, "mpegts", context));
    case "hls":
      return fed(await openHlsFeed(plan.url, context));
    case "dash":
      return fed(await openDashFeed(plan.url, context));
    case "udp-ts":
      return fed(await openUdpFeed(plan, context));
    case "rtmp":
    case "rtsp": {
      const relay = await openRelay({ plan, guard: context.guard, timeoutMs: context.limits.readTimeoutMs, signal: context.signal });
      if (plan.kind === "rtsp") return { ...NOTHING, input: { kind: "rtsp", url: relay.url }, relay };
      return { ...NOTHING, input: { kind: "rtmp", url: relay.url, tcUrl: rtmpTcUrl(plan.url) }, relay };
    }
    case "srt":
      return { ...NOTHING, input: { kind: "srt", url: await srtUrl(plan, context) } };
    case "file":
      return { ...NOTHING, input: { kind: "file", loop: context.loop }, file: await openSourceFile(plan.path, context.fileRoots) };
  }
}

function fed({ format, pace, bytes }: Feed): OpenedInput {
  return { ...NOTHING, input: { kind: "stdin", format, pace }, bytes };
}

/** Servers choose the virtual host by it: it must name the server, not the relay. */
function rtmpTcUrl(url: URL): string {
  return `${url.protocol}//${url.host}/${url.pathname.split("/")[1] ?? ""}`;
}

/** The options of libsrt that a caller may set; any other could open files or other addresses. */
const SRT_OPTIONS = ["streamid", "passphrase", "pbkeylen"];

async function srtUrl(plan: Extract<SourcePlan, { kind: "srt" }>, { guard, limits }: InputContext): Promise<string> {
  const { address } = await guard.pin(plan.host);
  const options = new URLSearchParams({ mode: plan.listens ? "listener" : "caller", timeout: String(limits.readTimeoutMs * 1_000), connect_timeout: String(limits.connectTimeoutMs) });
  if (plan.listens) options.set("listen_timeout", String(limits.connectTimeoutMs * 1_000));
  for (const name of SRT_OPTIONS) {
    const value = plan.url.searchParams.get(name);
    if (value !== null) options.set(name, value);
  }
  // Written in milliseconds by every other program; ffmpeg counts microseconds.
  const latencyMs = plan.url.searchParams.get("latency");
  if (latencyMs !== null) {
    if (!/^\d{1,5}$/.test(latencyMs)) throw new TruecastError("source-invalid", "The latency of an srt URL must be a number of milliseconds.");
    options.set("latency", String(Number(latencyMs) * 1_000));
  }
  // ffmpeg reads a plus sign as it stands.
  return `srt://${isIPv6(address) ? `[${address}]` : address}:${plan.port}?${options.toString().replaceAll("+", "%20")}`;
}
