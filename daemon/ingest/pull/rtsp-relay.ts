/** RTSP between ffmpeg and a server: addresses and credentials are put in on the way out, what would lead elsewhere is stopped on the way in. */
import type { Socket } from "node:net";
import { TruecastError } from "../../../pipelines/errors.ts";
import { authorize, createRtspReader, type Credentials, headerOf, type RtspItem, type RtspMessage, writeRtsp } from "./rtsp-messages.ts";

export interface RtspRelayOptions {
  readonly client: Socket;
  readonly upstream: Socket;
  /** What ffmpeg takes the server for. */
  readonly localPrefix: string;
  /** What the server is called. */
  readonly address: string;
  readonly credentials: Credentials | null;
  /** Ends both sides. */
  readonly onObjection: (error: TruecastError) => void;
}

/** Media over the one connection that is open, and nothing else: any other transport makes ffmpeg send to addresses of the server's choosing. */
const INTERLEAVED = /^RTP\/AVP\/TCP\b/i;

export function relayRtsp({ client, upstream, localPrefix, address, credentials, onObjection }: RtspRelayOptions): void {
  /** Requests that wait for their answer, by CSeq; those answered 401 are sent once more. */
  const asked = new Map<string, { readonly message: RtspMessage; readonly retried: boolean }>();
  let challenges: readonly string[] = [];
  const fromClient = createRtspReader();
  const fromServer = createRtspReader();

  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      onObjection(error instanceof TruecastError ? error : new TruecastError("internal", "The RTSP relay met a defect.", { cause: error }));
    }
  };
  client.on("data", (chunk: Buffer) => guarded(() => forward(fromClient.push(chunk), upstream, takeRequest)));
  upstream.on("data", (chunk: Buffer) => guarded(() => forward(fromServer.push(chunk), client, takeAnswer)));
  client.on("drain", () => upstream.resume());

  function forward(items: readonly RtspItem[], to: Socket, take: (message: RtspMessage) => RtspMessage | null): void {
    for (const item of items) {
      const passed = item.kind === "interleaved" ? item : take(item);
      if (passed === null) continue;
      const isTaken = to.write(passed.kind === "interleaved" ? passed.bytes : writeRtsp(passed));
      if (!isTaken && to === client) upstream.pause();
    }
  }

  function takeRequest(message: RtspMessage): RtspMessage {
    const [method = "", uri = "", version = ""] = message.startLine.split(" ");
    const real = { ...message, startLine: `${method} ${uri.startsWith(localPrefix) ? address + uri.slice(localPrefix.length) : uri} ${version}` };
    const sequence = headerOf(message, "cseq") ?? "";
    // ffmpeg asks one thing at a time; whoever asks without end is none.
    if (asked.size > 64) throw new TruecastError("protocol-violation", "Too many RTSP requests wait for an answer.");
    asked.set(sequence, { message: real, retried: false });
    return signed(real);
  }

  function signed(message: RtspMessage): RtspMessage {
    if (credentials === null || challenges.length === 0) return message;
    const [method = "", uri = ""] = message.startLine.split(" ");
    const authorization = authorize(challenges, { method, uri, ...credentials });
    return authorization === null ? message : { ...message, headers: [...message.headers, ["Authorization", authorization]] };
  }

  function takeAnswer(message: RtspMessage): RtspMessage | null {
    const status = Number(/^RTSP\/\d\.\d (\d{3})\b/.exec(message.startLine)?.[1]);
    if (Number.isNaN(status)) throw new TruecastError("protocol-violation", "The RTSP server asks instead of answering.");
    const sequence = headerOf(message, "cseq") ?? "";
    const request = asked.get(sequence);
    asked.delete(sequence);
    if (status === 401 && credentials !== null && request && !request.retried) {
      challenges = message.headers.filter(([name]) => name.toLowerCase() === "www-authenticate").map(([, value]) => value);
      asked.set(sequence, { message: request.message, retried: true });
      upstream.write(writeRtsp(signed(request.message)));
      return null;
    }
    if (status === 401) throw new TruecastError("unreachable", "The RTSP server demands a user and password, or refuses those of the URL.");
    if (status >= 300 && status < 400) throw new TruecastError("address-refused", "The RTSP server redirects to another address; give that one as URL if it is meant.");
    const transport = headerOf(message, "transport");
    if (transport !== undefined && !transport.split(",").every((each) => INTERLEAVED.test(each.trim()))) {
      throw new TruecastError("address-refused", "The RTSP server answers with a transport other than the connection that is open.");
    }
    return message;
  }
}
