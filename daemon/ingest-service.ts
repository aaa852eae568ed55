/** The ingest process as the daemon sees it: supervised, its publishers routed to their analysis process, its reports turned into stream events. */
import type { Logger } from "pino";
import type { ErrorCode } from "../pipelines/errors.ts";
import type { IngestCommand, IngestEvent, IngestInfo, IngestOptions, IngestToDaemon } from "./ingest/messages.ts";
import { createSessionRoutes } from "./session-routes.ts";
import type { StreamEvent } from "./streams/stream-life.ts";
import { type ChildState, type RestartCause, startSupervisedChild, type SupervisedChild } from "./supervision/supervised-child.ts";

type Stats = Extract<IngestEvent, { type: "stats" }>;
type IngestReport = Exclude<IngestToDaemon, { type: "ready" | "failed" }>;

export interface IngestServiceOptions extends IngestOptions {
  /** Unix socket of the analysis process that owns the stream. */
  readonly socketPathFor: (stream: string) => string;
  readonly onStream: (stream: string, event: StreamEvent) => void;
  readonly onCodec: (stream: string, codec: string | null) => void;
  readonly onStats: (stats: Stats) => void;
  readonly onState: (state: ChildState<IngestInfo>) => void;
  readonly onRestart: (cause: RestartCause) => void;
  readonly log: Logger;
  /** Ends a start that is not through yet. */
  readonly signal?: AbortSignal | undefined;
}

export interface IngestService extends AsyncDisposable {
  readonly port: number;
  readonly rtmpsPort: number | null;
  readonly whip: IngestInfo["whip"];
  /** Sends the stream's present publisher to its analysis process, anew after either of them was restarted. */
  route(stream: string): void;
  /** Ends the stream's publisher. */
  kick(stream: string, reason: { readonly code: ErrorCode; readonly message: string }): void;
  close(): Promise<void>;
}

/** @throws TruecastError port-in-use */
export async function startIngest(options: IngestServiceOptions): Promise<IngestService> {
  const { log, onStream } = options;
  const routes = createSessionRoutes({ ...options, send: (command) => void child?.send(command) });
  let port = options.port ?? 0;
  let rtmpsPort: number | null = null;
  let whip: IngestInfo["whip"] = null;

  // A publisher may be there before the start is through: until then its route waits.
  let child: SupervisedChild<IngestInfo, IngestCommand> | undefined;
  child = await startSupervisedChild<IngestOptions, IngestInfo, IngestCommand, IngestReport>({
    name: "ingest",
    entry: new URL("./ingest/ingest-process.ts", import.meta.url),
    // A restarted process must listen where publishers expect it, even if the first one chose its port.
    init: () => ({
      host: options.host ?? "127.0.0.1",
      port,
      app: options.app ?? "live",
      rtmps: options.rtmps ? { ...options.rtmps, port: rtmpsPort ?? options.rtmps.port } : null,
      whip: options.whip ? { ...options.whip, ...whip } : null,
      streams: options.streams.map(({ name, key }) => ({ name, key })),
      limits: options.limits ?? {},
    }),
    onMessage: take,
    onState(state) {
      if (state.kind === "ready") {
        ({ port, rtmpsPort, whip } = state.info);
        // RTMP publishers come back while WHIP is still being loaded; their routes were not sent.
        routes.routeAll();
      }
      if (state.kind === "down") routes.allLost({ code: "ingest-restarted", message: state.message });
      options.onState(state);
    },
    onRestart: options.onRestart,
    log,
    signal: options.signal,
  });

  routes.routeAll();

  function take(message: IngestReport): void {
    switch (message.type) {
      case "published":
        log.info({ stream: message.stream, protocol: message.protocol, remote: message.remote }, "publisher connected");
        routes.begin(message);
        onStream(message.stream, { kind: "published", session: { sessionId: message.sessionId, protocol: message.protocol, connectedAt: message.connectedAt } });
        options.onCodec(message.stream, message.videoCodec);
        routes.route(message.stream);
        return;
      case "video-format":
        options.onCodec(message.stream, message.codec);
        return;
      case "publisher-stalled": {
        const text = message.code === "no-video" ? "the publisher sends audio but no video" : `the publisher has sent nothing for ${Math.round(message.silentMs / 1000)} s`;
        log.warn({ stream: message.stream, code: message.code }, text);
        onStream(message.stream, { kind: "stalled", sessionId: message.sessionId, reason: { code: message.code, message: text } });
        return;
      }
      case "publisher-resumed":
        onStream(message.stream, { kind: "resumed", sessionId: message.sessionId });
        return;
      case "publisher-lost":
        routes.lost(message);
        return;
      case "route-lost":
        routes.routeLost(message);
        return;
      case "connection-refused":
        log.warn({ code: message.code, remote: message.remote }, `connection refused: ${message.message}`);
        return;
      case "keys-refused":
        log.error({ code: message.code }, message.message);
        return;
      case "certificate-loaded": {
        const entry = { names: message.names, validUntil: new Date(message.validUntil).toISOString() };
        if (message.validUntil < Date.now()) log.warn(entry, "the RTMPS certificate has expired: publishers will refuse it");
        else log.info(entry, "RTMPS certificate loaded");
        return;
      }
      case "certificate-refused":
        log.error({ code: message.code }, `the RTMPS certificate stays the one before: ${message.message}`);
        return;
      case "crashed":
        log.error({ component: "ingest" }, `the ingest process met a defect: ${message.message}`);
        return;
      case "stats":
        options.onStats(message);
    }
  }

  const started = child;
  const close = (): Promise<void> => started.close();
  return {
    get port() {
      return port;
    },
    get rtmpsPort() {
      return rtmpsPort;
    },
    get whip() {
      return whip;
    },
    route: routes.route,
    kick: (stream, { code, message }) => void child?.send({ type: "kick", stream, code, message }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
