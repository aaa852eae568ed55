/** Publishes video tags as they are given, right or wrong, over RTMP: what no publishing program would send. */
import { setTimeout as sleep } from "node:timers/promises";
import { makeFlv, type FlvFixtureOptions } from "../../../pipelines/decode/flv-fixture.ts";
import { type FlvTag, flvTags } from "../../ingest/testing/ffmpeg.ts";
import { connectRtmp, type RtmpClient } from "../../ingest/testing/rtmp-client.ts";

const VIDEO = 9;
const FRAME_MS = 33;

/** The video tags of an FLV by the real ffmpeg, bodies as they travel in RTMP messages. */
export async function videoOf(options: FlvFixtureOptions): Promise<readonly FlvTag[]> {
  return flvTags(await makeFlv(options)).filter(({ type }) => type === VIDEO);
}

export async function connectPublisher(rtmpUrl: string, key: string): Promise<RtmpClient> {
  const client = await connectRtmp(Number(new URL(rtmpUrl.replace("rtmp:", "http:")).port));
  await client.publish(key);
  return client;
}

/** In real time, with timestamps that begin at `fromMs`. @returns the timestamp that would follow */
export async function playInRealTime(client: RtmpClient, tags: readonly FlvTag[], fromMs: number): Promise<number> {
  const startedAtMs = performance.now();
  for (const { payload, timestampMs } of tags) {
    const waitMs = startedAtMs + timestampMs - performance.now();
    if (waitMs > 1) await sleep(waitMs);
    client.video(payload, (fromMs + timestampMs) % 2 ** 32);
  }
  return fromMs + (tags.at(-1)?.timestampMs ?? 0) + FRAME_MS;
}

/** Bytes struck at random in a third of the bodies, headers included; bodies cut short, left out, doubled, and sent under wrong times. */
export function damaged(tags: readonly FlvTag[], random: () => number): FlvTag[] {
  return tags.flatMap((tag) => {
    if (random() > 1 / 3) return [tag];
    const payload = Buffer.from(tag.payload);
    switch (Math.floor(random() * 8)) {
      case 0:
        return [];
      case 1:
        return [tag, tag];
      case 2:
        return [{ ...tag, payload: payload.subarray(0, Math.floor(random() * payload.length)) }];
      case 3:
        return [{ ...tag, timestampMs: Math.floor(random() * 2 ** 32) }];
      case 4:
        // The first bytes say what the packet is.
        payload[Math.floor(random() * Math.min(16, payload.length))] = Math.floor(random() * 256);
        return [{ ...tag, payload }];
      default:
        for (let strikes = 1 + Math.floor(random() * 20); strikes > 0; strikes--) payload[Math.floor(random() * payload.length)] = Math.floor(random() * 256);
        return [{ ...tag, payload }];
    }
  });
}
