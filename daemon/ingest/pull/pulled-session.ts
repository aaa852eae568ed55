/** The video of one connection to a source on its way to analysis: last keyframe kept, route, counters. */
import { encodeFlvTag, type FlvTag } from "../../../pipelines/decode/flv-reader.ts";
import { type FlvRoute, startFlvRoute } from "../flv-route.ts";
import { createGopCache } from "../gop-cache.ts";
import type { SessionName } from "../messages.ts";
import type { PullLimits } from "./limits.ts";
import type { PullStats } from "./messages.ts";

export interface PulledSession {
  readonly name: SessionName;
  /** Takes a tag of H.264 video; others are left out. */
  take(tag: FlvTag): void;
  /** Replaces an earlier route; begins with the last keyframe. */
  routeTo(socketPath: string): void;
  /** Called once an interval: the bit rate is taken between calls. */
  stats(): PullStats;
  close(): void;
}

const BITRATE_INTERVALS = 5;

export function createPulledSession({ name, limits, onRouteLost }: { readonly name: SessionName; readonly limits: PullLimits; readonly onRouteLost: (message: string) => void }): PulledSession {
  const gop = createGopCache(limits);
  let route: FlvRoute | null = null;
  let header: Uint8Array | null = null;
  let videoPackets = 0;
  let droppedPackets = 0;
  let videoBytes = 0;
  const bytesByInterval: number[] = [];

  return {
    name,
    take(tag) {
      if (tag.codec !== "h264" || tag.kind === "other" || tag.kind === "unsupported" || tag.kind === "end-of-sequence") return;
      const packet = { kind: tag.kind, timestampMs: tag.timestampMs, compositionMs: tag.compositionMs, payload: tag.payload };
      const bytes = encodeFlvTag(packet);
      if (tag.kind === "sequence-header") {
        if (header !== null && Buffer.compare(header, tag.payload) === 0) return;
        header = tag.payload;
        gop.setSequenceHeader(bytes);
        route?.send("sequence-header", bytes);
        return;
      }
      videoPackets++;
      videoBytes += tag.payload.length;
      const kind = tag.kind === "keyframe" ? "keyframe" : "interframe";
      if (kind === "keyframe") gop.addKeyframe(bytes);
      else gop.addInterframe(bytes);
      if (route !== null && !route.send(kind, bytes)) droppedPackets++;
    },
    routeTo(socketPath) {
      route?.close();
      const started = startFlvRoute({
        session: name,
        socketPath,
        gop,
        routeBufferBytes: limits.routeBufferBytes,
        lingerMs: limits.lingerMs,
        onLost(message) {
          if (route === started) route = null;
          onRouteLost(message);
        },
      });
      route = started;
    },
    stats() {
      bytesByInterval.push(videoBytes);
      videoBytes = 0;
      if (bytesByInterval.length > BITRATE_INTERVALS) bytesByInterval.shift();
      const bits = bytesByInterval.reduce((sum, bytes) => sum + bytes, 0) * 8;
      return { ...name, videoPackets, droppedPackets, bitrateKbps: Math.round(bits / (bytesByInterval.length * limits.statsIntervalMs)) };
    },
    close() {
      route?.close();
      route = null;
    },
  };
}
