/** One WHIP session, from the answered offer to its end: ICE addresses, DTLS, its publication, its deadlines. Owned by the WHIP server. */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { TruecastError } from "../../../pipelines/errors.ts";
import type { IngestLimits } from "../limits.ts";
import type { DatagramDrop } from "../messages.ts";
import type { MediaPacket, Publication } from "../publication.ts";
import type { PublisherEnd, PublisherRegister, PublisherSource } from "../publisher-register.ts";
import type { KnownStream } from "../stream-keys.ts";
import type { DtlsCertificate } from "./dtls-certificate.ts";
import { isDtls } from "./dtls-records.ts";
import { flvPayloads } from "./flv-payload.ts";
import type { VideoFrame } from "./frame-parts.ts";
import type { MediaPeer, MediaSocket } from "./media-socket.ts";
import { readRtcp } from "./reception.ts";
import { isMedia, isRtcp } from "./rtp-packet.ts";
import type { IceCredentials } from "./sdp-lines.ts";
import type { WhipOffer } from "./sdp-offer.ts";
import { createSecureTransport } from "./secure-transport.ts";
import type { SrtpReceiver } from "./srtp-receiver.ts";
import type { Remote } from "./stun.ts";
import { createVideoReceiver } from "./video-receiver.ts";

export type WhipSessionState =
  /** Answered; ICE and DTLS are under way. Gives way to a newcomer with the same key. */
  | { readonly kind: "connecting" }
  | { readonly kind: "publishing"; readonly publication: Publication; readonly srtp: SrtpReceiver }
  | { readonly kind: "closed" };

export interface WhipSessionOptions {
  readonly stream: KnownStream;
  readonly offer: WhipOffer;
  /** Address of the HTTP client, without port. */
  readonly remote: string;
  readonly maxBitrateKbps: number;
  readonly certificate: DtlsCertificate;
  readonly socket: MediaSocket;
  readonly register: PublisherRegister;
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Called once. */
  readonly onClosed: (session: WhipSession) => void;
}

export interface WhipSession extends PublisherSource {
  /** Unguessable; names the session in its URL. */
  readonly id: string;
  readonly stream: KnownStream;
  readonly offer: WhipOffer;
  readonly state: WhipSessionState;
  /** Of this end, in force for the newest ICE session. */
  readonly ice: IceCredentials;
  /** Of the client. */
  readonly remoteIce: IceCredentials;
  /** Strong entity-tag of the ICE session, with its quotes. */
  readonly etag: string;
  readonly lostPackets: number;
  /** New credentials; the client's media go on over the proven addresses meanwhile (RFC 9725, 4.3.3). */
  restartIce(remoteIce: IceCredentials): void;
  /** Every few milliseconds. */
  pulse(): void;
  /** Enforces the deadlines. */
  tick(): void;
  /** The client's own wish. */
  leave(message: string): void;
}

