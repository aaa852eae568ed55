/** Ordered RTP packets to whole encoded frames of any codec. Pure and bounded; damaged frames never come out. */
import { createAv1Format } from "./av1-format.ts";
import type { FrameParts, PayloadFormat, VideoFrame } from "./frame-parts.ts";
import { createH264Format } from "./h264-format.ts";
import type { OrderedPacket } from "./packet-order.ts";
import type { WhipCodec } from "../messages.ts";
import { VP8_FORMAT } from "./vp8-format.ts";
import { VP9_FORMAT } from "./vp9-format.ts";

export interface FrameAssembly {
  /** Frames that this packet completes: none, one, or two when the packet before had lost its marker. */
  push(ordered: OrderedPacket): VideoFrame[];
  /** Frames can be decoded only after the next keyframe: one is wanted. */
  readonly needsKeyframe: boolean;
  /** Frames left out since the start because a part of them, or of what they build on, is lost. */
  readonly damagedFrames: number;
}

export function createFrameAssembly(codec: WhipCodec): FrameAssembly {
  const format = formatOf(codec);
  let parts: FrameParts | null = null;
  let timestamp = 0;
  let damaged = false;
  let needsKeyframe = true;
  let damagedFrames = 0;

  function finish(): VideoFrame[] {
    if (parts === null) return [];
    const frame = damaged ? null : parts.finish(timestamp);
    parts = null;
    if (frame === null || (needsKeyframe && !frame.keyframe)) {
      damagedFrames += 1;
      needsKeyframe = true;
      damaged = false;
      return [];
    }
    needsKeyframe = false;
    return [frame];
  }

  return {
    push({ packet, afterGap }) {
      const frames: VideoFrame[] = [];
      // What is lost may be the end of the frame under way, the start of this one, or a frame between them.
      if (afterGap) damaged = true;
      if (parts !== null && packet.timestamp !== timestamp) frames.push(...finish());
      if (afterGap) {
        needsKeyframe = true;
        damaged = parts !== null || !format.startsFrame(packet.payload);
      }
      // Padding sent to probe the bandwidth.
      if (packet.payload.length > 0) {
        parts ??= format.createParts();
        timestamp = packet.timestamp;
        if (!parts.add(packet.payload)) damaged = true;
      }
      if (packet.marker) frames.push(...finish());
      return frames;
    },
    get needsKeyframe() {
      return needsKeyframe;
    },
    get damagedFrames() {
      return damagedFrames;
    },
  };
}

function formatOf(codec: WhipCodec): PayloadFormat {
  switch (codec) {
    case "h264":
      return createH264Format();
    case "vp8":
      return VP8_FORMAT;
    case "vp9":
      return VP9_FORMAT;
    case "av1":
      return createAv1Format();
  }
}
