/** Runs the pull's sources inside a test, with a reader of the FLV in analysis' place, and collects what they say. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Lookup } from "../../../outbound/outbound-guard.ts";
import { type FlvReader, startFlvReader } from "../../testing/ffmpeg.ts";
import type { PullEvent, PullOptions } from "../messages.ts";
import { type PullSources, startPullSources } from "../pull-sources.ts";

type Event<T extends PullEvent["type"]> = Extract<PullEvent, { type: T }>;

export interface Pulling extends AsyncDisposable {
  readonly sources: PullSources;
  readonly events: readonly PullEvent[];
  readonly reader: FlvReader;
  /** The first event of this type that satisfies, also one that came earlier. */
  until<T extends PullEvent["type"]>(type: T, satisfies?: (event: Event<T>) => boolean): Promise<Event<T>>;
}

export const QUICK = { firstBackOffMs: 100, maxBackOffMs: 400, healthyAfterMs: 1_000, termGraceMs: 300 };

/** Loopback is allowed unless the test says otherwise; every session is routed to the reader. */
export async function startPulling(options: Partial<PullOptions> & Pick<PullOptions, "sources"> & { readonly lookup?: Lookup }): Promise<Pulling> {
  const reader = await startFlvReader();
  const events: PullEvent[] = [];
  const waiting = new Set<() => void>();
  const sources: PullSources = startPullSources({
    allow: ["127.0.0.1"],
    fileRoots: [],
    transcode: true,
    ...options,
    limits: { ...QUICK, ...options.limits },
    onEvent(event) {
      events.push(event);
      // Not at once: the source that reports is not in its table yet when it fails on the spot.
      if (event.type === "connected") setImmediate(() => sources.apply({ type: "route", stream: event.stream, sessionId: event.sessionId, socketPath: reader.socketPath }));
      for (const check of waiting) check();
    },
  });
  return {
    sources,
    events,
    reader,
    until: (type, satisfies = () => true) =>
      new Promise((resolve, reject) => {
        const isIt = (event: PullEvent): event is Event<typeof type> => event.type === type && satisfies(event as Event<typeof type>);
        const timer = setTimeout(() => reject(new Error(`no ${type} came: ${JSON.stringify(events.filter((event) => event.type !== "stats")).slice(-1_500)}`)), 30_000);
        const check = (): void => {
          const found = events.find(isIt);
          if (found === undefined) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
      }),
    async [Symbol.asyncDispose]() {
      await sources.close();
      await reader[Symbol.asyncDispose]();
    },
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<unknown>;
}

/** A real ffmpeg that serves or sends a test picture. */
export function serveWithFfmpeg(args: readonly string[]): Child {
  const child = spawn("ffmpeg", ["-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=30", ...args], { stdio: "ignore" });
  const exited = once(child, "exit");
  return {
    pid: child.pid ?? 0,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

export interface WebServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Paths asked for, in order. */
  readonly paths: readonly string[];
}

export async function startWebServer(answer: (request: IncomingMessage, response: ServerResponse) => void, host = "127.0.0.1"): Promise<WebServer> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? "");
    answer(request, response);
  });
  server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host}:${port}`,
    paths,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
