/** Every metric of Truecast: name, type, help, labels. docs/metrics.md and metrics.golden.txt are compared with it. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Around the target of 500 ms from decode to score. */
const FRAME_AGE_SECONDS = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2, 5];
const STAGE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const INFERENCE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const HTTP_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5];
/** From a good network to a receiver that is back after days. */
const DELIVERY_SECONDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3_600, 86_400, 259_200];
const BATCH_CROPS = [1, 2, 4, 8, 16, 32, 64];

/** Gauges that Node's defaults name like counters, against Prometheus' own rules. */
const MISNAMED_DEFAULTS = ["truecast_nodejs_active_handles_total", "truecast_nodejs_active_requests_total", "truecast_nodejs_active_resources_total"];

export type Instruments = ReturnType<typeof defineInstruments>;

/** Into a registry of its own, never prom-client's global one, so that several daemons can live in one process. */
export function defineInstruments(registry: Registry = new Registry()) {
  collectDefaultMetrics({ register: registry, prefix: "truecast_" });
  for (const name of MISNAMED_DEFAULTS) registry.removeSingleMetric(name);

  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, ...labelNames: L[]) => new Counter<L>({ name: `truecast_${name}`, help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, ...labelNames: L[]) => new Gauge<L>({ name: `truecast_${name}`, help, labelNames, registers });
  const histogram = <L extends string = never>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram<L>({ name: `truecast_${name}`, help, buckets, labelNames, registers });

  return {
    registry,

    buildInfo: gauge("build_info", "Always 1; the version of Truecast and of Node.js that runs it.", "version", "node"),

    streams: gauge("streams", "Configured streams by state.", "state"),
    streamsLimit: gauge("streams_limit", "Streams that may be published or pulled at one time."),
    streamState: gauge("stream_state", "1 for the state the stream is in, 0 for all others.", "stream", "state"),
    publisherBitrate: gauge("publisher_bitrate_bytes_per_second", "Video received from the publisher, over the last seconds; 0 without one.", "stream"),
    ingestRefusals: counter("ingest_refusals_total", "Connections, requests and publishers that the ingest refused or ended, by error code.", "code"),
    ingestConnections: gauge("ingest_connections", "Open RTMP connections, publishing or not."),
    whipSessions: gauge("whip_sessions", "WebRTC sessions, connected or about to be."),
    whipDropped: counter("whip_datagrams_dropped_total", "Datagrams on the media port that came to nothing, by reason.", "reason"),
    whipLost: counter("whip_packets_lost_total", "RTP packets that never came, though they were asked for again."),

    sourceState: gauge("source_state", "1 for the state the source of a pulled stream is in, 0 for all others.", "stream", "state"),
    sourceAttempts: counter("source_attempts_total", "Connections begun to the source of a pulled stream.", "stream"),
    sourceFailures: counter("source_failures_total", "Connections to the source of a pulled stream that failed or ended, by error code.", "stream", "code"),

    framesDecoded: counter("frames_decoded_total", "Frames that the decoder delivered for analysis.", "stream"),
    framesAnalysed: counter("frames_analysed_total", "Frames in which faces were looked for.", "stream"),
    framesDiscarded: counter("frames_discarded_total", "Frames or crops that were there and were left out.", "stream", "reason"),
    framesLost: counter("frames_lost_total", "Frames that should have come and did not; an estimate.", "stream", "reason"),
    packetsDropped: counter("packets_dropped_total", "Encoded packets dropped on the way to analysis because its reader was too slow.", "stream"),
    decoderStorms: counter("decoder_storms_total", "Times that the decoder was restarted too often and had to wait before the next try.", "stream"),
    decodeErrors: counter("decode_errors_total", "Errors that the decoder reported about the bitstream.", "stream"),
    discontinuities: counter("discontinuities_total", "Jumps of the publisher's timestamps that the media clock bridged.", "stream"),
    samplingRate: gauge("sampling_rate_frames_per_second", "Frames a second of each stream that are to be analysed; below 10 under overload."),

    stageDuration: histogram("stage_duration_seconds", "Time that one frame or crop spent in a stage of the pipeline.", STAGE_SECONDS, "stage"),
    frameAge: histogram("frame_age_seconds", "From the decoder to the answer of the model, of every crop that was scored.", FRAME_AGE_SECONDS, "stream"),
    scores: counter("scores_total", "Scores of a horizon, provisional ones included.", "stream"),
    horizonCoverage: gauge("horizon_coverage_ratio", "Share of the due slots of its window that held a usable crop, for the newest score of the stream.", "stream"),
    faces: gauge("faces", "Faces followed at the moment.", "stream"),
    facesRefused: counter("faces_refused_total", "Detections that became no face, because a second look or the faces beside them spoke against it.", "stream", "reason"),
    faceless: gauge("faceless_seconds", "Time since a usable face was last seen while the stream is live; 0 while one is seen.", "stream"),

    inferenceQueue: gauge("inference_queue_crops", "Crops that wait for the inference process."),
    inferenceBatch: histogram("inference_batch_crops", "Crops in one batch of the backbone.", BATCH_CROPS),
    inferenceDuration: histogram("inference_duration_seconds", "Time of one batch through backbone and horizon.", INFERENCE_SECONDS),
    inferenceFailures: counter("inference_failures_total", "Crops that inference answered with an error instead of taking them."),
    inferenceProvider: gauge("inference_provider_info", "Always 1; the execution provider in use. Absent while inference is down.", "provider"),
    modelInfo: gauge("model_info", "Always 1; the model in use. An untrained model gives no verdict and raises no alert.", "name", "kind", "trained", "sha256"),

    componentUp: gauge("component_up", "1 while the component is ready, 0 while it starts or is down.", "component"),
    restarts: counter("restarts_total", "Restarts of a child process or decoder, by what ended it.", "component", "cause"),
    componentMemory: gauge("component_resident_memory_bytes", "Resident memory of a child process.", "component"),

    alertTransitions: counter("alert_transitions_total", "Transitions of alerts; dropped is a pending alert that never fired.", "stream", "rule", "transition"),
    alertsOpen: gauge("alerts_open", "Pending and firing alerts.", "rule", "state"),
    alertsSuppressed: counter("alerts_suppressed_total", "Scores over the threshold that opened no alert because the stream has too many open ones.", "stream"),
    alertsUnstored: gauge("alerts_unstored", "Transitions that were told but that the store could not commit yet."),

    evidenceBytes: gauge("evidence_bytes", "Size of all sealed evidence."),
    evidenceIncidents: gauge("evidence_incidents", "Alerts with evidence: sealed, of these under legal hold, being recorded, and waiting to be finished.", "state"),
    evidenceSealed: counter("evidence_sealed_total", "Alerts whose evidence was finished and signed.", "outcome"),
    evidenceProblems: counter("evidence_problems_total", "What kept evidence from being complete.", "problem"),
    evidenceSkipped: counter("evidence_skipped_total", "Alerts that went without evidence because too many were being recorded."),
    evidenceRemoved: counter("evidence_removals_total", "Removals of evidence, of some files or all, by cause.", "cause"),
    deliveries: counter("deliveries_total", "Events that a receiver was sent, by what came of it; expired ones were tried for as long as they may be and given up.", "receiver", "outcome"),
    deliveryLatency: histogram("delivery_latency_seconds", "From the commit of an event to its delivery.", DELIVERY_SECONDS, "receiver"),
    deliveryBacklog: gauge("delivery_backlog_events", "Events that are not delivered to a receiver yet.", "receiver"),
    deliveryOldest: gauge("delivery_oldest_age_seconds", "Age of the oldest of them; 0 with none.", "receiver"),
    receiverState: gauge("receiver_state", "1 for the state the receiver is in, 0 for all others.", "receiver", "state"),

    webSocketClients: gauge("websocket_clients", "Connected WebSocket clients."),
    webSocketDisconnects: counter("websocket_disconnects_total", "WebSocket clients that are gone, by reason; slow, dead and protocol were dropped by the daemon.", "reason"),
    webSocketSent: counter("websocket_sent_bytes_total", "Bytes of messages handed to WebSocket clients."),
    httpDuration: histogram("http_request_duration_seconds", "Time to answer an HTTP request.", HTTP_SECONDS, "route", "method", "status"),
    httpRefusals: counter("http_refusals_total", "Requests and connections turned away before they reached a route.", "reason"),
  };
}
