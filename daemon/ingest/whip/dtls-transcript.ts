/**
 * What werift's DTLS server takes on trust, checked after its handshake: that the client holds the key of its certificate
 * (CertificateVerify, RFC 5246, 7.4.8) and that both saw the same handshake (Finished, 7.4.9). Pure.
 */
import { X509Certificate, createHash, createHmac, timingSafeEqual, verify } from "node:crypto";
import type { DtlsServer } from "werift";
import type { Fingerprint } from "./sdp-offer.ts";

const CERTIFICATE_VERIFY = 15;
const FINISHED = 20;
const VERIFY_DATA_BYTES = 12;
/** Hash algorithms of TLS 1.2. */
const HASHES: Readonly<Record<number, string>> = { 2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512" };

export type PeerProof = "proven" | "wrong-certificate" | "wrong-signature" | "wrong-handshake";

/** To be called once the server says that it is connected. */
export function provePeer(server: DtlsServer, fingerprints: readonly Fingerprint[]): PeerProof {
  const certificate = server.remoteCertificate;
  if (certificate === undefined) return "wrong-certificate";
  const matches = fingerprints.some(({ hash, digest }) => timingSafeEqual(createHash(hash).update(certificate).digest(), digest));
  if (!matches) return "wrong-certificate";

  const messages = server.dtls.sortedHandshakeCache;
  const upTo = (type: number): Buffer | null => {
    const end = messages.findIndex(({ msg_type }) => msg_type === type);
    return end === -1 ? null : Buffer.concat(messages.slice(0, end).map((message) => message.serialize()));
  };
  const bodyOf = (type: number): Buffer => messages.find(({ msg_type }) => msg_type === type)?.fragment ?? Buffer.alloc(0);

  const signed = upTo(CERTIFICATE_VERIFY);
  const proof = bodyOf(CERTIFICATE_VERIFY);
  const hash = HASHES[proof[0] ?? 0];
  if (signed === null || hash === undefined || proof.length < 5) return "wrong-signature";
  const { publicKey } = new X509Certificate(certificate);
  if (!verify(hash, signed, publicKey, proof.subarray(4, 4 + proof.readUInt16BE(2)))) return "wrong-signature";

  const seen = upTo(FINISHED);
  const finished = bodyOf(FINISHED);
  if (seen === null || finished.length !== VERIFY_DATA_BYTES) return "wrong-handshake";
  const seed = Buffer.concat([Buffer.from("client finished"), createHash("sha256").update(seen).digest()]);
  return timingSafeEqual(expand(server.cipher.masterSecret, seed, VERIFY_DATA_BYTES), finished) ? "proven" : "wrong-handshake";
}

/** P_SHA256 (RFC 5246, 5). */
function expand(secret: Buffer, seed: Buffer, length: number): Buffer {
  const keyed = (bytes: Buffer) => createHmac("sha256", secret).update(bytes).digest();
  let chain = seed;
  const output: Buffer[] = [];
  for (let bytes = 0; bytes < length; bytes += 32) {
    chain = keyed(chain);
    output.push(keyed(Buffer.concat([chain, seed])));
  }
  return Buffer.concat(output).subarray(0, length);
}