export function startWhipSession(options: WhipSessionOptions): WhipSession {
  const { stream, offer, socket, register, limits, clock } = options;
  const startedMs = clock();
  const payloadTypes = new Set([offer.video.payloadType, ...(offer.audioPayloadType === null ? [] : [offer.audioPayloadType])]);
  let state: WhipSessionState = { kind: "connecting" };
  let ice = newIceCredentials();
  let remoteIce = offer.ice;
  let etag = newEtag();
  /** Still answered until the client uses the new one: it may not have heard of it. */
  let earlierUfrag: string | null = null;
  /** Proven by a check, oldest first. */
  const addresses = new Map<string, Remote>();
  let selected: Remote | null = null;
  let lastAuthenticMs = startedMs;
  let bytesIn = 0;
  let secondStartMs = startedMs;
  let datagramsThisSecond = 0;

  const finish = (end: PublisherEnd): void => {
    if (state.kind === "closed") return;
    const { kind } = state;
    const publication = state.kind === "publishing" ? state.publication : null;
    state = { kind: "closed" };
    transport.close();
    socket.unregister(ice.ufrag);
    if (earlierUfrag !== null) socket.unregister(earlierUfrag);
    for (const remote of addresses.values()) socket.unbind(remote, peer);
    addresses.clear();
    if (publication !== null) register.ended(publication, end);
    else if (kind === "connecting" && end.code !== "closed") register.refused(end.code, end.message, options.remote);
    options.onClosed(session);
  };

  const send = (bytes: Buffer): void => {
    if (selected !== null) socket.send(bytes, selected);
  };

  const transport = createSecureTransport({
    certificate: options.certificate,
    fingerprints: offer.fingerprints,
    maxHandshakeBytes: limits.whipMaxHandshakeBytes,
    maxHandshakeDatagrams: limits.whipMaxHandshakeDatagrams,
    send,
    onSecured(srtp) {
      try {
        const publication = register.admit(session, stream, { onKeyframeWanted: () => video.wantKeyframe() });
        state = { kind: "publishing", publication, srtp };
        lastAuthenticMs = clock();
        register.begun(session, publication, "whip");
      } catch (error) {
        if (!(error instanceof TruecastError)) throw error;
        finish(error);
      }
    },
    onEnd: ({ closedByPeer, message }) => finish({ code: closedByPeer ? "closed" : "protocol-violation", message }),
  });

  const video = createVideoReceiver({
    codec: offer.video.codec,
    ssrc: randomInt(1, 2 ** 32 - 1),
    maxBitrateKbps: options.maxBitrateKbps,
    limits,
    onFrame: takeFrame,
    sendRtcp(packet) {
      if (state.kind === "publishing") send(state.srtp.encryptRtcp(packet));
    },
  });

  /** The client's packets drive everything in here, so whatever is thrown ends this client and nobody else. */
  function guarded(act: () => DatagramDrop | null): DatagramDrop | null {
    try {
      return act();
    } catch (error) {
      finish(error instanceof TruecastError ? error : { code: "protocol-violation", message: `The publisher's packets cannot be read (${error instanceof Error ? error.name : typeof error}).` });
      return null;
    }
  }

  function takeFrame(frame: VideoFrame, timestampMs: number): void {
    const payloads = flvPayloads(frame);
    if (payloads.header !== null) publish(9, payloads.header, timestampMs);
    publish(9, payloads.frame, timestampMs);
  }

  function publish(codecType: 8 | 9, data: Buffer, timestampMs: number): void {
    if (state.kind !== "publishing") return;
    const dts = timestampMs % 2 ** 32;
    const packet: MediaPacket = { codec_type: codecType, dts, pts: dts, size: data.length, data };
    state.publication.packet(packet);
  }

  function receiveMedia(datagram: Buffer): DatagramDrop | null {
    if (state.kind !== "publishing") return "handshake";
    const nowMs = clock();
    if (isRtcp(datagram)) {
      const compound = state.srtp.readRtcp(datagram);
      if (compound === null) return "not-authentic";
      lastAuthenticMs = nowMs;
      for (const report of readRtcp(compound)) if (report.kind === "sender-report") video.senderReport(report.ssrc, report.ntpMiddle, nowMs);
      return null;
    }
    const reading = state.srtp.readRtp(datagram, payloadTypes);
    if (reading.kind === "dropped") return reading.reason;
    lastAuthenticMs = nowMs;
    bytesIn += datagram.length;
    if (reading.packet.payloadType === offer.video.payloadType) return video.packet(reading.packet, nowMs) ? null : "second-source";
    // Nothing listens to it; that it comes is a sign of life.
    publish(8, EMPTY, 0);
    return null;
  }

  const peer: MediaPeer = {
    checked(remote, { ufrag, nominates }) {
      if (state.kind === "closed") return;
      lastAuthenticMs = clock();
      if (ufrag === ice.ufrag && earlierUfrag !== null) {
        socket.unregister(earlierUfrag);
        earlierUfrag = null;
      }
      const key = `${remote.address} ${remote.port}`;
      if (!addresses.has(key)) {
        socket.bind(remote, peer);
        addresses.set(key, remote);
        const [oldest] = [...addresses].filter(([, other]) => other !== selected);
        if (addresses.size > limits.whipMaxAddresses && oldest !== undefined) {
          addresses.delete(oldest[0]);
          socket.unbind(oldest[1], peer);
        }
      }
      if (nominates || selected === null) selected = addresses.get(key) ?? remote;
    },
    datagram(bytes) {
      if (state.kind === "closed") return "unknown-peer";
      const nowMs = clock();
      if (nowMs - secondStartMs >= 1_000) {
        secondStartMs = nowMs;
        datagramsThisSecond = 0;
      }
      datagramsThisSecond += 1;
      if (datagramsThisSecond > limits.whipMaxDatagramsPerSecond) {
        finish({ code: "protocol-violation", message: "The publisher sends too many packets." });
        return null;
      }
      return guarded(() => {
        if (isDtls(bytes)) return transport.receive(bytes) ? null : "handshake";
        return isMedia(bytes) ? receiveMedia(bytes) : "malformed";
      });
    },
  };
  socket.register(ice, peer);

  const session: WhipSession = {
    id: randomBytes(18).toString("base64url"),
    sessionId: randomUUID(),
    stream,
    offer,
    remote: options.remote,
    get state() {
      return state;
    },
    get bytesIn() {
      return bytesIn;
    },
    get ice() {
      return ice;
    },
    get remoteIce() {
      return remoteIce;
    },
    get etag() {
      return etag;
    },
    get lostPackets() {
      return video.lostPackets;
    },
    restartIce(credentials) {
      // Of two restarts in a row the client knows the first answer or the second, not the session before.
      if (earlierUfrag !== null) socket.unregister(earlierUfrag);
      earlierUfrag = ice.ufrag;
      ice = newIceCredentials();
      remoteIce = credentials;
      etag = newEtag();
      socket.register(ice, peer);
    },
    pulse() {
      guarded(() => {
        if (state.kind === "publishing") video.pulse(clock());
        return null;
      });
    },
    tick() {
      const nowMs = clock();
      if (state.kind === "connecting" && nowMs - startedMs >= limits.whipConnectTimeoutMs) {
        finish({ code: "peer-lost", message: "The publisher did not connect in time: its packets do not arrive, or its handshake failed." });
      } else if (state.kind === "publishing") {
        if (nowMs - lastAuthenticMs >= limits.whipSilenceMs) finish({ code: "peer-lost", message: "The publisher no longer answers." });
        else if (state.publication.tick()) finish({ code: "publisher-stalled", message: "The publisher sent no media for too long." });
      }
    },
    end: (code, message) => finish({ code, message }),
    leave: (message) => finish({ code: "closed", message }),
  };
  return session;
}

const EMPTY = Buffer.alloc(0);

function newIceCredentials(): IceCredentials {
  return { ufrag: iceCharacters(6), password: iceCharacters(24) };
}

/** @param bytes A multiple of three, so that base64 pads nothing: its alphabet is that of RFC 8839's ice-char. */
function iceCharacters(bytes: number): string {
  return randomBytes(bytes).toString("base64");
}

function newEtag(): string {
  return `"${randomBytes(9).toString("base64url")}"`;
}
