/** Published streams in the daemon: the ingest process wired to registry, analysis and metrics, and where publishers find it. */
import type { Logger } from "pino";
import type { ResolvedRtmps, ResolvedStream } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { AnalysisPool } from "./analysis/analysis-pool.ts";
import { type Components, componentState } from "./components.ts";
import { type IngestService, startIngest } from "./ingest-service.ts";
import type { Observer } from "./metrics/observe.ts";
import { tooManyStreams } from "./pulled-streams.ts";
import type { StreamRegistry } from "./streams/stream-registry.ts";

export interface PublishedStreamsOptions {
  readonly config: Config;
  readonly streams: readonly ResolvedStream[];
  readonly rtmps: ResolvedRtmps | null;
  readonly registry: StreamRegistry;
  readonly analysis: AnalysisPool;
  readonly observe: Observer;
  readonly components: Components;
  /** Ends a start that is not through yet. */
  readonly signal: AbortSignal | undefined;
  readonly log: Logger;
}

export interface PublishedStreams extends AsyncDisposable {
  /** Without the key. */
  readonly rtmpUrl: string;
  /** The same over TLS; null without a certificate. */
  readonly rtmpsUrl: string | null;
  /** Without the stream's name; null when it is switched off. */
  readonly whipUrl: string | null;
  /** Sends the stream's present publisher to its analysis process anew. */
  route(stream: string): void;
  close(): Promise<void>;
}

const RTMP_APP = "live";

/** @throws TruecastError port-in-use, config-invalid; the signal's reason */
export async function startPublishedStreams({ config, streams, rtmps, registry, analysis, observe, components, signal, log }: PublishedStreamsOptions): Promise<PublishedStreams> {
  const { rtmp, whip } = config;
  const { maxStreams } = config.analysis;
  // A publisher may be there before the start is through.
  let ingest: IngestService | undefined;
  const started = await startIngest({
    host: rtmp.host,
    port: rtmp.port,
    rtmps,
    app: RTMP_APP,
    whip: whip.enabled ? whip : null,
    streams,
    limits: { maxConnections: rtmp.maxConnections, whipMaxSessions: whip.maxSessions, maxPublishers: maxStreams, stallWarnMs: rtmp.stallMs, stallEndMs: rtmp.stallMs },
    socketPathFor: (stream) => analysis.socketPathFor(stream, registry.nextTrackId(stream)),
    onStream(stream, event) {
      registry.apply(stream, event);
      // The ingest process counts its own publishers only.
      if (event.kind === "published" && registry.publishing > maxStreams) ingest?.kick(stream, tooManyStreams(maxStreams));
    },
    onCodec: (stream, codec) => registry.setCodec(stream, codec),
    onStats(stats) {
      for (const stream of stats.streams) registry.setBitrate(stream.stream, stream.bitrateKbps);
      observe.ingest(stats);
    },
    onState: (state) => components.set("ingest", componentState(state)),
    onRestart: (cause) => components.restarted("ingest", cause),
    log,
    signal,
  });
  ingest = started;
  return {
    rtmpUrl: `rtmp://${bracketed(rtmp.host)}:${started.port}/${RTMP_APP}`,
    rtmpsUrl: started.rtmpsPort === null ? null : `rtmps://${bracketed(rtmp.host)}:${started.rtmpsPort}/${RTMP_APP}`,
    whipUrl: started.whip && `http://${bracketed(whip.host)}:${started.whip.port}/whip`,
    route: (stream) => started.route(stream),
    close: () => started.close(),
    [Symbol.asyncDispose]: () => started.close(),
  };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
