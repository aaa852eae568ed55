/** What the payload formats of all codecs have in common: the parts of one frame collected from its packets, bounded. */

export type VideoFrame =
  /** NAL units without start codes; parameter sets of a keyframe apart. */
  | { readonly codec: "h264"; readonly keyframe: boolean; readonly timestamp: number; readonly units: readonly Buffer[]; readonly parameterSets: { readonly sps: Buffer; readonly pps: Buffer } | null }
  | { readonly codec: "vp8" | "vp9"; readonly keyframe: boolean; readonly timestamp: number; readonly data: Buffer }
  /** Open bitstream units with their sizes, without temporal delimiter; a keyframe's sequence header also apart. */
  | { readonly codec: "av1"; readonly keyframe: boolean; readonly timestamp: number; readonly data: Buffer; readonly sequenceHeader: Buffer | null };

/** Collects the parts of one frame. */
export interface FrameParts {
  /** False when the payload does not fit what came before. */
  add(payload: Buffer): boolean;
  /** Null for a frame that is not whole. */
  finish(timestamp: number): VideoFrame | null;
}

/** One codec's payload format, for one source. */
export interface PayloadFormat {
  /** Whether the payload is proof that nothing of its frame is missing before it. */
  startsFrame(payload: Buffer): boolean;
  createParts(): FrameParts;
}

export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
export const MAX_UNITS = 512;
/** Packets of one frame. */
export const MAX_CHUNKS = 4_096;
