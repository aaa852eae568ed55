/** A way for one ffmpeg to one pinned server: ffmpeg speaks plainly to loopback, the guard has chosen where that leads. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import type { TruecastError } from "../../../pipelines/errors.ts";
import { decoded } from "../../outbound/guarded-http.ts";
import { guardedConnect } from "../../outbound/guarded-connect.ts";
import type { OutboundGuard } from "../../outbound/outbound-guard.ts";
import type { SourcePlan } from "./source-plan.ts";
import { relayRtsp } from "./rtsp-relay.ts";

export interface Relay extends AsyncDisposable {
  /** What ffmpeg is given: no name, no user, no password. */
  readonly url: string;
  /** Why the relay ended the connection, when it was it. */
  readonly objection: TruecastError | null;
  close(): Promise<void>;
}

export interface RelayOptions {
  readonly plan: Extract<SourcePlan, { kind: "rtmp" | "rtsp" }>;
  readonly guard: OutboundGuard;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** @throws TruecastError address-refused, unreachable */
export async function openRelay({ plan, guard, timeoutMs, signal }: RelayOptions): Promise<Relay> {
  const { host, port, tls, url } = plan;
  const upstream = await guardedConnect(guard, { host, port, tls, timeoutMs, signal });
  let objection: TruecastError | null = null;
  let client: Socket | null = null;
  const end = (reason: TruecastError | null): void => {
    objection ??= reason;
    upstream.destroy();
    client?.destroy();
  };
  // Either side's end is the other's; which error it was is told by what is missing.
  upstream.on("error", () => end(null));
  upstream.on("close", () => end(null));
  const server = createServer((socket) => {
    // One ffmpeg, once: whoever else finds the port finds it closed.
    server.close();
    if (client !== null) return void socket.destroy();
    client = socket;
    socket.on("error", () => end(null));
    socket.on("close", () => end(null));
    if (plan.kind === "rtmp") {
      socket.pipe(upstream);
      upstream.pipe(socket);
      return;
    }
    const address = `${tls ? "rtsps" : "rtsp"}://${url.host}`;
    const user = decoded(url.username);
    relayRtsp({ client: socket, upstream, localPrefix, address, credentials: user === "" ? null : { user, password: decoded(url.password) }, onObjection: end });
  });
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const localPrefix = `${plan.kind}://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: `${localPrefix}${url.pathname}${url.search}`,
    get objection() {
      return objection;
    },
    close,
    [Symbol.asyncDispose]: close,
  };

  async function close(): Promise<void> {
    end(null);
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  }
}
