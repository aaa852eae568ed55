/** Codecs and RTMPS through the whole daemon: what is taken is decoded and named, what is not is shown on its stream with the reason. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeVideo, enhancedBodies } from "../pipelines/decode/testing/enhanced-flv.ts";
import { connectRtmp } from "./ingest/testing/rtmp-client.ts";
import type { StreamDetail, SystemStatus } from "./protocol.ts";
import { type DaemonProcess, startDaemonProcess } from "./testing/daemon-process.ts";
import { type SelfSigned, makeSelfSigned } from "./testing/self-signed.ts";

const KEY = "studio-key-123";
const until = { timeout: 30_000, interval: 100 };

let folder: string;
let certificate: SelfSigned;
let daemon: DaemonProcess;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "truecast-codecs-"));
  certificate = await makeSelfSigned({ folder, name: "studio" });
  const { certFile, keyFile } = certificate;
  daemon = await startDaemonProcess({ streams: [{ name: "studio", key: KEY }], rtmps: { port: 0, certFile, keyFile } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const portOf = (url: string) => Number(new URL(url.replace(/^rtmps?:/, "http:")).port);
const streamNow = async () => (await daemon.get<StreamDetail>("/api/v1/streams/studio")).stream;

test("a codec that is not taken is shown by its name: on the stream, in the log, to the publisher", { timeout: 60_000 }, async () => {
  const client = await connectRtmp(portOf(daemon.rtmpUrl));
  await client.publish(KEY);
  client.video(Buffer.concat([Buffer.from([0x90]), Buffer.from("vvc1"), Buffer.alloc(40)]));
  const message = "The publisher sends VVC (vvc1); publish H.264, HEVC, AV1, VP9 or VP8.";
  await client.until(`codec-unsupported: ${message}`);
  await client.closed;
  await expect.poll(streamNow, until).toMatchObject({ state: "failed", stateReason: { code: "codec-unsupported", message } });
  expect(daemon.log).toContainEqual(expect.objectContaining({ stream: "studio", code: "codec-unsupported", msg: `closed: ${message}` }));
});

test("HEVC over RTMPS is live, with its protocol, codec and size", { timeout: 60_000 }, async () => {
  const { rtmpsUrl } = await daemon.get<SystemStatus>("/api/v1/system");
  expect(rtmpsUrl).toBe(daemon.rtmpsUrl);
  expect(rtmpsUrl).toMatch(/^rtmps:\/\/127\.0\.0\.1:\d+\/live$/);
  const bodies = enhancedBodies(await encodeVideo({ codec: "hevc", picture: "testsrc2=s=320x180:r=30", seconds: 2 }));
  const client = await connectRtmp(portOf(rtmpsUrl ?? ""), { certificate: certificate.certificate });
  await client.publish(KEY);
  const stopped = new AbortController();
  const playing = (async () => {
    for (let round = 0; !stopped.signal.aborted; round += 1) {
      for (const { timestampMs, body } of bodies) {
        await delay(33);
        client.video(body, timestampMs + round * 2_000);
      }
    }
  })();
  await expect.poll(streamNow, until).toMatchObject({ state: "live", publisher: { protocol: "rtmps", videoCodec: "hevc", widthPx: 320, heightPx: 180 } });
  stopped.abort();
  await playing;
  client.destroy();
  await client.closed;
});
