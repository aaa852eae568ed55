/** A WHIP publisher without a browser, on werift's DTLS client: it can be made to misbehave at every layer. */
import { X509Certificate } from "node:crypto";
import { type Socket, createSocket } from "node:dgram";
import { once } from "node:events";
import { CipherContext, DtlsClient, HashAlgorithm, NamedCurveAlgorithm, RtpHeader, SignatureAlgorithm, SrtcpSession, SrtpSession, keyLength, saltLength } from "werift";
import { AUDIO, CLIENT_UFRAG, FINGERPRINT, H264_VIDEO, SESSION, VIDEO, makeOffer, whipClient } from "./offer.ts";
import { bindingRequest } from "./stun-client.ts";

export interface WhipPeerOptions {
  readonly port: number;
  readonly stream: string;
  readonly key: string;
  /** Default vp8, with H.264 as a second choice; h264 offers nothing else, and no sound. */
  readonly codec?: "vp8" | "h264";
  /** Offers the fingerprint of another certificate than it uses. */
  readonly wrongFingerprint?: boolean;
  /** What is sent in place of each datagram of the DTLS handshake. The client hears no answer to what was changed: werift's cannot bear it. */
  readonly tamper?: (datagram: Buffer) => readonly Buffer[];
}

export interface WhipPeer extends AsyncDisposable {
  readonly sessionPath: string;
  /** The server's UDP port. */
  readonly udpPort: number;
  /** With which its ICE checks are signed. */
  readonly ice: { readonly username: string; readonly password: string };
  /** Datagrams that came from the server, without those of ICE and DTLS. */
  readonly received: readonly Buffer[];
  /** Resolves once DTLS is through; rejects when it cannot be. */
  secure(): Promise<void>;
  /** Something that begins like a frame of VP8, in one packet. */
  sendFrame(keyframe: boolean): void;
  /** A true frame of VP8, a thirtieth of a second after the one before. */
  sendVp8(frame: Buffer): void;
  sendRtp(fields: { readonly payload: Buffer; readonly payloadType?: number; readonly sequence?: number; readonly timestamp?: number; readonly ssrc?: number; readonly marker?: boolean }): Buffer;
  /** Signs what it is given, whatever it is, as one packet with this header. */
  sendRtpBytes(header: Buffer, payload: Buffer): void;
  sendRtcp(packet: Buffer): void;
  sendRaw(datagram: Buffer): void;
  check(): void;
  /** Whether the server answers a check within the time: then it has read all that was sent before. */
  answers(timeoutMs: number): Promise<boolean>;
  /** A report that the server sent, in clear. */
  decryptRtcp(datagram: Buffer): Buffer;
}

const VP8_PAYLOAD_TYPE = 96;
const H264_PAYLOAD_TYPE = 102;
const SSRC = 0x11223344;
/** Of a DTLS record, and of the handshake message in it (RFC 6347, 4). */
const HANDSHAKE = 22;
const HANDSHAKE_TYPE_AT = 13;
const HELLO_VERIFY_REQUEST = 3;
const PROFILE = 7;
const MAX_PAYLOAD_BYTES = 1_100;

