/** WHIP (RFC 9725): the HTTP listener, the media socket and the sessions between them. */
import { once } from "node:events";
import type { Server } from "node:http";
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { type ErrorCode, TruecastError } from "../../../pipelines/errors.ts";
import type { IngestLimits } from "../limits.ts";
import type { IceServerOption, WhipOptions, WhipStats } from "../messages.ts";
import type { PublisherRegister } from "../publisher-register.ts";
import { createDtlsCertificate } from "./dtls-certificate.ts";
import { type MediaSocket, startMediaSocket } from "./media-socket.ts";
import { readFragment, renderAnswer, renderRestart } from "./sdp-answer.ts";
import { readOffer } from "./sdp-offer.ts";
import type { Remote } from "./stun.ts";
import { HttpRefusal, type WhipActions, createWhipHttp } from "./whip-http.ts";
import { type WhipSession, startWhipSession } from "./whip-session.ts";

export interface WhipServerOptions extends WhipOptions {
  readonly limits: IngestLimits;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  readonly register: PublisherRegister;
}

export interface WhipServer extends AsyncDisposable {
  readonly port: number;
  readonly udpPort: number;
  /** Enforces the deadlines. */
  tick(): void;
  stats(): WhipStats;
  close(): Promise<void>;
}

/** @throws TruecastError port-in-use, config-invalid */
export async function startWhipServer(options: WhipServerOptions): Promise<WhipServer> {
  const { host, limits, clock, register, maxBitrateKbps } = options;
  const certificate = await createDtlsCertificate();
  const socket = await startMediaSocket({ host, port: options.udpPort });
  const candidates = candidatesOf(options, socket);
  const iceServers = options.iceServers.map(linkOf);
  const sessions = new Map<string, WhipSession>();
  let lostBefore = 0;

  const sessionOf = (id: string): WhipSession => {
    const session = sessions.get(id);
    if (session === undefined) throw new TruecastError("not-found", "There is no such session, or it has ended.");
    return session;
  };

  const actions: WhipActions = {
    authorize(target, key) {
      const stream = register.streamOf(key);
      if (stream.name !== target.stream) throw new TruecastError("key-unknown", "The stream key does not open the stream in the path.");
      if (target.session !== null && sessionOf(target.session).stream.name !== stream.name) throw new TruecastError("not-found", "There is no such session, or it has ended.");
    },
    publish({ key, offer: text, remote }) {
      const stream = register.streamOf(key);
      const offer = readOffer(text, options.codecs ?? null);
      register.check(stream);
      // One that has not connected may be an answer that its client never got.
      for (const other of sessions.values()) {
        if (other.stream.name === stream.name && other.state.kind === "connecting") other.leave("Another offer came in for its stream before it had connected.");
      }
      if (sessions.size >= limits.whipMaxSessions) throw new TruecastError("capacity-reached", `${limits.whipMaxSessions} WHIP sessions are open.`);
      if ([...sessions.values()].filter((other) => other.remote === remote).length >= limits.whipMaxSessionsPerAddress) {
        throw new TruecastError("capacity-reached", `${limits.whipMaxSessionsPerAddress} WHIP sessions are open from this address.`);
      }
      const session = startWhipSession({
        stream,
        offer,
        remote,
        maxBitrateKbps,
        certificate,
        socket,
        register,
        limits,
        clock,
        onClosed(closed) {
          lostBefore += closed.lostPackets;
          sessions.delete(closed.id);
          beat();
        },
      });
      sessions.set(session.id, session);
      beat();
      return {
        status: 201,
        headers: {
          "content-type": "application/sdp",
          // Relative, for a proxy before this server may speak another scheme and host.
          location: `/whip/${stream.name}/${session.id}`,
          etag: session.etag,
          ...(iceServers.length === 0 ? {} : { link: iceServers }),
        },
        body: renderAnswer({ offer, ice: session.ice, fingerprint: certificate.fingerprint, candidates }),
      };
    },
    patch({ session: id, ifMatch, fragment: text }) {
      const session = sessionOf(id);
      if (ifMatch === undefined) throw new HttpRefusal(428, "request-invalid", "If-Match must name the ICE session.");
      const fragment = readFragment(text);
      const matches = ifMatch.split(",").some((tag) => tag.trim() === "*" || tag.trim() === session.etag);
      if (!matches) throw new HttpRefusal(412, "request-invalid", "If-Match names another ICE session than the present one.", { etag: session.etag });
      const { ice } = fragment;
      const restarts = ice !== null && ice.ufrag !== session.remoteIce.ufrag;
      if (restarts) {
        session.restartIce(ice);
        return {
          status: 200,
          headers: { "content-type": "application/trickle-ice-sdpfrag", etag: session.etag },
          body: renderRestart(session.ice, candidates, session.offer.media[0]?.mid ?? "0"),
        };
      }
      if (ice !== null && ice.password !== session.remoteIce.password) throw new HttpRefusal(422, "request-invalid", "An ICE restart needs a new ice-ufrag as well as a new ice-pwd.");
      if (fragment.candidates === 0 && !/^a=end-of-candidates\s*$/m.test(text)) throw new HttpRefusal(422, "request-invalid", "The fragment has neither a candidate nor new ICE credentials.");
      return { status: 204 };
    },
    leave(id) {
      sessionOf(id).leave("The publisher ended its session.");
      return { status: 200 };
    },
  };

  const http = createWhipHttp({ limits, actions, onRefused: (code: ErrorCode, message, remote) => register.refused(code, message, remote) });
  try {
    await listen(http, options);
  } catch (error) {
    await socket.close();
    throw error;
  }
  const address = http.address();
  if (address === null || typeof address === "string") throw new TruecastError("internal", "The WHIP listener has no port.");

  /** Runs while there are sessions. */
  let pulse: NodeJS.Timeout | null = null;
  function beat(): void {
    if (sessions.size === 0 && pulse !== null) {
      clearInterval(pulse);
      pulse = null;
    } else if (sessions.size > 0) {
      pulse ??= setInterval(() => {
        for (const session of sessions.values()) session.pulse();
      }, limits.whipPulseMs);
    }
  }

  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      const closed = once(http, "close");
      http.close();
      http.closeAllConnections();
      for (const session of sessions.values()) session.leave("The ingest ends.");
      await closed;
      await socket.close();
    })();
    return closing;
  };

  return {
    port: address.port,
    udpPort: socket.port,
    tick() {
      for (const session of sessions.values()) session.tick();
    },
    stats() {
      const lostPackets = [...sessions.values()].reduce((sum, session) => sum + session.lostPackets, lostBefore);
      return { sessions: sessions.size, droppedDatagrams: { ...socket.dropped }, lostPackets };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Where publishers are told to send: as configured, else at the bound address, else at every address of the machine. */
function candidatesOf({ host, advertisedAddresses }: WhipOptions, socket: MediaSocket): readonly Remote[] {
  if (advertisedAddresses.length > 0) return advertisedAddresses.map((text) => advertised(text, socket.port));
  if (host !== "0.0.0.0" && host !== "::") return [{ address: host, port: socket.port }];
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const reachable = all.filter(({ family, scopeid }) => (family === "IPv4" || host === "::") && !scopeid);
  // Loopback last: it only serves a publisher on this machine.
  return reachable.toSorted((a, b) => Number(a.internal) - Number(b.internal)).map((entry) => ({ address: entry.address, port: socket.port }));
}

/** `address`, `address:port` or `[address]:port`. */
function advertised(text: string, port: number): Remote {
  const match = /^(?:\[([0-9a-f:]+)\]|([0-9.]+))(?::(\d{1,5}))?$/i.exec(text);
  if (match === null && isIPv6(text)) return { address: text, port };
  const address = match?.[1] ?? match?.[2];
  if (address === undefined) throw new TruecastError("config-invalid", `whip.advertisedAddresses has "${text}", which is no address.`);
  return { address, port: match?.[3] === undefined ? port : Number(match[3]) };
}

/** RFC 9725, 4.6. */
function linkOf({ url, username, credential }: IceServerOption): string {
  const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  const parts = [`<${url}>`, 'rel="ice-server"'];
  if (username !== undefined) parts.push(`username=${quoted(username)}`);
  if (credential !== undefined) parts.push(`credential=${quoted(credential)}`, 'credential-type="password"');
  return parts.join("; ");
}

async function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    const where = `${host}:${port}`;
    if (code === "EADDRINUSE") throw new TruecastError("port-in-use", `WHIP cannot listen on ${where}: another process holds the port.`, { cause: error });
    throw new TruecastError("config-invalid", `WHIP cannot listen on ${where} (${code}).`, { cause: error });
  }
}
