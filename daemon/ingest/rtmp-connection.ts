/** One client's socket, from accept to its end: node-media-server's session behind our own rules. Owned by the RTMP server. */
import type { Socket } from "node:net";
import RtmpSession from "node-media-server/src/session/rtmp_session.js";
import { type ErrorCode, TruecastError } from "../../pipelines/errors.ts";
import { enhancedCapabilities } from "./enhanced-capabilities.ts";
import { GuardedRtmp } from "./guarded-rtmp.ts";
import type { IngestLimits } from "./limits.ts";
import type { Publication } from "./publication.ts";
import type { PublisherEnd } from "./publisher-register.ts";

export type ConnectionState =
  | { readonly kind: "negotiating"; readonly app: string | null }
  | { readonly kind: "publishing"; readonly publication: Publication }
  /** Told why, reading only until the socket is gone. */
  | { readonly kind: "leaving" }
  | { readonly kind: "closed" };

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly app: string;
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Decides about a publish. @throws TruecastError with the reason for a refusal */
  readonly admit: (connection: RtmpConnection, name: string) => Publication;
  /** The publication has begun, and the connection answers to `end`. */
  readonly onPublishing: (connection: RtmpConnection, publication: Publication) => void;
  /** The connection no longer counts: before its publication began, or with it. Called once. */
  readonly onEnd: (connection: RtmpConnection, end: PublisherEnd, publication: Publication | null) => void;
  /** The socket is gone. Called once. */
  readonly onClosed: (connection: RtmpConnection) => void;
}

export interface RtmpConnection {
  readonly sessionId: string;
  /** Address without port. */
  readonly remote: string;
  readonly state: ConnectionState;
  readonly bytesIn: number;
  /** Enforces the deadlines. */
  tick(): void;
  /** Tells the client why, then ends it. */
  end(code: ErrorCode, message: string): void;
  destroy(): void;
}

/** Smallest interval between acknowledgements, whatever window the client asks for. */
const MIN_ACK_BYTES = 64 * 1024;
const DEFAULT_ACK_BYTES = 2_500_000;
const RTMP_VERSION = 3;