export async function startWhipPeer({ port, stream, key, codec = "vp8", wrongFingerprint = false, tamper = (datagram) => [datagram] }: WhipPeerOptions): Promise<WhipPeer> {
  const certificate = await CipherContext.createSelfSignedCertificateWithKey({ signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 }, NamedCurveAlgorithm.secp256r1_23);
  const fingerprint = wrongFingerprint ? FINGERPRINT : new X509Certificate(certificate.certPem).fingerprint256;
  const own = (lines: readonly string[]) => lines.map((line) => line.replace(FINGERPRINT, fingerprint));
  const response = await whipClient(port, key)({ method: "POST", path: `/whip/${stream}`, headers: { "content-type": "application/sdp" }, body: codec === "h264" ? makeOffer({ session: [...SESSION, "a=group:BUNDLE 1"], audio: null, video: own(H264_VIDEO) }) : makeOffer({ audio: own(AUDIO), video: own(VIDEO) }) });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${answer}`);
  const attribute = (name: string) => new RegExp(`a=${name}:(.*)\\r\\n`).exec(answer)?.[1] ?? "";
  const [, , , , address = "", udpPort = "0"] = attribute("candidate").split(" ");

  const socket: Socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  let closing = false;
  const sendRaw = (datagram: Buffer) => {
    // werift goes on repeating its handshake.
    if (!closing) socket.send(datagram, Number(udpPort), address);
  };
  const ice = { username: `${attribute("ice-ufrag")}:${CLIENT_UFRAG}`, password: attribute("ice-pwd") };
  const check = () => sendRaw(bindingRequest(ice));
  const received: Buffer[] = [];
  const proven = Promise.withResolvers<void>();
  const awaitingAnswer = new Set<() => void>();
  let deaf = false;
  const sendTampered = (datagram: Buffer) => {
    const sent = tamper(datagram);
    deaf ||= sent.length !== 1 || sent[0] !== datagram;
    sent.forEach(sendRaw);
  };
  const transport = { type: "udp", address: { address: "", family: "IPv4", port: 0 }, closed: false, onData: (_bytes: Buffer): void => {}, send: async (bytes: Buffer) => sendTampered(bytes), close: async () => {} };
  let verifyAsked = false;
  const takeHandshake = (bytes: Buffer): void => {
    // A slow client asks twice and is answered twice; werift's throws at the second HelloVerifyRequest.
    const isVerifyRequest = bytes[0] === HANDSHAKE && bytes[HANDSHAKE_TYPE_AT] === HELLO_VERIFY_REQUEST;
    if (deaf || (isVerifyRequest && verifyAsked)) return;
    verifyAsked ||= isVerifyRequest;
    transport.onData(bytes);
  };
  socket.on("message", (bytes) => {
    const first = bytes[0] ?? 0;
    if (first < 4) {
      proven.resolve();
      for (const answered of awaitingAnswer) answered();
    } else if (first < 64) takeHandshake(bytes);
    else received.push(bytes);
  });
  const dtls = new DtlsClient({ cert: certificate.certPem, key: certificate.keyPem, signatureHash: certificate.signatureHash, transport, srtpProfiles: [PROFILE], extendedMasterSecret: true });
  let srtp: { rtp: SrtpSession; rtcp: SrtcpSession } | null = null;
  let sequence = 100;
  let timestamp = 0xffff_0000;
  const checks = setInterval(check, 1_000);

  const peer: WhipPeer = {
    sessionPath: response.headers.get("location") ?? "",
    udpPort: Number(udpPort),
    ice,
    received,
    async secure() {
      check();
      await proven.promise;
      const connected = Promise.withResolvers<void>();
      dtls.onConnect.subscribe(() => connected.resolve());
      dtls.onError.subscribe((error: Error) => connected.reject(error));
      dtls.connect().catch(connected.reject);
      await connected.promise;
      const keys = dtls.extractSessionKeys(keyLength(PROFILE), saltLength(PROFILE)) as { localKey: Buffer; localSalt: Buffer; remoteKey: Buffer; remoteSalt: Buffer };
      const config = { profile: PROFILE, keys: { localMasterKey: keys.localKey, localMasterSalt: keys.localSalt, remoteMasterKey: keys.remoteKey, remoteMasterSalt: keys.remoteSalt } } as const;
      srtp = { rtp: new SrtpSession(config), rtcp: new SrtcpSession(config) };
    },
    sendFrame(keyframe) {
      timestamp = (timestamp + 3_000) >>> 0;
      const frame = Buffer.from(keyframe ? "3002009d012a4001b40055" : "31020055", "hex");
      peer.sendRtp({ payload: Buffer.concat([Buffer.from([0x10]), frame]), timestamp, marker: true });
    },
    sendVp8(frame) {
      timestamp = (timestamp + 3_000) >>> 0;
      for (let offset = 0; offset < frame.length; offset += MAX_PAYLOAD_BYTES) {
        const end = Math.min(frame.length, offset + MAX_PAYLOAD_BYTES);
        peer.sendRtp({ payload: Buffer.concat([Buffer.from([offset === 0 ? 0x10 : 0]), frame.subarray(offset, end)]), timestamp, marker: end === frame.length });
      }
    },
    sendRtp({ payload, payloadType = codec === "h264" ? H264_PAYLOAD_TYPE : VP8_PAYLOAD_TYPE, sequence: given, timestamp: stamp = timestamp, ssrc = SSRC, marker = false }) {
      if (srtp === null) throw new Error("not secured");
      if (given === undefined) sequence = (sequence + 1) & 0xffff;
      const header = new RtpHeader({ version: 2, payloadType, sequenceNumber: given ?? sequence, timestamp: stamp, ssrc, marker });
      const datagram = srtp.rtp.encrypt(payload, header);
      sendRaw(datagram);
      return datagram;
    },
    sendRtpBytes(header, payload) {
      if (srtp === null) throw new Error("not secured");
      // The cipher reads these three, and takes the rest of the header as it is.
      const sent = { ssrc: header.readUInt32BE(8), sequenceNumber: header.readUInt16BE(2), serializeSize: header.length, serialize: () => header };
      sendRaw(srtp.rtp.encrypt(payload, sent as unknown as RtpHeader));
    },
    sendRtcp(packet) {
      if (srtp !== null) sendRaw(srtp.rtcp.encrypt(packet));
    },
    sendRaw,
    check,
    async answers(timeoutMs) {
      const answered = Promise.withResolvers<boolean>();
      const resolve = () => answered.resolve(true);
      awaitingAnswer.add(resolve);
      const timer = setTimeout(() => answered.resolve(false), timeoutMs);
      check();
      const outcome = await answered.promise;
      clearTimeout(timer);
      awaitingAnswer.delete(resolve);
      return outcome;
    },
    decryptRtcp(datagram) {
      if (srtp === null) throw new Error("not secured");
      return srtp.rtcp.decrypt(datagram);
    },
    async [Symbol.asyncDispose]() {
      closing = true;
      clearInterval(checks);
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
  return peer;
}
