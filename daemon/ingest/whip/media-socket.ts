/** The one UDP socket of all WHIP media: answers ICE checks (ICE-lite), and hands the rest to the session whose address was proven by one. */
import { type RemoteInfo, createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { TruecastError } from "../../../pipelines/errors.ts";
import { DATAGRAM_DROPS, type DatagramDrop } from "../messages.ts";
import type { IceCredentials } from "./sdp-lines.ts";
import { type Remote, bindingSuccess, isSignedWith, isStun, readBindingRequest, roleConflict } from "./stun.ts";

export interface MediaPeer {
  /** An ICE check that only the client can have signed came from this address. */
  checked(remote: Remote, check: { readonly ufrag: string; readonly nominates: boolean }): void;
  /** Any other datagram from an address bound to this peer. Returns why it was dropped. */
  datagram(bytes: Buffer): DatagramDrop | null;
}

export interface MediaSocket {
  readonly port: number;
  readonly dropped: Readonly<Record<DatagramDrop, number>>;
  /** Checks for this user name are the peer's. */
  register(ice: IceCredentials, peer: MediaPeer): void;
  unregister(ufrag: string): void;
  bind(remote: Remote, peer: MediaPeer): void;
  unbind(remote: Remote, peer: MediaPeer): void;
  send(bytes: Buffer, remote: Remote): void;
  close(): Promise<void>;
}

/** A burst of keyframes of several publishers must not be lost while the process is busy. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** @throws TruecastError port-in-use, config-invalid */
export async function startMediaSocket({ host, port }: { readonly host: string; readonly port: number }): Promise<MediaSocket> {
  const byUfrag = new Map<string, { readonly password: string; readonly peer: MediaPeer }>();
  const byAddress = new Map<string, MediaPeer>();
  const dropped = Object.fromEntries(DATAGRAM_DROPS.map((reason) => [reason, 0])) as Record<DatagramDrop, number>;
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", recvBufferSize: RECEIVE_BUFFER_BYTES });

  const answerCheck = (bytes: Buffer, remote: Remote): DatagramDrop | null => {
    const request = readBindingRequest(bytes);
    const session = request === null ? undefined : byUfrag.get(request.localUfrag);
    if (request === null || session === undefined || !isSignedWith(session.password, bytes, request)) return "bad-check";
    if (!request.controlling) {
      send(roleConflict(request, session.password), remote);
      return null;
    }
    send(bindingSuccess(request, remote, session.password), remote);
    session.peer.checked(remote, { ufrag: request.localUfrag, nominates: request.useCandidate });
    return null;
  };

  const take = (bytes: Buffer, { address, port: remotePort }: RemoteInfo): void => {
    const remote = { address, port: remotePort };
    const drop = isStun(bytes) ? answerCheck(bytes, remote) : (byAddress.get(addressKey(remote))?.datagram(bytes) ?? (byAddress.has(addressKey(remote)) ? null : "unknown-peer"));
    if (drop !== null) dropped[drop] += 1;
  };

  const send = (bytes: Buffer, remote: Remote): void => {
    // What cannot be sent is lost, as on the way: retransmission and the deadlines see to it.
    socket.send(bytes, remote.port, remote.address, () => {});
  };

  socket.bind({ address: host, port, exclusive: true });
  try {
    await once(socket, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    const where = `${host}:${port}`;
    if (code === "EADDRINUSE") throw new TruecastError("port-in-use", `WHIP cannot use UDP ${where}: another process holds the port.`, { cause: error });
    throw new TruecastError("config-invalid", `WHIP cannot use UDP ${where} (${code}).`, { cause: error });
  }
  socket.on("message", take);
  // A datagram that was refused further on; the peer's silence is what counts.
  socket.on("error", () => {});

  let closing: Promise<void> | null = null;
  return {
    port: socket.address().port,
    dropped,
    register: ({ ufrag, password }, peer) => void byUfrag.set(ufrag, { password, peer }),
    unregister: (ufrag) => void byUfrag.delete(ufrag),
    bind: (remote, peer) => void byAddress.set(addressKey(remote), peer),
    unbind(remote, peer) {
      if (byAddress.get(addressKey(remote)) === peer) byAddress.delete(addressKey(remote));
    },
    send,
    close() {
      closing ??= (async () => {
        const closed = once(socket, "close");
        socket.close();
        await closed;
      })();
      return closing;
    },
  };
}

function addressKey({ address, port }: Remote): string {
  return `${address} ${port}`;
}
