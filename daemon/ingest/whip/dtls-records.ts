/**
 * Which DTLS datagrams may reach werift (RFC 6347, 4.1 and 4.2). Its server buffers fragments without a bound, allocates what a
 * handshake header declares, begins anew at any ClientHello, and takes alerts that nobody signed. Pure.
 */

export interface RecordLimits {
  readonly maxHandshakeBytes: number;
}

const RECORD_HEADER_BYTES = 13;
const HANDSHAKE_HEADER_BYTES = 12;
const CHANGE_CIPHER_SPEC = 20;
const ALERT = 21;
const HANDSHAKE = 22;
/** Explicit nonce, level and description, tag: an alert under AES-GCM. */
const SEALED_ALERT_BYTES = 8 + 2 + 16;

/** First byte of DTLS (RFC 7983). */
export function isDtls(datagram: Buffer): boolean {
  const first = datagram[0] ?? 0;
  return first >= 20 && first < 64;
}

/** @param secured The handshake is through: only what is sealed with its keys is of any interest. */
export function acceptsRecords(datagram: Buffer, secured: boolean, { maxHandshakeBytes }: RecordLimits): boolean {
  let offset = 0;
  while (offset < datagram.length) {
    if (offset + RECORD_HEADER_BYTES > datagram.length) return false;
    const type = datagram.readUInt8(offset);
    const epoch = datagram.readUInt16BE(offset + 3);
    const length = datagram.readUInt16BE(offset + 11);
    const start = offset + RECORD_HEADER_BYTES;
    if (length === 0 || start + length > datagram.length || epoch > 1) return false;
    const body = datagram.subarray(start, start + length);
    if (epoch === 0 ? secured || !acceptsPlain(type, body, maxHandshakeBytes) : !acceptsSealed(type, body)) return false;
    offset = start + length;
  }
  return offset > 0;
}

function acceptsPlain(type: number, body: Buffer, maxHandshakeBytes: number): boolean {
  if (type === CHANGE_CIPHER_SPEC) return true;
  if (type !== HANDSHAKE) return false;
  let offset = 0;
  while (offset < body.length) {
    if (offset + HANDSHAKE_HEADER_BYTES > body.length) return false;
    const length = body.readUIntBE(offset + 1, 3);
    const fragmentOffset = body.readUIntBE(offset + 6, 3);
    const fragmentLength = body.readUIntBE(offset + 9, 3);
    if (length > maxHandshakeBytes || fragmentOffset + fragmentLength > length) return false;
    offset += HANDSHAKE_HEADER_BYTES + fragmentLength;
  }
  return offset === body.length;
}

function acceptsSealed(type: number, body: Buffer): boolean {
  if (type === HANDSHAKE) return true;
  // werift reads the first two bytes as an alert in clear when they look like one. Those of a true nonce are the epoch.
  return type === ALERT && body.length === SEALED_ALERT_BYTES && body.readUInt16BE(0) === 1;
}
