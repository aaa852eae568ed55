/** The demo's publisher, with real ffmpeg on both ends of the wire. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publisherArguments, startPublisher } from "./publish-video.ts";

const KEY = "s3cret-demo-key";
const folder = mkdtempSync(join(tmpdir(), "truecast-publisher-"));
const h264 = join(folder, "h264.mp4");
const vp8 = join(folder, "vp8.webm");
let lines: string[] = [];
const log = pino({ level: "debug" }, { write: (line) => void lines.push(line) });

beforeAll(() => {
  const source = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=1"];
  execFileSync("ffmpeg", [...source, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", h264]);
  execFileSync("ffmpeg", [...source, "-c:v", "libvpx", "-deadline", "realtime", vp8]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test.each([
  ["an H.264 file as it is", h264],
  ["a VP8 file encoded", vp8],
])("publishes %s, past its end and from the start again", async (_, file) => {
  const url = `rtmp://127.0.0.1:${await freePort()}/live/${KEY}`;
  // 1.5 times the file's frames: the last third can only come from its second round.
  const receiver = spawn("ffmpeg", ["-nostdin", "-v", "error", "-listen", "1", "-f", "flv", "-i", url, "-map", "0:v", "-c", "copy", "-frames:v", "45", "-f", "framemd5", "pipe:1"]);
  let received = "";
  receiver.stdout.on("data", (chunk: Buffer) => {
    received += chunk.toString();
  });
  await using publisher = await startPublisher({ file, url, log });
  await once(receiver, "close");
  const frames = received.split("\n").filter((line) => line.startsWith("0,"));
  expect(frames.length).toBe(45);
  const times = frames.map((line) => Number(line.split(",")[1]));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  await publisher.close();
});

test("starts ffmpeg again when the server hangs up, keeps the key out of the log, and is gone after close", async () => {
  lines = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    if (sockets.length < 3) socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const publisher = await startPublisher({ file: h264, url: `rtmp://127.0.0.1:${port}/live/${KEY}`, log });
  while (sockets.length < 3) await once(server, "connection");
  expect(publisher.restarts).toBeGreaterThanOrEqual(2);
  const last = sockets[2]!;
  const hungUp = once(last.resume(), "close");
  await Promise.all([publisher.close(), publisher.close(), hungUp]);
  await new Promise((resolve) => server.close(resolve));
  const pids = lines.flatMap((line) => (JSON.parse(line) as { msg: string; pid?: number }).msg === "publishing" ? [(JSON.parse(line) as { pid: number }).pid] : []);
  expect(pids.length).toBe(3);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(lines.join("")).not.toContain(KEY);
});

test("refuses a missing file, an empty one and one that is no video, each by its code", async () => {
  const empty = join(folder, "empty.mp4");
  writeFileSync(empty, "");
  const text = join(folder, "text.mp4");
  writeFileSync(text, "not a video");
  const refusal = (file: string) => startPublisher({ file, url: `rtmp://127.0.0.1:1/live/${KEY}`, log }).then(() => null, (error: unknown) => error);
  expect(await refusal(join(folder, "none.mp4"))).toMatchObject({ code: "input-not-found" });
  expect(await refusal(empty)).toMatchObject({ code: "input-empty" });
  expect(await refusal(text)).toMatchObject({ code: "input-not-media" });
});

test("copies H.264 and paces any file at its own speed", () => {
  expect(publisherArguments({ file: "a.mp4", url: "rtmp://h/live/k", copy: true }).join(" ")).toBe(
    "-nostdin -hide_banner -loglevel error -re -stream_loop -1 -i a.mp4 -map 0:v:0 -an -c:v copy -f flv rtmp://h/live/k",
  );
});
