/** The header of an RTP packet (RFC 3550, 5.1), read with every length checked before anything follows it. Pure. */

export interface RtpHeaderFields {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly padding: boolean;
  /** 16 bits. */
  readonly sequence: number;
  /** 32 bits, in the clock of the payload. */
  readonly timestamp: number;
  readonly ssrc: number;
  readonly payloadOffset: number;
}

export interface RtpPacket {
  readonly payloadType: number;
  readonly marker: boolean;
  /** Continued over the wraps of the 16 bits. */
  readonly index: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly payload: Buffer;
}

const FIXED_BYTES = 12;

/** First byte of RTP and RTCP (RFC 7983). */
export function isMedia(datagram: Buffer): boolean {
  const first = datagram[0] ?? 0;
  return first >= 128 && first < 192;
}

/** RTCP among media, by its packet types (RFC 5761, 4). */
export function isRtcp(datagram: Buffer): boolean {
  const type = datagram[1] ?? 0;
  return type >= 192 && type <= 223;
}

/** Null for what is shorter than it says. */
export function readRtpHeader(datagram: Buffer): RtpHeaderFields | null {
  if (datagram.length < FIXED_BYTES) return null;
  const first = datagram.readUInt8(0);
  const second = datagram.readUInt8(1);
  if (first >> 6 !== 2) return null;
  let payloadOffset = FIXED_BYTES + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) {
    if (payloadOffset + 4 > datagram.length) return null;
    payloadOffset += 4 + datagram.readUInt16BE(payloadOffset + 2) * 4;
  }
  if (payloadOffset > datagram.length) return null;
  return {
    payloadType: second & 0x7f,
    marker: (second & 0x80) !== 0,
    padding: (first & 0x20) !== 0,
    sequence: datagram.readUInt16BE(2),
    timestamp: datagram.readUInt32BE(4),
    ssrc: datagram.readUInt32BE(8),
    payloadOffset,
  };
}

/** The index nearest to the newest one whose low 16 bits are `sequence` (RFC 3711, 3.3.1). Never negative. */
export function nearestIndex(newest: number, sequence: number): number {
  const step = ((sequence - (newest & 0xffff) + 0x8000) & 0xffff) - 0x8000;
  const index = newest + step;
  return index < 0 ? index + 0x10000 : index;
}
