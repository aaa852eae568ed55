/**
 * A WHIP client (RFC 9725): one session from offer to DELETE. It resolves once media flow, so that whatever kept them
 * from flowing is known by then; whoever wants to come back after a loss starts another session.
 */
import { CONNECTION_LOST, MEDIA_BLOCKED, problemOfRefusal, problemOfUnreachable, PublishError } from "./problem.ts";
import { candidateFragment, iceServersOf } from "./whip-text.ts";

export interface WhipSessionOptions {
  /** With the stream's name. */
  readonly endpoint: string;
  readonly stream: string;
  /** Sent as a bearer token, in no URL. */
  readonly key: string;
  readonly media: MediaStream;
  readonly maxBitrateKbps: number;
  readonly maxFps: number;
  /** Once, after the session stood. */
  readonly onLost: () => void;
}

export interface WhipSession {
  /** Frees the stream at once. The request outlives the page, so that closing a tab frees it too. Resolves when it was answered, or could not be. */
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
const DELETE_TIMEOUT_MS = 2_000;
/** A short gap mends itself; `failed` comes only after half a minute. */
const DISCONNECTED_MS = 3_000;

/** @throws PublishError; the signal's reason when it is aborted */
export async function startWhipSession(options: WhipSessionOptions, signal: AbortSignal): Promise<WhipSession> {
  const { endpoint, key, media } = options;
  const authorization = `Bearer ${key}`;
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  let resource: string | null = null;
  let closed = false;

  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    signal.removeEventListener("abort", abort);
    try {
      if (resource !== null) await fetch(resource, { method: "DELETE", headers: { authorization }, keepalive: true, signal: AbortSignal.timeout(DELETE_TIMEOUT_MS) });
    } catch {
      // The daemon is gone, or notices the closed peer by itself.
    } finally {
      // Last: its farewell ends the session too, and would leave nothing to delete.
      peer.close();
    }
  };
  const abort = (): void => void close();
  signal.addEventListener("abort", abort, { once: true });

  try {
    for (const track of media.getTracks()) {
      peer.addTransceiver(track, { direction: "sendonly", streams: [media], sendEncodings: [{ maxBitrate: options.maxBitrateKbps * 1000, maxFramerate: options.maxFps }] });
    }
    const offer = await peer.createOffer();
    const response = await post(endpoint, { authorization, body: offer.sdp ?? "", stream: options.stream, signal });
    resource = response.resource;
    signal.throwIfAborted();
    // Set only now, so that candidates are gathered with the servers that the answer names (RFC 9725, 4.6).
    if (response.iceServers.length > 0) peer.setConfiguration({ ...peer.getConfiguration(), iceServers: response.iceServers });
    trickleOnce(peer, { offer: offer.sdp ?? "", resource, etag: response.etag, authorization });
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: "answer", sdp: response.answer });
    await connected(peer, signal);
  } catch (error) {
    await close();
    signal.throwIfAborted();
    throw error;
  }
  watchForLoss(peer, () => {
    if (!closed) options.onLost();
  });
  return { close };
}

interface PostRequest {
  readonly authorization: string;
  readonly body: string;
  readonly stream: string;
  readonly signal: AbortSignal;
}

async function post(endpoint: string, { authorization, body, stream, signal }: PostRequest): Promise<{ readonly resource: string; readonly etag: string | null; readonly answer: string; readonly iceServers: RTCIceServer[] }> {
  const response = await fetch(endpoint, { method: "POST", headers: { authorization, "content-type": "application/sdp" }, body, signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]) }).catch((error: unknown) => {
    throw new PublishError(problemOfUnreachable(endpoint), { cause: error });
  });
  const text = await response.text();
  const location = response.headers.get("location");
  if (response.status !== 201 || location === null) throw new PublishError(problemOfRefusal({ status: response.status, ...problemDetails(text), stream }));
  return { resource: new URL(location, response.url).href, etag: response.headers.get("etag"), answer: text, iceServers: iceServersOf(response.headers.get("link")) };
}

function problemDetails(text: string): { readonly code: string; readonly detail: string } {
  try {
    const value: unknown = JSON.parse(text);
    const field = (name: string): string => {
      const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : null;
      return typeof found === "string" ? found : "";
    };
    return { code: field("code"), detail: field("detail") };
  } catch {
    // A proxy's page, or nothing.
    return { code: "", detail: "" };
  }
}

interface Trickle {
  readonly offer: string;
  readonly resource: string;
  readonly etag: string | null;
  readonly authorization: string;
}

/**
 * All candidates in one PATCH, when they are complete. Truecast, an ICE-lite agent, needs none of them; but the
 * request's CORS preflight also covers the DELETE of a page that is closed, which then leaves without one.
 */
function trickleOnce(peer: RTCPeerConnection, { offer, resource, etag, authorization }: Trickle): void {
  const candidates: string[] = [];
  peer.addEventListener("icecandidate", ({ candidate }) => {
    if (candidate !== null && candidate.candidate !== "") candidates.push(candidate.candidate);
    if (candidate !== null) return;
    const headers = { authorization, "content-type": "application/trickle-ice-sdpfrag", "if-match": etag ?? "*" };
    // Refused or lost, it costs nothing: the checks themselves say whether there is a way.
    void fetch(resource, { method: "PATCH", headers, body: candidateFragment(offer, candidates) }).catch(() => undefined);
  });
}

function connected(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const judge = (): void => {
    if (peer.connectionState === "connected") resolve();
    else if (peer.connectionState === "failed" || peer.connectionState === "closed") reject(new PublishError(MEDIA_BLOCKED));
  };
  const timer = setTimeout(() => reject(new PublishError(MEDIA_BLOCKED)), CONNECT_TIMEOUT_MS);
  const abort = (): void => reject(new PublishError(CONNECTION_LOST));
  peer.addEventListener("connectionstatechange", judge);
  signal.addEventListener("abort", abort, { once: true });
  judge();
  return promise.finally(() => {
    clearTimeout(timer);
    peer.removeEventListener("connectionstatechange", judge);
    signal.removeEventListener("abort", abort);
  });
}

function watchForLoss(peer: RTCPeerConnection, onLost: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const judge = (): void => {
    clearTimeout(timer);
    const state = peer.connectionState;
    if (state === "connected") return;
    if (state === "disconnected") timer = setTimeout(lose, DISCONNECTED_MS);
    else if (state === "failed" || state === "closed") lose();
  };
  const lose = (): void => {
    clearTimeout(timer);
    peer.removeEventListener("connectionstatechange", judge);
    onLost();
  };
  peer.addEventListener("connectionstatechange", judge);
  // It may have changed between the answer and now.
  judge();
}
