/**
 * SRTP and SRTCP of one peer (RFC 3711, RFC 7714) on werift's ciphers, with the packet index and the replay window kept here:
 * werift's own index is lost for good when the packets around a wrap of the sequence number are, and it takes a packet twice.
 */
import { RtpHeader, type SrtpProfile, SrtcpSession, SrtpSession, keyLength, saltLength, type DtlsServer } from "werift";
import { type RtpPacket, nearestIndex, readRtpHeader } from "./rtp-packet.ts";

export type RtpReading = { readonly kind: "packet"; readonly packet: RtpPacket } | { readonly kind: "dropped"; readonly reason: "malformed" | "unknown-payload" | "replayed" | "not-authentic" };

export interface SrtpReceiver {
  /** @param payloadTypes Those that were negotiated; nothing else is deciphered. */
  readRtp(datagram: Buffer, payloadTypes: ReadonlySet<number>): RtpReading;
  /** The compound packet in clear; null when it is not authentic. */
  readRtcp(datagram: Buffer): Buffer | null;
  encryptRtcp(packet: Buffer): Buffer;
}

interface Source {
  newest: number;
  /** Bit n: the packet n before the newest was taken. */
  taken: bigint;
}

const REPLAY_WINDOW = 1_024;
const WINDOW_MASK = (1n << BigInt(REPLAY_WINDOW)) - 1n;
/** A publisher has one source for each of its two tracks; more come with restarted encoders. */
const MAX_SOURCES = 8;
const MIN_SRTCP_BYTES = 8 + 4 + 10;

export function createSrtpReceiver(dtls: DtlsServer, profile: SrtpProfile): SrtpReceiver {
  const keys = dtls.extractSessionKeys(keyLength(profile), saltLength(profile)) as { localKey: Buffer; localSalt: Buffer; remoteKey: Buffer; remoteSalt: Buffer };
  const config = { profile, keys: { localMasterKey: keys.localKey, localMasterSalt: keys.localSalt, remoteMasterKey: keys.remoteKey, remoteMasterSalt: keys.remoteSalt } };
  const rtp = new SrtpSession(config);
  const rtcp = new SrtcpSession(config);
  const sources = new Map<number, Source>();

  return {
    readRtp(datagram, payloadTypes) {
      const fields = readRtpHeader(datagram);
      if (fields === null) return { kind: "dropped", reason: "malformed" };
      const { ssrc, sequence, padding, payloadOffset, payloadType } = fields;
      if (!payloadTypes.has(payloadType)) return { kind: "dropped", reason: "unknown-payload" };
      const source = sources.get(ssrc);
      const index = source === undefined ? sequence : nearestIndex(source.newest, sequence);
      if (source !== undefined) {
        const behind = source.newest - index;
        if (behind >= REPLAY_WINDOW || (behind >= 0 && ((source.taken >> BigInt(behind)) & 1n) === 1n)) return { kind: "dropped", reason: "replayed" };
      }
      let plain: Buffer;
      try {
        const header = new RtpHeader({ ssrc, sequenceNumber: sequence, payloadOffset });
        [plain] = rtp.remoteContext.cipher.decryptRtp(datagram, Math.floor(index / 0x10000), header);
      } catch {
        return { kind: "dropped", reason: "not-authentic" }; // The cipher says no other way that a tag does not match.
      }
      if (source === undefined) {
        if (sources.size >= MAX_SOURCES) sources.delete(sources.keys().next().value ?? 0);
        sources.set(ssrc, { newest: index, taken: 1n });
      } else if (index > source.newest) {
        source.taken = index - source.newest >= REPLAY_WINDOW ? 1n : ((source.taken << BigInt(index - source.newest)) | 1n) & WINDOW_MASK;
        source.newest = index;
      } else {
        source.taken |= 1n << BigInt(source.newest - index);
      }
      const paddingBytes = padding ? (plain.at(-1) ?? 0) : 0;
      if (payloadOffset + paddingBytes > plain.length) return { kind: "dropped", reason: "malformed" };
      const { marker, timestamp } = fields;
      return { kind: "packet", packet: { payloadType, marker, index, timestamp, ssrc, payload: plain.subarray(payloadOffset, plain.length - paddingBytes) } };
    },
    readRtcp(datagram) {
      if (datagram.length < MIN_SRTCP_BYTES) return null;
      try {
        return rtcp.decrypt(datagram);
      } catch {
        return null; // As above.
      }
    },
    encryptRtcp: (packet) => rtcp.encrypt(packet),
  };
}
