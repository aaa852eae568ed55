/** The composition root: starts every part of the daemon in one straight line and wires them with plain functions. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import type { LoadedConfig, ResolvedStream } from "../config/load.ts";
import { readManifest } from "../models/manifest.ts";
import { startAccessControl } from "./access-control.ts";
import { createAlertPages } from "./alert-pages.ts";
import { alertRuleSettings, blindSpotSettings } from "./alerts/alert-settings.ts";
import { startAlertEngine } from "./alerts/alert-engine.ts";
import { markOf } from "./alerts/told-event.ts";
import { startAnalysisPool } from "./analysis/analysis-pool.ts";
import { takeAnalysisReport } from "./analysis-reports.ts";
import { evidenceLimits, startDaemonEvidence } from "./daemon-evidence.ts";
import { createEvidencePages } from "./evidence-pages.ts";
import { CleanUp } from "./clean-up.ts";
import { Components, componentState } from "./components.ts";
import { claimDataFolder } from "./data-folder.ts";
import { makeToken } from "./access/token.ts";
import { checkExposure, isLoopback } from "./http/access.ts";
import { startHttpServer, type HttpServer } from "./http/server.ts";
import type { LiveUpdate } from "./http/source.ts";
import { modelFolder, providerOf, startInference } from "./inference-service.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { createObserver } from "./metrics/observe.ts";
import type { ModelCard, SystemStatus } from "./protocol.ts";
import { type PublishedStreams, startPublishedStreams } from "./published-streams.ts";
import { type PulledStreams, startPulledStreams } from "./pulled-streams.ts";
import { startReceivers } from "./receivers.ts";
import { keptSecret } from "./secrets.ts";
import { createSources } from "./sources.ts";
import { openStore } from "./store/store.ts";
import { startRetention } from "./store/retention.ts";
import { SamplingControl } from "./streams/sampling.ts";
import { StreamRegistry } from "./streams/stream-registry.ts";
import { version } from "./version.ts";

const START_UNWIND_MS = 5_000;

export interface KeptSecret {
  readonly secret: string;
  readonly fresh: boolean;
  readonly path: string;
}

export interface Daemon {
  readonly httpUrl: string;
  /** Without the key. */
  readonly rtmpUrl: string;
  /** The same over TLS; null without a certificate. */
  readonly rtmpsUrl: string | null;
  /** Without the stream's name; null when it is switched off. */
  readonly whipUrl: string | null;
  readonly generated: { readonly streamKey: KeptSecret | null; readonly token: KeptSecret | null };
  readonly tokenInUse: boolean;
  /** Ends everything in mirror order. @returns names of what did not end in time. */
  close(deadlineMs: number): Promise<readonly string[]>;
}

/**
 * @throws TruecastError when a part does not start: data-in-use, port-in-use, model-*, provider-unavailable, store-failed; the signal's
 * reason when it is aborted. What had started by then, or was just starting, is ended first.
 */
export async function startDaemon(loaded: LoadedConfig, { log, signal }: { readonly log: Logger; readonly signal?: AbortSignal }): Promise<Daemon> {
  const cleanUp = new CleanUp(log);
  const aborted = Promise.withResolvers<never>();
  signal?.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
  const starting = startParts(loaded, { log, signal, cleanUp });
  try {
    return await Promise.race([starting, aborted.promise]);
  } catch (error) {
    // The newest step, so that what comes in until the start has come to its end is ended too. Its outcome matters no more.
    cleanUp.defer("start", () => starting.then(() => undefined, () => undefined));
    await cleanUp.run(START_UNWIND_MS);
    throw error;
  }
}

