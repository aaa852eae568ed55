/** The STUN of an ICE-lite agent (RFC 8489, RFC 8445): binding requests read, verified and answered. Pure; nothing here throws on bytes. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { isIPv6 } from "node:net";
import { crc32 } from "node:zlib";

export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface BindingRequest {
  readonly transactionId: Buffer;
  /** Names the session: the first half of USERNAME. */
  readonly localUfrag: string;
  readonly remoteUfrag: string;
  readonly useCandidate: boolean;
  /** False for a client that takes itself for the controlled side, which a lite agent always is. */
  readonly controlling: boolean;
  /** Offset of MESSAGE-INTEGRITY. */
  readonly integrityOffset: number;
}

const HEADER_BYTES = 20;
const MAGIC_COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const ERROR_CODE = 0x0009;
const XOR_MAPPED_ADDRESS = 0x0020;
const USE_CANDIDATE = 0x0025;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLED = 0x8029;
const FINGERPRINT_XOR = 0x5354554e;
const INTEGRITY_BYTES = 20;
const MAX_ATTRIBUTES = 32;
const MAX_USERNAME_BYTES = 513;

/** STUN, as RFC 7983 tells it from DTLS and RTP on one port. */
export function isStun(datagram: Buffer): boolean {
  return datagram.length >= HEADER_BYTES && (datagram[0] ?? 255) < 4 && datagram.readUInt32BE(4) === MAGIC_COOKIE;
}

/** Null for anything but a whole binding request with USERNAME and MESSAGE-INTEGRITY. */
export function readBindingRequest(datagram: Buffer): BindingRequest | null {
  if (!isStun(datagram) || datagram.readUInt16BE(0) !== BINDING_REQUEST || datagram.readUInt16BE(2) !== datagram.length - HEADER_BYTES) return null;
  let username: string | null = null;
  let useCandidate = false;
  let controlling = true;
  let offset = HEADER_BYTES;
  for (let count = 0; count < MAX_ATTRIBUTES && offset + 4 <= datagram.length; count += 1) {
    const type = datagram.readUInt16BE(offset);
    const length = datagram.readUInt16BE(offset + 2);
    const start = offset + 4;
    if (start + length > datagram.length) return null;
    if (type === USERNAME && length <= MAX_USERNAME_BYTES) username = datagram.toString("latin1", start, start + length);
    else if (type === USE_CANDIDATE) useCandidate = true;
    else if (type === ICE_CONTROLLED) controlling = false;
    else if (type === MESSAGE_INTEGRITY) {
      // What stands behind it is not covered by it, and does not count.
      const [localUfrag, remoteUfrag, ...rest] = username?.split(":") ?? [];
      if (length !== INTEGRITY_BYTES || localUfrag === undefined || remoteUfrag === undefined || rest.length > 0) return null;
      return { transactionId: datagram.subarray(8, HEADER_BYTES), localUfrag, remoteUfrag, useCandidate, controlling, integrityOffset: offset };
    }
    offset = start + Math.ceil(length / 4) * 4;
  }
  return null;
}

/** Whether the request was signed with this session's password. */
export function isSignedWith(password: string, datagram: Buffer, request: BindingRequest): boolean {
  const { integrityOffset } = request;
  const start = integrityOffset + 4;
  return timingSafeEqual(signature(datagram.subarray(0, integrityOffset), password), datagram.subarray(start, start + INTEGRITY_BYTES));
}

export function bindingSuccess({ transactionId }: BindingRequest, remote: Remote, password: string): Buffer {
  const bytes = addressBytes(remote.address);
  const value = Buffer.alloc(4 + bytes.length);
  value.writeUInt8(bytes.length === 4 ? 1 : 2, 1);
  value.writeUInt16BE(remote.port ^ (MAGIC_COOKIE >>> 16), 2);
  const mask = Buffer.alloc(16);
  mask.writeUInt32BE(MAGIC_COOKIE, 0);
  transactionId.copy(mask, 4);
  bytes.forEach((byte, index) => (value[4 + index] = byte ^ (mask[index] ?? 0)));
  return signedMessage(BINDING_SUCCESS, transactionId, [attribute(XOR_MAPPED_ADDRESS, value)], password);
}

/** 487: the client must take the controlling role, for this agent is lite (RFC 8445, 7.3.1.1). */
export function roleConflict({ transactionId }: BindingRequest, password: string): Buffer {
  return signedMessage(BINDING_ERROR, transactionId, [attribute(ERROR_CODE, Buffer.concat([Buffer.from([0, 0, 4, 87]), Buffer.from("Role Conflict")]))], password);
}

function signedMessage(type: number, transactionId: Buffer, attributes: readonly Buffer[], password: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(type, 0);
  header.writeUInt32BE(MAGIC_COOKIE, 4);
  const unsigned = Buffer.concat([header, transactionId, ...attributes]);
  const signed = Buffer.concat([unsigned, attribute(MESSAGE_INTEGRITY, signature(unsigned, password))]);
  signed.writeUInt16BE(signed.length - HEADER_BYTES + 8, 2);
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc32(signed) ^ FINGERPRINT_XOR) >>> 0);
  return Buffer.concat([signed, attribute(FINGERPRINT, check)]);
}

/** Over the message so far, with the length that it has once MESSAGE-INTEGRITY is appended (RFC 8489, 14.5). */
function signature(message: Buffer, password: string): Buffer {
  const covered = Buffer.from(message);
  covered.writeUInt16BE(message.length - HEADER_BYTES + 4 + INTEGRITY_BYTES, 2);
  return createHmac("sha1", password).update(covered).digest();
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** The bytes of an address as the socket gives it; an IPv4 address seen through IPv6 counts as IPv4. */
function addressBytes(address: string): Buffer {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
  if (!isIPv6(plain)) return Buffer.from(plain.split(".").map(Number));
  const [head = "", tail] = plain.split("::");
  const groups = (text: string): number[] => text.split(":").filter((group) => group !== "").map((group) => Number.parseInt(group, 16));
  const front = groups(head);
  const back = groups(tail ?? "");
  const all = tail === undefined ? front : [...front, ...Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => 0), ...back];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}
