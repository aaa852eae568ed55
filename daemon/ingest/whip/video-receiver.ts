/** One peer's RTP on its way to FLV: sources told apart, packets ordered, frames assembled; and the feedback that keeps them coming. */
import {
  GenericNack,
  PictureLossIndication,
  ReceiverEstimatedMaxBitrate,
  RtcpPayloadSpecificFeedback,
  RtcpRrPacket,
  RtcpTransportLayerFeedback,
} from "werift";
import type { IngestLimits } from "../limits.ts";
import type { VideoFrame } from "./frame-parts.ts";
import { type PacketOrder, createPacketOrder } from "./packet-order.ts";
import { type Reception, createReception } from "./reception.ts";
import type { RtpPacket } from "./rtp-packet.ts";
import type { WhipCodec } from "../messages.ts";
import { type FrameAssembly, createFrameAssembly } from "./video-frames.ts";

export interface VideoReceiverOptions {
  readonly codec: WhipCodec;
  /** Of this receiver's own feedback. */
  readonly ssrc: number;
  readonly maxBitrateKbps: number;
  readonly limits: IngestLimits;
  readonly onFrame: (frame: VideoFrame, timestampMs: number) => void;
  readonly sendRtcp: (packet: Buffer) => void;
}

export interface VideoReceiver {
  /** Returns false for a packet of a second source beside the one in use. */
  packet(packet: RtpPacket, nowMs: number): boolean;
  senderReport(ssrc: number, ntpMiddle: number, nowMs: number): void;
  wantKeyframe(): void;
  /** Every few milliseconds: gives up, asks again, reports. */
  pulse(nowMs: number): void;
  readonly lostPackets: number;
}

interface Source {
  readonly ssrc: number;
  readonly order: PacketOrder;
  readonly frames: FrameAssembly;
  readonly reception: Reception;
  lastPacketMs: number;
}

const CLOCK_RATE_HZ = 90_000;
/** A source that was silent for this long may be followed by another one. */
const SOURCE_SILENCE_MS = 300;

export function createVideoReceiver(options: VideoReceiverOptions): VideoReceiver {
  const { codec, ssrc: senderSsrc, limits, sendRtcp } = options;
  let source: Source | null = null;
  let lostBefore = 0;
  /** Media time, continued over wraps and sources. */
  let clockTicks = 0;
  let lastTimestamp: number | null = null;
  let keyframeWanted = false;
  let lastKeyframeMs = 0;
  let lastRequestMs = Number.NEGATIVE_INFINITY;
  let lastReportMs = 0;

  const deliver = (current: Source, ordered: ReturnType<PacketOrder["tick"]>, nowMs: number): void => {
    for (const item of ordered) {
      for (const frame of current.frames.push(item)) {
        if (lastTimestamp !== null) clockTicks = Math.max(0, clockTicks + ((frame.timestamp - lastTimestamp) | 0));
        lastTimestamp = frame.timestamp;
        if (frame.keyframe) {
          lastKeyframeMs = nowMs;
          keyframeWanted = false;
        }
        options.onFrame(frame, Math.floor((clockTicks * 1_000) / CLOCK_RATE_HZ));
      }
    }
  };

  const startSource = (ssrc: number, nowMs: number): Source => {
    lostBefore += source?.order.lost ?? 0;
    lastTimestamp = null;
    lastKeyframeMs = nowMs;
    lastRequestMs = Number.NEGATIVE_INFINITY;
    return {
      ssrc,
      order: createPacketOrder({ holdMs: limits.whipHoldMs, maxHeldPackets: limits.whipMaxHeldPackets }),
      frames: createFrameAssembly(codec),
      reception: createReception(ssrc, CLOCK_RATE_HZ),
      lastPacketMs: nowMs,
    };
  };

  const requestKeyframe = (mediaSsrc: number): void => {
    sendRtcp(new RtcpPayloadSpecificFeedback({ feedback: new PictureLossIndication({ senderSsrc, mediaSsrc }) }).serialize());
  };

  const report = (current: Source, nowMs: number): void => {
    const estimate = BigInt(options.maxBitrateKbps) * 1_000n;
    // 18 bits of mantissa.
    const brExp = Math.max(0, estimate.toString(2).length - 18);
    const remb = new ReceiverEstimatedMaxBitrate({ senderSsrc, mediaSsrc: 0, ssrcNum: 1, ssrcFeedbacks: [current.ssrc], brExp, brMantissa: Number(estimate >> BigInt(brExp)), bitrate: estimate });
    sendRtcp(Buffer.concat([new RtcpRrPacket({ ssrc: senderSsrc, reports: [current.reception.takeReport(nowMs)] }).serialize(), new RtcpPayloadSpecificFeedback({ feedback: remb }).serialize()]));
  };

  return {
    packet(packet, nowMs) {
      if (source === null || (packet.ssrc !== source.ssrc && nowMs - source.lastPacketMs >= SOURCE_SILENCE_MS)) source = startSource(packet.ssrc, nowMs);
      if (packet.ssrc !== source.ssrc) return false;
      source.lastPacketMs = nowMs;
      source.reception.packet(packet, nowMs);
      deliver(source, source.order.push(packet, nowMs), nowMs);
      return true;
    },
    senderReport(ssrc, ntpMiddle, nowMs) {
      if (source?.ssrc === ssrc) source.reception.senderReport(ntpMiddle, nowMs);
    },
    wantKeyframe() {
      keyframeWanted = true;
    },
    pulse(nowMs) {
      if (source === null) return;
      deliver(source, source.order.tick(nowMs), nowMs);
      const lost = source.order.takeNacks(nowMs);
      if (lost.length > 0) sendRtcp(new RtcpTransportLayerFeedback({ feedback: new GenericNack({ senderSsrc, mediaSourceSsrc: source.ssrc, lost: lost.toSorted((a, b) => a - b) }) }).serialize());
      const wanted = keyframeWanted || source.frames.needsKeyframe || nowMs - lastKeyframeMs >= limits.whipKeyframeEveryMs;
      if (wanted && nowMs - lastRequestMs >= limits.whipKeyframeRetryMs) {
        lastRequestMs = nowMs;
        requestKeyframe(source.ssrc);
      }
      if (nowMs - lastReportMs >= limits.whipReportEveryMs) {
        lastReportMs = nowMs;
        report(source, nowMs);
      }
    },
    get lostPackets() {
      return lostBefore + (source?.order.lost ?? 0);
    },
  };
}
