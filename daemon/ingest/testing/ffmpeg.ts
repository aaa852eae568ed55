/** Real ffmpeg on both ends of an ingest test: publishing H.264 over RTMP, and decoding the FLV that comes out. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Server, createServer } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

export interface FfmpegPublisher extends AsyncDisposable {
  readonly process: ChildProcess;
  /** What it wrote to standard error. */
  output(): string;
  readonly exited: Promise<number | null>;
}

export interface PublishOptions {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
}

export const TEST_PICTURE = ["-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=30"];
export const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p", "-threads", "1"];

export function publishWithFfmpeg(url: string, { input = TEST_PICTURE, output = H264 }: PublishOptions = {}): FfmpegPublisher {
  const child = spawn("ffmpeg", ["-nostdin", "-loglevel", "info", "-nostats", ...input, ...output, "-f", "flv", url], { stdio: ["ignore", "ignore", "pipe"] });
  let text = "";
  child.stderr.on("data", (bytes: Buffer) => (text += bytes.toString()));
  const exited = once(child, "exit").then(([code]: (number | null)[]) => code ?? null);
  return {
    process: child,
    output: () => text,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

export interface FlvReader extends AsyncDisposable {
  readonly socketPath: string;
  /** One per connection accepted, in order. */
  readonly connections: readonly FlvConnection[];
  /** Resolves once `satisfied` holds for the connections. */
  until(satisfied: (connections: readonly FlvConnection[]) => boolean): Promise<void>;
}

export interface FlvConnection {
  /** The JSON line before the FLV, parsed. */
  first(): unknown;
  flv(): Buffer;
  ended: boolean;
  destroy(): void;
}

/** Listens on a Unix socket like an analysis process does. */
export async function startFlvReader(): Promise<FlvReader> {
  const folder = await mkdtemp(path.join(tmpdir(), "truecast-flv-"));
  const socketPath = path.join(folder, "analysis.sock");
  const connections: FlvConnection[] = [];
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const check of waiting) check();
  };
  const server: Server = createServer((socket) => {
    const chunks: Buffer[] = [];
    const bytes = () => Buffer.concat(chunks);
    const connection: FlvConnection = {
      first: () => JSON.parse(bytes().subarray(0, bytes().indexOf(10)).toString()) as unknown,
      flv: () => bytes().subarray(bytes().indexOf(10) + 1),
      ended: false,
      destroy: () => socket.destroy(),
    };
    connections.push(connection);
    socket.on("data", (data: Buffer) => {
      chunks.push(data);
      wake();
    });
    socket.on("error", () => {}); // Seen as the end below.
    socket.on("close", () => {
      connection.ended = true;
      wake();
    });
    wake();
  });
  server.listen(socketPath);
  await once(server, "listening");
  return {
    socketPath,
    connections,
    until: (satisfied) =>
      new Promise((resolve) => {
        const check = () => {
          if (!satisfied(connections)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

export interface FlvTag {
  readonly type: number;
  readonly timestampMs: number;
  readonly payload: Buffer;
}

/** The whole tags in an FLV byte stream; throws where the framing is wrong. */
export function flvTags(flv: Buffer): readonly FlvTag[] {
  const tags: FlvTag[] = [];
  let offset = 13;
  while (offset + 11 <= flv.length) {
    const size = flv.readUIntBE(offset + 1, 3);
    const end = offset + 11 + size + 4;
    if (end > flv.length) break;
    if (flv.readUInt32BE(end - 4) !== size + 11) throw new Error(`the tag at ${offset} has a wrong trailing size`);
    const timestampMs = flv.readUIntBE(offset + 4, 3) + (flv[offset + 7] ?? 0) * 2 ** 24;
    tags.push({ type: flv[offset] ?? 0, timestampMs, payload: flv.subarray(offset + 11, end - 4) });
    offset = end;
  }
  return tags;
}

export interface Decoded {
  readonly frames: number;
  readonly errors: string;
}

/** Decodes an FLV byte stream; `errors` is what ffmpeg complained about. */
export async function decodeFlv(flv: Buffer): Promise<Decoded> {
  const child = spawn("ffmpeg", ["-loglevel", "error", "-f", "flv", "-i", "pipe:0", "-an", "-fps_mode", "passthrough", "-vf", "scale=8:8", "-pix_fmt", "gray", "-f", "rawvideo", "pipe:1"]);
  let bytes = 0;
  let errors = "";
  child.stdout.on("data", (data: Buffer) => (bytes += data.length));
  child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
  child.stdin.on("error", () => {}); // ffmpeg may refuse the rest; `errors` says so.
  child.stdin.end(flv);
  await once(child, "close");
  return { frames: bytes / 64, errors };
}