export function openRtmpConnection(options: ConnectionOptions): RtmpConnection {
  const { socket, limits, clock } = options;
  const startedMs = clock();
  let state: ConnectionState = { kind: "negotiating", app: null };
  let acknowledgedBytes = 0;
  let lingerTimer: NodeJS.Timeout | null = null;

  const session = new RtmpSession(socket);
  const remote = remoteAddress(socket);

  /** Leaves the states in which the client is served; the owner hears of it exactly once. */
  const leave = (next: ConnectionState & { kind: "leaving" | "closed" }, end: PublisherEnd): void => {
    const publication = state.kind === "publishing" ? state.publication : null;
    const served = state.kind === "negotiating" || state.kind === "publishing";
    state = next;
    if (served) options.onEnd(connection, end, publication);
  };

  const refuse = (end: PublisherEnd, tellClient: () => void): void => {
    if (state.kind !== "negotiating" && state.kind !== "publishing") return;
    tellClient();
    leave({ kind: "leaving" }, end);
    socket.end();
    // Destroying at once would reset the connection before the client has read why.
    lingerTimer = setTimeout(() => socket.destroy(), limits.lingerMs);
  };

  /** Message stream that status messages go to; the first one that clients create is 1. */
  const messageStream = (): number => rtmp.streamId ?? 1;

  const refusePublish = (code: ErrorCode, message: string): void => {
    const status = code === "codec-unsupported" || state.kind === "publishing" ? "NetStream.Publish.Rejected" : "NetStream.Publish.BadName";
    refuse({ code, message }, () => {
      if (rtmp.handshakeDone) rtmp.sendStatusMessage(messageStream(), "error", status, `${code}: ${message}`);
    });
  };

  const rtmp = new GuardedRtmp({
    limits,
    clock,
    requests: {
      connect({ app, transactionId, properties }) {
        if (state.kind !== "negotiating" || state.app !== null) throw new TruecastError("protocol-violation", "The client connects twice.");
        if (app !== options.app) {
          const message = `The application must be "${options.app}".`;
          refuse({ code: "path-refused", message }, () => rtmp.rejectConnect(transactionId, `path-refused: ${message}`));
          return;
        }
        state = { kind: "negotiating", app };
        rtmp.acceptConnect({ app, transactionId, capabilities: enhancedCapabilities(properties) });
      },
      publish({ name }) {
        if (state.kind !== "negotiating" || state.app === null) throw new TruecastError("protocol-violation", "A publish is only valid once, after a connect.");
        // Players and encoders hang parameters onto the key; none means anything here.
        const publication = options.admit(connection, name.split("?", 1)[0] ?? "");
        state = { kind: "publishing", publication };
        rtmp.beginPublishing();
        rtmp.sendStatusMessage(messageStream(), "status", "NetStream.Publish.Start", `Publishing to ${publication.stream.name}.`);
        options.onPublishing(connection, publication);
      },
      play() {
        throw new TruecastError("play-refused", "Playing is not offered; this port takes publishers only.");
      },
      unpublish() {
        if (state.kind === "publishing") refuse({ code: "closed", message: "The publisher ended its stream." }, () => {});
      },
    },
  });

  session.rtmp = rtmp;
  const parse = session.onData;
  session.onData = (bytes) => {
    if (state.kind !== "negotiating" && state.kind !== "publishing") return;
    try {
      if (session.inBytes === 0 && bytes[0] !== RTMP_VERSION) throw new TruecastError("protocol-violation", "The client does not speak RTMP.");
      parse(bytes);
    } catch (error) {
      // The client's bytes drive everything in here, so whatever is thrown ends this client and nobody else.
      if (error instanceof TruecastError) fail(error.code, error.message);
      else fail("protocol-violation", `The client's bytes cannot be read (${error instanceof Error ? error.name : typeof error}).`);
      return;
    }
    const windowBytes = Math.max(MIN_ACK_BYTES, rtmp.ackSize ?? DEFAULT_ACK_BYTES);
    if (session.inBytes - acknowledgedBytes >= windowBytes) {
      acknowledgedBytes = session.inBytes;
      rtmp.sendACK(session.inBytes % 2 ** 32);
    }
  };
  const fail = (code: ErrorCode, message: string): void => {
    // Bytes after a refused command must not cost the client the reason.
    if (state.kind === "leaving" || state.kind === "closed") return;
    if (code === "protocol-violation") {
      leave({ kind: "closed" }, { code, message });
      socket.destroy();
    } else if (code === "play-refused") {
      refuse({ code, message }, () => rtmp.sendStatusMessage(messageStream(), "error", "NetStream.Play.Failed", `${code}: ${message}`));
    } else {
      refusePublish(code, message);
    }
  };
  session.onOutput = (bytes) => {
    if (state.kind === "closed" || socket.destroyed || socket.writableEnded) return;
    if (socket.writableLength > limits.maxUnreadReplyBytes) {
      fail("protocol-violation", "The client does not read what is sent to it.");
      return;
    }
    socket.write(bytes);
  };
  session.onPacket = (packet) => {
    // Several messages may come in one read: nothing of it counts after the one that ended the connection.
    if (state.kind === "publishing") state.publication.packet(packet);
  };

  const connection: RtmpConnection = {
    sessionId: session.id,
    remote,
    get state() {
      return state;
    },
    get bytesIn() {
      return session.inBytes;
    },
    tick() {
      const ageMs = clock() - startedMs;
      if (state.kind === "publishing") {
        if (state.publication.tick()) refusePublish("publisher-stalled", "The publisher sent no media for too long.");
      } else if (state.kind === "negotiating") {
        if (!rtmp.handshakeDone && ageMs >= limits.handshakeTimeoutMs) fail("protocol-violation", "The client did not finish the RTMP handshake in time.");
        else if (ageMs >= limits.publishTimeoutMs) fail("protocol-violation", "The client did not publish in time.");
      }
    },
    end: refusePublish,
    destroy() {
      socket.destroy();
    },
  };

  session.run();
  socket.setNoDelay(true);
  socket.on("end", () => socket.destroy());
  socket.on("close", () => {
    if (lingerTimer !== null) clearTimeout(lingerTimer);
    leave({ kind: "closed" }, { code: "closed", message: "The client closed its connection." });
    options.onClosed(connection);
  });
  return connection;
}

/** The peer's address without port; IPv4 as such also on a socket that takes both kinds. */
export function remoteAddress(socket: Socket): string {
  return socket.remoteAddress?.replace(/^::ffff:/, "") ?? "unknown";
}
