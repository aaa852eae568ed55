/**
 * RTP packets as they come in, in order out: reordered, lost ones asked for again (NACK), and after a hold given up.
 * Pure: time comes in with each call. Bounded in packets and in what is asked for.
 */
import type { RtpPacket } from "./rtp-packet.ts";

export interface OrderedPacket {
  readonly packet: RtpPacket;
  /** Packets before this one are lost for good, or never were seen. */
  readonly afterGap: boolean;
}

export interface PacketOrder {
  push(packet: RtpPacket, nowMs: number): OrderedPacket[];
  /** Gives up what was waited for too long. */
  tick(nowMs: number): OrderedPacket[];
  /** Sequence numbers to ask for now; counts as asked. */
  takeNacks(nowMs: number): number[];
  /** Packets given up. */
  readonly lost: number;
  /** Packets that came after they were given up, or twice. */
  readonly late: number;
}

export interface PacketOrderOptions {
  /** How long a hole holds back what follows it. */
  readonly holdMs: number;
  readonly maxHeldPackets: number;
}

/** Time for mere reordering before the first request. */
const FIRST_NACK_AFTER_MS = 10;
const NACK_EVERY_MS = 40;
const MAX_NACKS = 4;
/** A jump further than this is no loss: the sender began anew. */
const MAX_GAP = 1_000;
const MAX_NACKED_AT_ONCE = 100;

interface Hole {
  readonly sinceMs: number;
  askedMs: number;
  asked: number;
}

export function createPacketOrder({ holdMs, maxHeldPackets }: PacketOrderOptions): PacketOrder {
  /** Index that is due next; null before the first packet. */
  let due: number | null = null;
  let newest = 0;
  let lost = 0;
  let late = 0;
  const held = new Map<number, RtpPacket>();
  const holes = new Map<number, Hole>();

  /** Everything that is due now; `gap` marks the first of it. */
  function release(gap: boolean): OrderedPacket[] {
    const ordered: OrderedPacket[] = [];
    for (let packet = held.get(due ?? 0); due !== null && packet !== undefined; packet = held.get(due)) {
      held.delete(due);
      ordered.push({ packet, afterGap: gap && ordered.length === 0 });
      due += 1;
    }
    return ordered;
  }

  /** Passes over the holes at the front, up to the next packet held. */
  function skip(): OrderedPacket[] {
    while (due !== null && holes.delete(due)) {
      lost += 1;
      due += 1;
    }
    return release(true);
  }

  return {
    push(packet, nowMs) {
      const { index } = packet;
      if (due === null || Math.abs(index - newest) > MAX_GAP) {
        held.clear();
        holes.clear();
        due = index;
        newest = index;
        held.set(index, packet);
        return release(true);
      }
      if (index < due || held.has(index)) {
        late += 1;
        return [];
      }
      holes.delete(index);
      for (let missing = newest + 1; missing < index; missing += 1) holes.set(missing, { sinceMs: nowMs, askedMs: Number.NEGATIVE_INFINITY, asked: 0 });
      newest = Math.max(newest, index);
      held.set(index, packet);
      const ordered = release(false);
      while (held.size > maxHeldPackets || newest - due > MAX_GAP) ordered.push(...skip());
      return ordered;
    },
    tick(nowMs) {
      const ordered: OrderedPacket[] = [];
      for (let hole = holes.get(due ?? 0); hole !== undefined && nowMs - hole.sinceMs >= holdMs; hole = holes.get(due ?? 0)) ordered.push(...skip());
      return ordered;
    },
    takeNacks(nowMs) {
      const wanted: number[] = [];
      for (const [index, hole] of holes) {
        if (wanted.length === MAX_NACKED_AT_ONCE) break;
        if (hole.asked >= MAX_NACKS || nowMs - hole.sinceMs < FIRST_NACK_AFTER_MS || nowMs - hole.askedMs < NACK_EVERY_MS) continue;
        hole.asked += 1;
        hole.askedMs = nowMs;
        wanted.push(index & 0xffff);
      }
      return wanted;
    },
    get lost() {
      return lost;
    },
    get late() {
      return late;
    },
  };
}
