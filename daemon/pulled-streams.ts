/** Pulled streams in the daemon: the pull process wired to registry, alerts, analysis and metrics, and what adding or taking one out means for them. */
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import { TruecastError } from "../pipelines/errors.ts";
import type { AlertEngine } from "./alerts/alert-engine.ts";
import type { AnalysisPool } from "./analysis/analysis-pool.ts";
import { type Components, componentState } from "./components.ts";
import type { LiveUpdate } from "./http/source.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Observer } from "./metrics/observe.ts";
import type { Source, SourceInput } from "./protocol.ts";
import { startPull } from "./pull-service.ts";
import type { Sources } from "./sources.ts";
import type { StreamRegistry } from "./streams/stream-registry.ts";

export interface PulledStreamsOptions {
  readonly config: Config;
  readonly sources: Sources;
  readonly registry: StreamRegistry;
  readonly alerts: AlertEngine;
  readonly analysis: AnalysisPool;
  readonly metrics: Metrics;
  readonly observe: Observer;
  readonly components: Components;
  readonly broadcast: (update: () => LiveUpdate) => void;
  readonly log: Logger;
}

export interface PulledStreams extends AsyncDisposable {
  /** @throws TruecastError as `Sources.put` */
  readonly put: (name: string, input: SourceInput) => { readonly created: boolean; readonly source: Source };
  /** @throws TruecastError as `Sources.remove` */
  readonly remove: (name: string) => boolean;
  /** Sends the stream's present video to its analysis process anew. */
  route(stream: string): void;
  close(): Promise<void>;
}

export function startPulledStreams({ config, sources, registry, alerts, analysis, metrics, observe, components, broadcast, log }: PulledStreamsOptions): PulledStreams {
  const { maxStreams } = config.analysis;
  const { fileRoots, transcode, ...limits } = config.pull;
  const pull = startPull({
    allow: config.outbound.allow,
    fileRoots,
    transcode,
    limits,
    originOf: (name) => sources.originOf(name),
    objection: () => (registry.publishing >= maxStreams ? tooManyStreams(maxStreams) : null),
    socketPathFor: (stream) => analysis.socketPathFor(stream, registry.nextTrackId(stream)),
    onSource(stream, source) {
      registry.setSource(stream, source);
      metrics.source(stream).state(source.state);
    },
    onStream: (stream, event) => registry.apply(stream, event),
    onCodec: (stream, codec) => registry.setCodec(stream, codec),
    onAttempt: (stream) => metrics.source(stream).attempt(),
    onFailure: (stream, code) => metrics.source(stream).failure(code),
    onStats(stats) {
      for (const stream of stats.streams) registry.setBitrate(stream.stream, stream.bitrateKbps);
      observe.pull(stats);
    },
    onState: (state) => components.set("pull", componentState(state)),
    onRestart: (cause) => components.restarted("pull", cause),
    log,
  });
  pull.setSources(sources.specs);

  /** Ends a stream with everything that hangs on its name. */
  function end(name: string): void {
    alerts.endStream(name);
    alerts.forgetStream(name);
    analysis.forget(name);
    registry.remove(name);
    metrics.removeStream(name);
    broadcast(() => ({ type: "stream-removed", name }));
  }

  return {
    put(name, input) {
      const outcome = sources.put(name, input);
      // Another picture under the same name is another stream: nothing of the one before may stand for it.
      if (outcome === "changed") end(name);
      registry.add(name);
      pull.setSources(sources.specs);
      const source = registry.source(name);
      if (!source) throw new TruecastError("internal", "A source that was put is not there.");
      return { created: outcome === "created", source };
    },
    remove(name) {
      if (!sources.remove(name)) return false;
      pull.setSources(sources.specs);
      end(name);
      return true;
    },
    route: (stream) => pull.route(stream),
    close: () => pull.close(),
    [Symbol.asyncDispose]: () => pull.close(),
  };
}

export function tooManyStreams(maxStreams: number): { readonly code: "capacity-reached"; readonly message: string } {
  return { code: "capacity-reached", message: `analysis.maxStreams is ${maxStreams}, and as many streams are live.` };
}