async function startParts({ config, streams: configured, sources: configuredSources, rtmps, receivers: configuredReceivers, token: configuredToken }: LoadedConfig, { log, signal, cleanUp }: { log: Logger; signal: AbortSignal | undefined; cleanUp: CleanUp }): Promise<Daemon> {
  const startedAt = Date.now();
  // Before anything in it is touched: a second daemon would resolve the open alerts of the first.
  const dataFolder = cleanUp.use("data folder", claimDataFolder(config.dataDir, log));
  const generatedKey = configured.length === 0 && configuredSources.length === 0 ? keptSecret(config.dataDir, "studio.key") : null;
  const streams: readonly ResolvedStream[] = generatedKey ? [{ name: "studio", key: generatedKey.secret }] : configured;
  const generatedToken = configuredToken === null && !isLoopback(config.http.host) ? keptSecret(config.dataDir, "token", makeToken) : null;
  const token = configuredToken ?? generatedToken?.secret ?? null;
  checkExposure(config.http.host, token);

  const modelDir = modelFolder(config.inference.model, config.inference.modelsDir);
  const { manifest, info: model } = await readManifest(modelDir);
  if (!model.trained) log.warn({ model: model.name, kind: model.kind }, model.kind === "scripted" ? "the scores come from a script, not from a detector" : "the model is untrained: no alerts are raised");

  const metrics = createMetrics({ version, maxStreams: config.analysis.maxStreams });
  const observe = createObserver(metrics);
  metrics.model(model);
  // They start last, and are asked for before that.
  let http: HttpServer | undefined;
  let published: PublishedStreams | undefined;
  let pulled: PulledStreams | undefined;
  /** Nobody listens before the HTTP server does, and what a message would say may not be there yet. */
  const broadcast = (update: () => LiveUpdate): void => http?.broadcast(update());
  const components = new Components((changed) => {
    observe.component(changed);
    broadcast(() => ({ type: "system", system: system() }));
  });

  const store = cleanUp.use("store", openStore({ path: join(config.dataDir, "truecast.db"), log }));
  components.set("store", { state: "ready", message: null });

  const access = cleanUp.use("access", startAccessControl({ config, store, configuredToken: token, log }));

  const sources = createSources({
    configured: configuredSources,
    published: new Set(streams.map(({ name }) => name)),
    table: store,
    maxSources: config.pull.maxSources,
    allow: config.outbound.allow,
  });

  const deliveries = cleanUp.use("deliveries", startReceivers({ configured: configuredReceivers, config, store, metrics, log }));

  const overrides = new Map([...streams, ...configuredSources].map(({ name, alerts }) => [name, alerts]));
  const ruleOf = (stream: string) => alertRuleSettings(config.alerts, overrides.get(stream), model.bands.manipulated);
  const evidence = config.evidence.enabled
    ? cleanUp.use("evidence", await startDaemonEvidence({ config, model, modelDir, ruleOf, store, registry: () => registry, provider: () => inference.provider, tell: (stream, command) => analysis.tell(stream, command), metrics, log }))
    : null;
  // It asks at once which alerts are held.
  cleanUp.use("retention", startRetention({ store, retentionDays: config.store.retentionDays, heldAlerts: () => evidence?.heldAlerts() ?? [], log }));
  const alerts = cleanUp.use(
    "alerts",
    startAlertEngine({
      store,
      model,
      rules: ruleOf,
      onTransition(transition) {
        evidence?.onTransition(transition);
        // A stream that an earlier run left an alert open for may be gone from the configuration.
        if (registry.lifeOf(transition.alert.stream)) metrics.stream(transition.alert.stream).alertTransition(transition.alert.rule, transition.kind);
        broadcast(() => ({ type: "alert", alert: transition.alert, event: transition.event }));
        if (transition.event?.seq) deliveries.wake();
        // A face with an open alert is worth one more look, to be known again by.
        const track = transition.alert.rule === "manipulated-face" ? transition.alert.tracks.at(-1) : undefined;
        if (track !== undefined && transition.alert.state === "firing" && transition.kind !== "worsened") analysis.look(transition.alert.stream, track);
        registry.setFiringAlerts(transition.alert.stream, alerts.firingAlerts(transition.alert.stream));
      },
      onStored({ alert, event }) {
        broadcast(() => ({ type: "alert", alert: alerts.latest(alert), event: event && markOf(event) }));
        if (event) deliveries.wake();
      },
      blindSpots: (stream) => blindSpotSettings(config, overrides.get(stream)),
      onSuppressed: (stream) => metrics.stream(stream).alertSuppressed(),
      log,
    }),
  );

  const registry = new StreamRegistry({
    names: [...streams, ...sources.specs].map(({ name }) => name),
    graceMs: config.rtmp.graceMs,
    onChange(name) {
      const stream = registry.stream(name);
      if (stream) broadcast(() => ({ type: "stream", stream }));
    },
    onOver(name) {
      alerts.endStream(name);
      analysis.forget(name);
    },
  });

  const runtimeDir = await dataFolder.makeRuntimeFolder();
  const inferenceSocketPath = join(runtimeDir, "inference.sock");

  const sampling = new SamplingControl();
  const inference = cleanUp.use(
    "inference",
    await startInference({
      socketPath: inferenceSocketPath,
      modelDir,
      provider: config.inference.provider,
      threads: config.inference.threads || availableParallelism(),
      maxBatch: config.inference.maxBatch,
      maxTracks: config.analysis.maxStreams * config.faces.maxFaces,
      log,
      signal,
      onState(state) {
        components.set("inference", componentState(state));
        metrics.provider(providerOf(state));
        broadcast(() => ({ type: "model", model: modelCard() }));
      },
      onRestart: (cause) => components.restarted("inference", cause),
      onStats(stats) {
        observe.inference(stats);
        if (!sampling.update({ ...stats, busyRatio: stats.inferenceSeconds.reduce((total, seconds) => total + seconds, 0) })) return;
        log.warn({ samplingFps: sampling.samplingFps }, "sampling changed with the load");
        analysis.broadcast({ type: "sampling", divisor: sampling.divisor });
        registry.setSamplingFps(sampling.samplingFps);
        metrics.samplingRate(sampling.samplingFps);
        broadcast(() => ({ type: "system", system: system() }));
      },
    }),
  );

  const analysis = cleanUp.use(
    "analysis",
    await startAnalysisPool({
      workers: config.analysis.workers || Math.min(8, Math.ceil(availableParallelism() / 4)),
      runtimeDir,
      init: () => ({
        inferenceSocketPath,
        model,
        // Without alerts there is nothing to follow a face for.
        describesFaces: model.trained || model.kind === "scripted",
        decode: config.decode,
        faces: config.faces,
        samplingDivisor: sampling.divisor,
        watched: (http?.liveStats().clients ?? 0) > 0,
        evidence: config.evidence.enabled ? evidenceLimits(config, [...overrides.values()], model.window) : null,
        logLevel: config.log.level,
      }),
      onReport(report, component) {
        if (report.type === "stats") for (const { decoded, discarded } of report.streams) sampling.noteFrames({ sampled: decoded - (discarded["sampling-reduced"] ?? 0), busy: discarded["analysis-busy"] ?? 0 });
        takeAnalysisReport(report, { component, registry, alerts, evidence, metrics, observe, broadcast: (update) => broadcast(() => update) });
      },
      onState: (name, state) => components.set(name, componentState(state)),
      onRestart: (name, cause) => components.restarted(name, cause),
      onLost(lost) {
        evidence?.onAnalysisLost(lost);
        for (const stream of lost) {
          alerts.loseTracks(stream);
          registry.clearView(stream);
          registry.apply(stream, { kind: "decoder-recovering", reason: { code: "decoder-exited", message: "the analysis process ended and is started again" } });
        }
      },
      onReady(waiting) {
        for (const stream of waiting) {
          published?.route(stream);
          pulled?.route(stream);
        }
      },
      log,
      signal,
    }),
  );

  published = cleanUp.use("ingest", await startPublishedStreams({ config, streams, rtmps, registry, analysis, observe, components, signal, log }));
  const { rtmpUrl, rtmpsUrl, whipUrl } = published;

  pulled = cleanUp.use(
    "pull",
    startPulledStreams({ config, sources, registry, alerts, analysis, metrics, observe, components, broadcast, log }),
  );

  function system(): SystemStatus {
    return {
      version,
      startedAt,
      rtmpUrl: published?.rtmpUrl ?? "",
      rtmpsUrl: published?.rtmpsUrl ?? null,
      whipUrl: published?.whipUrl ?? null,
      components: components.all(),
      samplingFps: sampling.samplingFps,
      capacity: { streams: registry.publishing, maxStreams: config.analysis.maxStreams },
    };
  }

  function modelCard(): ModelCard {
    const { name, kind, trained, sha256, inputSizePx, window, hop, bands } = model;
    const { description, licence, training, accuracy } = manifest;
    return { name, kind, trained, sha256, description, licence, training, accuracy, inputSizePx, window, hop, bands, provider: inference.provider };
  }

  http = cleanUp.use(
    "http",
    await startHttpServer({
      host: config.http.host,
      port: config.http.port,
      authority: access.authority,
      allowedHosts: config.http.allowedHosts,
      allowedOrigins: config.http.allowedOrigins,
      trustedProxies: config.http.trustedProxies,
      dashboardDir: fileURLToPath(new URL("../dashboard/dist", import.meta.url)),
      limits: { maxLiveClients: config.http.maxWebSocketClients, maxClientBufferBytes: config.http.webSocketBufferBytes },
      log,
      source: {
        system,
        model: modelCard,
        streams: () => registry.streams(),
        stream: (name) => registry.detail(name),
        thumbnail: (name) => registry.thumbnail(name),
        source: (name) => registry.source(name),
        putSource: pulled.put,
        removeSource: pulled.remove,
        publishAccess: access.publishAccess({ streams, rtmpUrl, rtmpsUrl, whipUrl }),
        ...createAlertPages({ engine: alerts, store, log }),
        ...createEvidencePages({ evidence, store, audit: access.audit }),
        events: (query, visible) => store.eventPage(query, visible),
        receivers: () => deliveries.statuses(),
        testReceiver: (name) => deliveries.test(name),
        enableReceiver: (name) => deliveries.enable(name),
        newestEvent: () => store.newestSeq(),
        metrics: () => metrics.exposition(),
        readiness() {
          const reasons = components.notReady();
          return { ready: reasons.length === 0, reasons };
        },
      },
      onEvent(event) {
        observe.http(event);
        if (event.kind !== "live-opened" && event.kind !== "live-closed") return;
        const { clients } = http?.liveStats() ?? { clients: 0 };
        metrics.webSocketClients(clients);
        analysis.broadcast({ type: "watched", watched: clients > 0 });
      },
    }),
  );

  let publishingBefore = 0;
  const ticking = setInterval(() => {
    registry.tick();
    const streamsNow = registry.streams();
    alerts.tick(streamsNow.map(({ name, state }) => ({ name, live: state === "live" })));
    if (registry.publishing !== publishingBefore) {
      publishingBefore = registry.publishing;
      broadcast(() => ({ type: "system", system: system() }));
    }
    const storeState = alerts.unstored > 0 ? "down" : "ready";
    if (components.stateOf("store") !== storeState) components.set("store", { state: storeState, message: storeState === "down" ? "alerts go out but cannot be committed" : null });
    observe.streams(streamsNow);
    observe.receivers(() => deliveries.statuses());
    metrics.alertsOpen(alerts.openAlerts());
    metrics.alertsUnstored(alerts.unstored);
    if (evidence) metrics.evidence(evidence.stats());
  }, 1_000);
  cleanUp.defer("clock", async () => clearInterval(ticking));

  log.info({ httpUrl: http.url, rtmpUrl, rtmpsUrl, whipUrl, model: model.name, trained: model.trained, provider: inference.provider, streams: registry.names }, "truecast runs");
  return {
    httpUrl: http.url,
    rtmpUrl,
    rtmpsUrl,
    whipUrl,
    generated: { streamKey: generatedKey, token: generatedToken },
    tokenInUse: token !== null || store.hasTokens(),
    close: (deadlineMs) => cleanUp.run(deadlineMs),
  };
}
