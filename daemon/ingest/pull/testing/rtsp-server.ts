/** A small RTSP server: real RTP from a real ffmpeg, interleaved; a test may demand a password or change an answer. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createRtspReader, headerOf, type RtspMessage, writeRtsp } from "../rtsp-messages.ts";

export interface RtspTestServer extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly RtspMessage[];
}

interface Answer {
  readonly status: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export interface RtspTestServerOptions {
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Instead of the server's own answer. */
  readonly answer?: (method: string) => Answer | null;
}

const REALM = "camera";
const NONCE = "0123456789abcdef";
const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

export async function startRtspServer({ credentials, answer }: RtspTestServerOptions = {}): Promise<RtspTestServer> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-rtsp-"));
  const rtp = createSocket("udp4").bind(0, "127.0.0.1");
  await once(rtp, "listening");
  const sdpFile = join(folder, "cam.sdp");
  const encode = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "15", "-pix_fmt", "yuv420p", "-threads", "1", "-flags", "+global_header"];
  const ffmpeg = spawn("ffmpeg", ["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=30", ...encode, "-f", "rtp", "-sdp_file", sdpFile, `rtp://127.0.0.1:${rtp.address().port}?pkt_size=1200`], { stdio: "ignore" });
  const exited = once(ffmpeg, "exit");
  const requests: RtspMessage[] = [];
  const sockets = new Set<Socket>();
  const playing = new Set<Socket>();
  rtp.on("message", (packet) => {
    const frame = Buffer.concat([Buffer.from([0x24, 0, packet.length >> 8, packet.length & 0xff]), packet]);
    for (const socket of playing) socket.write(frame);
  });

  const sdp = async (): Promise<string> => {
    while (true) {
      const text = await readFile(sdpFile, "utf8").catch(() => "");
      const begin = text.indexOf("v=0");
      if (begin !== -1 && text.includes("a=fmtp")) return `${text.slice(begin).replace(/m=video \d+/, "m=video 0").trim().replaceAll("\n", "\r\n")}\r\na=control:track1\r\n`;
      await delay(20);
    }
  };

  const isSigned = (message: RtspMessage): boolean => {
    if (!credentials) return true;
    const given = headerOf(message, "authorization") ?? "";
    const [method = "", uri = ""] = message.startLine.split(" ");
    return given.includes(`response="${md5(`${md5(`${credentials.user}:${REALM}:${credentials.password}`)}:${NONCE}:${md5(`${method}:${uri}`)}`)}"`);
  };

  const ownAnswer = async (method: string): Promise<Answer> => {
    switch (method) {
      case "OPTIONS":
        return { status: "200 OK", headers: [["Public", "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]] };
      case "DESCRIBE":
        return { status: "200 OK", headers: [["Content-Type", "application/sdp"]], body: await sdp() };
      case "SETUP":
        return { status: "200 OK", headers: [["Transport", "RTP/AVP/TCP;unicast;interleaved=0-1"], ["Session", "12345678;timeout=60"]] };
      default:
        return { status: "200 OK", headers: [["Session", "12345678"]] };
    }
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    const reader = createRtspReader();
    socket.on("error", () => undefined);
    socket.on("close", () => {
      playing.delete(socket);
      sockets.delete(socket);
    });
    socket.on("data", (chunk: Buffer) => {
      for (const item of reader.push(chunk)) {
        if (item.kind === "interleaved") continue;
        requests.push(item);
        void reply(socket, item);
      }
    });
  });

  async function reply(socket: Socket, message: RtspMessage): Promise<void> {
    const [method = ""] = message.startLine.split(" ");
    const challenge: Answer = { status: "401 Unauthorized", headers: [["WWW-Authenticate", `Digest realm="${REALM}", nonce="${NONCE}"`], ["WWW-Authenticate", `Basic realm="${REALM}"`]] };
    const { status, headers = [], body = "" } = answer?.(method) ?? (isSigned(message) ? await ownAnswer(method) : challenge);
    const length: [string, string][] = body === "" ? [] : [["Content-Length", String(Buffer.byteLength(body))]];
    socket.write(writeRtsp({ startLine: `RTSP/1.0 ${status}`, headers: [["CSeq", headerOf(message, "cseq") ?? ""], ...headers, ...length], body: Buffer.from(body) }));
    if (method === "PLAY") playing.add(socket);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      ffmpeg.kill("SIGKILL");
      await exited;
      rtp.close();
      await rm(folder, { recursive: true });
    },
  };
}
