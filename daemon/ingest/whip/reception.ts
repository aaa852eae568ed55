/** Reception of one RTP source, for receiver reports (RFC 3550, 6.4 and appendix A). Pure. */
import { RtcpReceiverInfo } from "werift";
import type { RtpPacket } from "./rtp-packet.ts";

export interface Reception {
  packet(packet: RtpPacket, nowMs: number): void;
  /** @param ntpMiddle The middle 32 bits of the report's NTP time. */
  senderReport(ntpMiddle: number, nowMs: number): void;
  /** The block of a receiver report, over the time since the last one. */
  takeReport(nowMs: number): RtcpReceiverInfo;
}

const MAX_LOST = 2 ** 23 - 1;

export function createReception(ssrc: number, clockRateHz: number): Reception {
  let first: number | null = null;
  let newest = 0;
  let received = 0;
  let expectedBefore = 0;
  let receivedBefore = 0;
  let jitter = 0;
  let transit: number | null = null;
  let report: { readonly ntpMiddle: number; readonly atMs: number } | null = null;

  return {
    packet({ index, timestamp }, nowMs) {
      first ??= index;
      newest = Math.max(newest, index);
      received += 1;
      const arrival = Math.round((nowMs * clockRateHz) / 1_000);
      const now = (arrival - timestamp) | 0;
      if (transit !== null) jitter += (Math.abs((now - transit) | 0) - jitter) / 16;
      transit = now;
    },
    senderReport(ntpMiddle, nowMs) {
      report = { ntpMiddle, atMs: nowMs };
    },
    takeReport(nowMs) {
      const expected = first === null ? 0 : newest - first + 1;
      const expectedNow = expected - expectedBefore;
      const lostNow = Math.max(0, expectedNow - (received - receivedBefore));
      expectedBefore = expected;
      receivedBefore = received;
      return new RtcpReceiverInfo({
        ssrc,
        fractionLost: expectedNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow)),
        packetsLost: Math.min(MAX_LOST, Math.max(0, expected - received)),
        highestSequence: newest % 2 ** 32,
        jitter: Math.min(2 ** 32 - 1, Math.floor(jitter)),
        lsr: report?.ntpMiddle ?? 0,
        dlsr: report === null ? 0 : Math.min(2 ** 32 - 1, Math.round(((nowMs - report.atMs) * 65_536) / 1_000)),
      });
    },
  };
}

/** What concerns a receiver in a compound RTCP packet: sender reports and goodbyes. Stops at the first packet out of its bounds. */
export function readRtcp(compound: Buffer): readonly ({ readonly kind: "sender-report"; readonly ssrc: number; readonly ntpMiddle: number } | { readonly kind: "goodbye"; readonly ssrc: number })[] {
  const found: ({ kind: "sender-report"; ssrc: number; ntpMiddle: number } | { kind: "goodbye"; ssrc: number })[] = [];
  for (let offset = 0; offset + 8 <= compound.length; ) {
    const end = offset + 4 + compound.readUInt16BE(offset + 2) * 4;
    if (end > compound.length || compound.readUInt8(offset) >> 6 !== 2) break;
    const type = compound.readUInt8(offset + 1);
    if (type === 200 && end - offset >= 28) found.push({ kind: "sender-report", ssrc: compound.readUInt32BE(offset + 4), ntpMiddle: compound.readUInt32BE(offset + 10) });
    if (type === 203 && end - offset >= 8) found.push({ kind: "goodbye", ssrc: compound.readUInt32BE(offset + 4) });
    offset = end;
  }
  return found;
}
