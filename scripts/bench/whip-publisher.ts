/** Started by `publish-over-whip.ts`: `whip-publisher.ts VIDEO ENDPOINT KEY` sends an H.264 file over WHIP in a loop, prints when it asked, and leaves on SIGTERM. */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { startWhipPeer } from "../../daemon/ingest/whip/testing/whip-peer.ts";
import { accessUnits, rtpPayloads } from "./h264-rtp.ts";

const FRAME_MS = 1_000 / 30;
const TICKS_A_FRAME = 3_000;

async function main(video: string, endpoint: string, key: string): Promise<void> {
  const { stdout } = await promisify(execFile)("ffmpeg", ["-nostdin", "-v", "error", "-i", video, "-an", "-c", "copy", "-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert", "-f", "h264", "pipe:1"], { encoding: "buffer", maxBuffer: 256 << 20 });
  const pictures = accessUnits(stdout).map(rtpPayloads);
  const url = new URL(endpoint);
  console.log(Date.now());
  await using peer = await startWhipPeer({ port: Number(url.port), stream: url.pathname.split("/").at(-1) ?? "", key, codec: "h264" });
  await peer.secure();
  const ending = new AbortController();
  process.once("SIGTERM", () => ending.abort());
  const startMs = performance.now();
  for (let frame = 0; !ending.signal.aborted; frame++) {
    const payloads = pictures[frame % pictures.length] ?? [];
    for (const [index, payload] of payloads.entries()) peer.sendRtp({ payload, timestamp: (frame * TICKS_A_FRAME) >>> 0, marker: index === payloads.length - 1 });
    await sleep(Math.max(0, startMs + (frame + 1) * FRAME_MS - performance.now()), undefined, { signal: ending.signal }).catch(() => undefined);
  }
  await fetch(new URL(peer.sessionPath, endpoint), { method: "DELETE", headers: { authorization: `Bearer ${key}` } });
}

const [video = "", endpoint = "", key = ""] = process.argv.slice(2);
await main(video, endpoint, key);
