/** What a restarted decoder must be fed to go on at once: the sequence header and the packets since the last keyframe. */
import type { FedPacket } from "./decoder-feed.ts";
import type { LiveVideoCodec } from "./video-tag.ts";

export interface ClockedPacket extends FedPacket {
  /** DTS on the stream's continuous clock; `timestampMs` of what is fed to a decoder is relative to that decoder's start. */
  readonly clockMs: number;
}

export interface VideoHeader {
  readonly codec: LiveVideoCodec;
  /** Equal for what one decoder takes without a new beginning: configuration record, sequence header, or the picture's size. */
  readonly payload: Uint8Array;
}

export interface PacketHistory {
  /** Returns false for a repetition of the header in force. A different one makes the kept packets undecodable. */
  sequenceHeader(header: VideoHeader): boolean;
  add(packet: ClockedPacket): void;
  /** Forgets the packets, not the header: the decoder is to begin at the next keyframe. */
  dropPackets(): void;
  /** Forgets all: the publisher is gone. */
  clear(): void;
  readonly header: VideoHeader | null;
  /** Empty, or beginning with a keyframe. */
  readonly packets: readonly ClockedPacket[];
  readonly byteLength: number;
}

export function createPacketHistory(options: { readonly maxBytes: number }): PacketHistory {
  let header: VideoHeader | null = null;
  let packets: ClockedPacket[] = [];
  let byteLength = 0;

  function dropPackets(): void {
    packets = [];
    byteLength = 0;
  }

  return {
    sequenceHeader(next) {
      if (header?.codec === next.codec && Buffer.compare(header.payload, next.payload) === 0) return false;
      header = next;
      dropPackets();
      return true;
    },
    add(packet) {
      if (packet.kind === "keyframe") dropPackets();
      else if (packets.length === 0) return;
      // A GOP past the cap cannot be replayed in part, so all of it goes; recovery then waits for the next keyframe.
      if (byteLength + packet.payload.length > options.maxBytes) {
        dropPackets();
        return;
      }
      packets.push(packet);
      byteLength += packet.payload.length;
    },
    dropPackets,
    clear() {
      header = null;
      dropPackets();
    },
    get header() {
      return header;
    },
    get packets() {
      return packets;
    },
    get byteLength() {
      return byteLength;
    },
  };
}
