/** One publisher on one path: its video on the way to the route, its counters and its liveness. Owned by the connection or session that feeds it. */
import Flv from "node-media-server/src/protocol/flv.js";
import { LIVE_CODEC_NAMES, readVideoTag } from "../../pipelines/decode/video-tag.ts";
import { TruecastError } from "../../pipelines/errors.ts";
import { type FlvRoute, startFlvRoute } from "./flv-route.ts";
import { createGopCache } from "./gop-cache.ts";
import type { IngestLimits } from "./limits.ts";
import type { IngestEvent, SessionName, StreamStats } from "./messages.ts";
import { type LivenessChange, createPublisherLiveness } from "./publisher-liveness.ts";
import type { KnownStream } from "./stream-keys.ts";

export interface PublicationOptions {
  readonly stream: KnownStream;
  readonly sessionId: string;
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly onEvent: (event: IngestEvent) => void;
  /** A reader is there that can begin only with a keyframe. For publishers that send one when asked. */
  readonly onKeyframeWanted?: () => void;
}

/** A media message as RTMP carries it, its body in the form of an FLV tag's. */
export interface MediaPacket {
  /** 8 audio, 9 video. */
  codec_type: number;
  dts: number;
  pts: number;
  size: number;
  /** May be longer than `size`, and be reused after the call. */
  data: Buffer;
}

export interface Publication {
  readonly stream: KnownStream;
  readonly session: SessionName;
  /** Reported as stalled: a newcomer with the key may take the path over. */
  readonly stalled: boolean;
  /** @throws TruecastError codec-unsupported, protocol-violation */
  packet(packet: MediaPacket): void;
  /** Reports what silence calls for; true when the publisher must be ended. */
  tick(): boolean;
  routeTo(socketPath: string): void;
  /** Called once a second: the bit rate is taken between calls. */
  stats(bytesIn: number): StreamStats;
  close(): void;
}

const AUDIO = 8;
const BITRATE_SECONDS = 5;
/** Far above any real parameter sets. */
const MAX_SEQUENCE_HEADER_BYTES = 64 * 1024;
/** FLV tag header before, and tag size after the payload. */
const TAG_HEADER_BYTES = 11;
const TAG_TRAILER_BYTES = 4;

export function createPublication(options: PublicationOptions): Publication {
  const { stream, limits, clock, onEvent } = options;
  const session: SessionName = { stream: stream.name, sessionId: options.sessionId };
  const liveness = createPublisherLiveness(limits, clock());
  const gop = createGopCache(limits);
  let route: FlvRoute | null = null;
  let videoPackets = 0;
  let droppedPackets = 0;
  let skippedPackets = 0;
  let keyframeSeen = false;
  let formatSecondStartMs = 0;
  let formatChanges = 0;
  let videoBytes = 0;
  const videoBytesBySecond: number[] = [];

  const report = (change: LivenessChange | null): void => {
    if (change === null || change.kind === "end") return;
    if (change.kind === "resumed") onEvent({ type: "publisher-resumed", ...session });
    else onEvent({ type: "publisher-stalled", ...session, code: change.kind === "stalled" ? "publisher-stalled" : "no-video", silentMs: Math.round(change.silentMs) });
  };

  const sequenceHeader = (tag: Buffer, codec: string): void => {
    if (tag.length > MAX_SEQUENCE_HEADER_BYTES) throw new TruecastError("protocol-violation", "The video sequence header is too long.");
    // Encoders repeat it before keyframes; only a change is news.
    if (gop.sequenceHeader !== null && payloadOf(gop.sequenceHeader).equals(payloadOf(tag))) return;
    const nowMs = clock();
    if (nowMs - formatSecondStartMs >= 1_000) {
      formatSecondStartMs = nowMs;
      formatChanges = 0;
    }
    formatChanges += 1;
    if (formatChanges > limits.maxFormatChangesPerSecond) throw new TruecastError("protocol-violation", "The video sequence header changes too often.");
    gop.setSequenceHeader(tag);
    keyframeSeen = false;
    route?.send("sequence-header", tag);
    onEvent({ type: "video-format", ...session, codec });
  };

  const endRoute = (): void => {
    route?.close();
    route = null;
  };

  return {
    stream,
    session,
    get stalled() {
      return liveness.state.kind === "stalled";
    },
    packet(packet) {
      if (packet.codec_type === AUDIO) {
        report(liveness.packet("audio", clock()));
        return;
      }
      const video = readVideoTag(packet.data.subarray(0, packet.size));
      switch (video.kind) {
        case "unsupported":
          throw new TruecastError("codec-unsupported", `The publisher sends ${video.name}; publish ${LIVE_CODEC_NAMES}.`);
        case "empty":
        case "end-of-sequence":
          skippedPackets += 1;
          return;
        case "sequence-header":
          report(liveness.packet("video", clock()));
          sequenceHeader(Flv.createMessage(packet), video.codec);
          return;
        case "keyframe":
        case "inter": {
          report(liveness.packet("video", clock()));
          videoPackets += 1;
          videoBytes += packet.size;
          if (gop.sequenceHeader === null || (!keyframeSeen && video.kind === "inter")) {
            skippedPackets += 1;
            return;
          }
          keyframeSeen = true;
          const tag = Flv.createMessage(packet);
          if (video.kind === "keyframe") gop.addKeyframe(tag);
          else gop.addInterframe(tag);
          if (route !== null && !route.send(video.kind === "keyframe" ? "keyframe" : "interframe", tag)) {
            droppedPackets += 1;
            options.onKeyframeWanted?.();
          }
        }
      }
    },
    tick() {
      const change = liveness.tick(clock());
      report(change);
      return change?.kind === "end";
    },
    routeTo(socketPath) {
      endRoute();
      const started = startFlvRoute({
        session,
        socketPath,
        gop,
        routeBufferBytes: limits.routeBufferBytes,
        lingerMs: limits.lingerMs,
        onLost(message) {
          if (route === started) route = null;
          onEvent({ type: "route-lost", ...session, message });
        },
      });
      route = started;
      options.onKeyframeWanted?.();
    },
    stats(bytesIn) {
      videoBytesBySecond.push(videoBytes);
      videoBytes = 0;
      if (videoBytesBySecond.length > BITRATE_SECONDS) videoBytesBySecond.shift();
      const bytes = videoBytesBySecond.reduce((sum, second) => sum + second, 0);
      const bitrateKbps = Math.round((bytes * 8) / ((videoBytesBySecond.length * limits.statsIntervalMs) / 1_000) / 1_000);
      return { ...session, bytesIn, videoPackets, droppedPackets, skippedPackets, bitrateKbps };
    },
    close: endRoute,
  };
}

function payloadOf(tag: Buffer): Buffer {
  return tag.subarray(TAG_HEADER_BYTES, tag.length - TAG_TRAILER_BYTES);
}
