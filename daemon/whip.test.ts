/** A WHIP publisher seen through the whole daemon: the same streams, states and API as over RTMP. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startWhipPeer } from "./ingest/whip/testing/whip-peer.ts";
import type { Stream, SystemStatus } from "./protocol.ts";
import { startDaemonProcess } from "./testing/daemon-process.ts";

const run = promisify(execFile);
const until = { timeout: 30_000, interval: 100 };
const KEY = "secret-key-camera";

/** Frames of a VP8 test picture, a keyframe a second. */
async function vp8Frames(): Promise<Buffer[]> {
  const { stdout } = await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=30", "-t", "2", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "30", "-auto-alt-ref", "0", "-lag-in-frames", "0", "-f", "ivf", "pipe:1"], { encoding: "buffer", maxBuffer: 16 << 20 });
  const frames: Buffer[] = [];
  for (let offset = 32; offset < stdout.length; ) {
    const end = offset + 12 + stdout.readUInt32LE(offset);
    frames.push(stdout.subarray(offset + 12, end));
    offset = end;
  }
  return frames;
}

test("a stream published over WHIP is live, says so, and goes on after the ingest process was killed", async () => {
  const frames = await vp8Frames();
  await using daemon = await startDaemonProcess({ streams: [{ name: "camera", key: KEY }] });
  const { whipUrl } = await daemon.get<SystemStatus>("/api/v1/system");
  expect(whipUrl).toBe(daemon.whipUrl);
  const port = Number(new URL(daemon.whipUrl).port);
  const streamNow = async () => (await daemon.get<{ stream: Stream }>("/api/v1/streams/camera")).stream;

  const publish = async () => {
    const peer = await startWhipPeer({ port, stream: "camera", key: KEY });
    await peer.secure();
    let sent = 0;
    const timer = setInterval(() => peer.sendVp8(frames[sent++ % frames.length] ?? Buffer.alloc(0)), 33);
    return {
      async [Symbol.asyncDispose]() {
        clearInterval(timer);
        await peer[Symbol.asyncDispose]();
      },
    };
  };

  {
    await using _publisher = await publish();
    await expect.poll(async () => (await streamNow()).state, until).toBe("live");
    await expect.poll(async () => (await streamNow()).publisher, until).toMatchObject({ protocol: "whip", videoCodec: "vp8", widthPx: 320, heightPx: 180 });
    process.kill(daemon.childPid("ingest"), "SIGKILL");
    await expect.poll(async () => (await streamNow()).state, until).toBe("reconnecting");
  }
  // The restarted process listens where the first one chose to.
  await expect.poll(() => fetch(`${daemon.whipUrl}/camera`, { method: "OPTIONS" }).then(({ status }) => status, () => 0), until).toBe(200);
  await using _again = await publish();
  await expect.poll(async () => (await streamNow()).state, until).toBe("live");
}, 90_000);

test("behind a TLS proxy the API and the dashboard's page name the address that publishers reach", async () => {
  const publicUrl = "https://truecast.example/whip";
  await using daemon = await startDaemonProcess({ streams: [{ name: "camera", key: KEY }], whip: { port: 0, udpPort: 0, publicUrl } });
  expect((await daemon.get<SystemStatus>("/api/v1/system")).whipUrl).toBe(publicUrl);
  const { headers } = await fetch(daemon.httpUrl);
  expect(headers.get("content-security-policy")).toContain("connect-src 'self' https://truecast.example;");
}, 60_000);
