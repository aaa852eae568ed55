/** FLV bytes to tags, incrementally and bounded, and tags back to FLV bytes (Adobe FLV 10.1 annex E, Enhanced RTMP v2). */
import { TruecastError } from "../errors.ts";
import { type LiveVideoCodec, readVideoTag } from "./video-tag.ts";

export type FlvTagKind = "sequence-header" | "keyframe" | "inter" | "end-of-sequence" | "unsupported" | "other";

export interface FlvTag {
  /** `unsupported`: video that nothing here can decode. `other`: audio, metadata, commands. */
  readonly kind: FlvTagKind;
  /** Decoding timestamp as sent, 32 bit. */
  readonly timestampMs: number;
  /** PTS minus DTS as sent; 0 where the codec has none. */
  readonly compositionMs: number;
  /** Null for `unsupported` and `other` tags. */
  readonly codec: LiveVideoCodec | null;
  /** Of an `unsupported` tag, fit to be shown to people. */
  readonly codecName: string | null;
  /** The codec's own bytes: decoder configuration record of a sequence header, length-prefixed NAL units of a frame. */
  readonly payload: Uint8Array;
}

export interface FlvReader {
  /**
   * Takes the next bytes, cut anywhere; returns the tags completed by them. Payloads are copies, owned by the caller.
   * @throws TruecastError protocol-violation; the reader is of no use afterwards.
   */
  push(chunk: Uint8Array): FlvTag[];
}

const FILE_HEADER_BYTES = 9;
const TAG_HEADER_BYTES = 11;
const TRAILER_BYTES = 4;
/** Frame type and codec, packet type, composition time. */
const VIDEO_HEADER_BYTES = 5;
const DEFAULT_MAX_TAG_BYTES = 8 * 1024 * 1024;
/** Data offsets other than 9 are legal, but no writer uses large ones. */
const MAX_FILE_HEADER_BYTES = 1024;

type Step = "file-header" | "file-header-rest" | "tag-header" | "body" | "trailer";

export function createFlvReader(options: { readonly maxTagBytes?: number } = {}): FlvReader {
  const maxTagBytes = options.maxTagBytes ?? DEFAULT_MAX_TAG_BYTES;
  let step: Step = "file-header";
  let wanted = Buffer.allocUnsafe(FILE_HEADER_BYTES);
  let filled = 0;
  let header = { type: 0, timestampMs: 0, bodyBytes: 0 };

  function expect(next: Step, byteLength: number): void {
    step = next;
    // Not from Node's shared pool: a packet kept for a whole GOP would pin its neighbours there.
    wanted = next === "body" ? Buffer.allocUnsafeSlow(byteLength) : Buffer.allocUnsafe(byteLength);
    filled = 0;
  }

  /** Called with `wanted` full; returns the tag that it completes, if any. */
  function complete(): FlvTag | undefined {
    const bytes = wanted;
    switch (step) {
      case "file-header": {
        if (bytes.toString("latin1", 0, 3) !== "FLV") throw malformed("The stream does not begin with an FLV header.");
        const rest = bytes.readUInt32BE(5) - FILE_HEADER_BYTES;
        if (rest < 0 || rest > MAX_FILE_HEADER_BYTES) throw malformed("The FLV header declares an impossible length.");
        expect("file-header-rest", rest + TRAILER_BYTES);
        return undefined;
      }
      case "file-header-rest":
        expect("tag-header", TAG_HEADER_BYTES);
        return undefined;
      case "tag-header": {
        const type = bytes.readUInt8(0);
        // 8 audio, 9 video, 18 script data; the filter bit (encryption) is not supported.
        if (type !== 8 && type !== 9 && type !== 18) throw malformed(`There is no FLV tag of type ${type}.`);
        header = { type, bodyBytes: bytes.readUIntBE(1, 3), timestampMs: bytes.readUIntBE(4, 3) + bytes.readUInt8(7) * 0x1000000 };
        if (header.bodyBytes > maxTagBytes) throw malformed(`An FLV tag of ${header.bodyBytes} bytes is past the cap of ${maxTagBytes}.`);
        if (header.bodyBytes > 0) {
          expect("body", header.bodyBytes);
          return undefined;
        }
        expect("trailer", TRAILER_BYTES);
        return otherTag(header.timestampMs, bytes.subarray(0, 0));
      }
      case "body":
        expect("trailer", TRAILER_BYTES);
        return readTag(header.type, header.timestampMs, bytes);
      case "trailer": {
        const declared = bytes.readUInt32BE(0);
        // Zero is written by some live muxers.
        if (declared !== 0 && declared !== TAG_HEADER_BYTES + header.bodyBytes) throw malformed("An FLV tag is not as long as its trailer says.");
        expect("tag-header", TAG_HEADER_BYTES);
        return undefined;
      }
    }
  }

  return {
    push(chunk) {
      const tags: FlvTag[] = [];
      let offset = 0;
      while (offset < chunk.length) {
        const take = Math.min(wanted.length - filled, chunk.length - offset);
        wanted.set(chunk.subarray(offset, offset + take), filled);
        filled += take;
        offset += take;
        if (filled < wanted.length) break;
        const tag = complete();
        if (tag) tags.push(tag);
      }
      return tags;
    },
  };
}

