/** DTLS handshake and SRTP keys of one peer, on werift's DTLS server; owned by its session. No datagram makes it throw. */
import { DtlsServer, ProtectionProfileAeadAes128Gcm, ProtectionProfileAes128CmHmacSha1_80 } from "werift";
import type { DtlsCertificate } from "./dtls-certificate.ts";
import { acceptsRecords } from "./dtls-records.ts";
import { provePeer } from "./dtls-transcript.ts";
import type { Fingerprint } from "./sdp-offer.ts";
import { type SrtpReceiver, createSrtpReceiver } from "./srtp-receiver.ts";

export type SecureState = { readonly kind: "handshaking" } | { readonly kind: "secured"; readonly srtp: SrtpReceiver } | { readonly kind: "closed" };

export interface SecureTransportOptions {
  readonly certificate: DtlsCertificate;
  /** Of the client, from its offer. */
  readonly fingerprints: readonly Fingerprint[];
  readonly maxHandshakeBytes: number;
  readonly maxHandshakeDatagrams: number;
  readonly send: (datagram: Buffer) => void;
  readonly onSecured: (srtp: SrtpReceiver) => void;
  /** The client closed the association, or it cannot be. Called at most once, not after `close`. */
  readonly onEnd: (end: { readonly closedByPeer: boolean; readonly message: string }) => void;
}

export interface SecureTransport {
  readonly state: SecureState;
  /** Returns false for what was dropped. */
  receive(datagram: Buffer): boolean;
  close(): void;
}

export function createSecureTransport(options: SecureTransportOptions): SecureTransport {
  const { certificate, fingerprints } = options;
  let state: SecureState = { kind: "handshaking" };
  let datagrams = 0;

  const transport = {
    type: "udp",
    address: { address: "", family: "IPv4", port: 0 },
    closed: false,
    onData: (_datagram: Buffer): void => {},
    // werift does not await it everywhere, so it must never reject.
    send: async (datagram: Buffer): Promise<void> => {
      if (state.kind !== "closed") options.send(datagram);
    },
    close: async (): Promise<void> => {},
  };
  const server = new DtlsServer({
    cert: certificate.certPem,
    key: certificate.keyPem,
    signatureHash: certificate.signatureHash,
    transport,
    srtpProfiles: [ProtectionProfileAeadAes128Gcm, ProtectionProfileAes128CmHmacSha1_80],
    extendedMasterSecret: true,
    certificateRequest: true,
  });

  const end = (closedByPeer: boolean, message: string): void => {
    if (state.kind === "closed") return;
    state = { kind: "closed" };
    options.onEnd({ closedByPeer, message });
  };

  /** Whatever fails in here fails on the client's bytes, and ends this client alone. */
  const guarded = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      end(false, `The DTLS handshake failed (${error instanceof Error ? error.name : typeof error}).`);
    }
  };

  server.onConnect.subscribe(() =>
    guarded(() => {
      if (state.kind !== "handshaking") return;
      const proof = provePeer(server, fingerprints);
      const profile = server.srtp.srtpProfile;
      if (proof !== "proven") end(false, `The client's DTLS handshake does not hold (${proof}).`);
      else if (profile === undefined) end(false, "The client offers no SRTP profile that is taken here.");
      else {
        const srtp = createSrtpReceiver(server, profile);
        state = { kind: "secured", srtp };
        options.onSecured(srtp);
      }
    }),
  );
  server.onError.subscribe(() => {
    // A retransmission that nobody answered any more ends the same way, after the fact.
    if (state.kind === "handshaking") end(false, "The DTLS handshake failed.");
  });
  server.onClose.subscribe(() => end(true, "The publisher closed its connection."));

  return {
    get state() {
      return state;
    },
    receive(datagram) {
      if (state.kind === "closed") return false;
      datagrams += 1;
      // Afterwards only retransmissions and one alert are due.
      if (datagrams > options.maxHandshakeDatagrams || !acceptsRecords(datagram, state.kind === "secured", options)) return false;
      guarded(() => transport.onData(datagram));
      return true;
    },
    close() {
      state = { kind: "closed" };
    },
  };
}
