/** The last seconds of a stream as it came, encoded: whole groups of pictures, bounded in time and bytes, so that a recording can begin in the past. */
import type { ClockedPacket, VideoHeader } from "../../pipelines/decode/packet-history.ts";

export interface KeptPacket {
  readonly packet: ClockedPacket;
  readonly header: VideoHeader;
}

export interface PacketRing {
  add(packet: ClockedPacket, header: VideoHeader): void;
  /** From the last keyframe at or before this position of the clock on, or from the oldest kept one. */
  from(clockMs: number): readonly KeptPacket[];
  /** With what the packets take beside their payload. */
  readonly byteLength: number;
}

interface Group {
  readonly packets: KeptPacket[];
  readonly startMs: number;
  byteLength: number;
}

/** What a packet takes beside its bytes, rounded up: a flood of empty ones must not fill the memory at no price. */
const PACKET_BYTES = 512;

export function createPacketRing({ maxMs, maxBytes }: { readonly maxMs: number; readonly maxBytes: number }): PacketRing {
  /** Each begins with a keyframe. */
  let groups: Group[] = [];
  let byteLength = 0;

  function dropFirst(): void {
    byteLength -= groups.shift()?.byteLength ?? 0;
  }

  return {
    add(packet, header) {
      if (packet.kind === "keyframe") groups.push({ packets: [], startMs: packet.clockMs, byteLength: 0 });
      const group = groups.at(-1);
      // In a group that was dropped for its size: nothing of it can be decoded.
      if (group === undefined) return;
      group.packets.push({ packet, header });
      const bytes = packet.payload.length + PACKET_BYTES;
      group.byteLength += bytes;
      byteLength += bytes;
      // The first group may go when the second already reaches back far enough.
      while ((groups[1]?.startMs ?? Number.POSITIVE_INFINITY) <= packet.clockMs - maxMs) dropFirst();
      while (byteLength > maxBytes) dropFirst();
    },
    from(clockMs) {
      const first = Math.max(0, groups.findLastIndex(({ startMs }) => startMs <= clockMs));
      return groups.slice(first).flatMap(({ packets }) => packets);
    },
    get byteLength() {
      return byteLength;
    },
  };
}