function readTag(type: number, timestampMs: number, body: Buffer): FlvTag {
  if (type !== 9) return otherTag(timestampMs, body);
  const video = readVideoTag(body);
  if (video.kind === "empty") return otherTag(timestampMs, body);
  if (video.kind === "unsupported") return { ...otherTag(timestampMs, body), kind: "unsupported", codecName: video.name };
  return { ...video, timestampMs, codecName: null };
}

function otherTag(timestampMs: number, payload: Uint8Array): FlvTag {
  return { kind: "other", timestampMs, compositionMs: 0, codec: null, codecName: null, payload };
}

/** An FLV file header that announces video only, so that ffmpeg does not wait for audio. */
export function flvHeader(): Buffer {
  return Buffer.from([0x46, 0x4c, 0x56, 1, 1, 0, 0, 0, 9, 0, 0, 0, 0]);
}

export interface H264Packet {
  readonly kind: "sequence-header" | "keyframe" | "inter";
  /** 0 to 2^32 - 1. */
  readonly timestampMs: number;
  readonly compositionMs: number;
  readonly payload: Uint8Array;
}

/** One H.264 packet as an FLV tag. */
export function encodeFlvTag(packet: H264Packet): Buffer {
  const bodyBytes = VIDEO_HEADER_BYTES + packet.payload.length;
  const tag = Buffer.allocUnsafe(TAG_HEADER_BYTES + bodyBytes + TRAILER_BYTES);
  tag.writeUInt8(9, 0);
  tag.writeUIntBE(bodyBytes, 1, 3);
  tag.writeUIntBE(packet.timestampMs % 0x1000000, 4, 3);
  tag.writeUInt8(Math.floor(packet.timestampMs / 0x1000000), 7);
  tag.writeUIntBE(0, 8, 3);
  tag.writeUInt8(packet.kind === "inter" ? 0x27 : 0x17, TAG_HEADER_BYTES);
  tag.writeUInt8(packet.kind === "sequence-header" ? 0 : 1, TAG_HEADER_BYTES + 1);
  tag.writeIntBE(packet.compositionMs, TAG_HEADER_BYTES + 2, 3);
  tag.set(packet.payload, TAG_HEADER_BYTES + VIDEO_HEADER_BYTES);
  tag.writeUInt32BE(TAG_HEADER_BYTES + bodyBytes, TAG_HEADER_BYTES + bodyBytes);
  return tag;
}

function malformed(message: string): TruecastError {
  return new TruecastError("protocol-violation", message);
}
