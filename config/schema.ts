/** The one schema of the configuration: types, defaults, ranges, config/default.yaml, its JSON Schema and its reference page come from here. */
import { type Static, type TProperties, type TSchema, Type } from "typebox";
import { ReceiverEntry } from "./receivers.ts";

const section = <P extends TProperties>(description: string, properties: P) => Type.Object(properties, { description, additionalProperties: false, default: {} });
const milliseconds = (value: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: value, minimum, maximum, description: `${description} Milliseconds.` });
const probability = (value: number, description: string) => Type.Number({ default: value, minimum: 0, maximum: 1, description });
const nullable = <T extends TSchema>(schema: T, description: string) => Type.Union([schema, Type.Null()], { default: null, description });
const port = (value: number, description: string) => Type.Integer({ default: value, minimum: 0, maximum: 65_535, description });
const host = (description: string) => Type.String({ default: "127.0.0.1", minLength: 1, maxLength: 255, description });

/** Stream names are shown, stored and used as metric labels; they are never file names. */
export const STREAM_NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$";
/** Stream keys travel in URLs typed by people. */
export const STREAM_KEY_PATTERN = "^[A-Za-z0-9_-]{8,128}$";

const AlertOverrides = Type.Object(
  {
    enabled: Type.Optional(Type.Boolean({ description: "false: scores are shown, no alert is raised." })),
    threshold: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: "Score from which an alert becomes pending." })),
    dwellMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 600_000, description: "Time above the threshold before it fires. Milliseconds." })),
    coolDownMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000, description: "After an alert ends, time in which the same face raises no second one. Milliseconds." })),
    expectFace: Type.Optional(Type.Boolean({ description: "true: this stream should always show a face that can be judged; where it does not, `blindSpots` says when that is an alert." })),
  },
  { additionalProperties: false, description: "Overrides of `alerts` for this stream." },
);

const StreamEntry = Type.Object(
  {
    name: Type.String({ pattern: STREAM_NAME_PATTERN, description: "Name shown everywhere, unique." }),
    key: Type.Optional(Type.String({ pattern: STREAM_KEY_PATTERN, description: "Secret stream key: over RTMP rtmp://host/live/<key>, over WHIP the bearer token; see docs/publishing.md. Better: keyFile." })),
    keyFile: Type.Optional(Type.String({ minLength: 1, description: "File whose first line is the stream key." })),
    url: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048, description: "Instead of a key: address that the stream is pulled from (rtsp, rtsps, rtmp, rtmps, srt, http, https, udp, file); see docs/pull.md. With a password in it, better: urlFile." })),
    urlFile: Type.Optional(Type.String({ minLength: 1, description: "File whose first line is that address." })),
    format: Type.Optional(
      Type.Union([Type.Literal("flv"), Type.Literal("mpegts"), Type.Literal("hls"), Type.Literal("dash")], { description: "What an http or https address serves, where its path does not end in .flv, .ts, .m3u8 or .mpd." }),
    ),
    loop: Type.Optional(Type.Boolean({ description: "Begin a pulled file or recording again at its end." })),
    alerts: Type.Optional(AlertOverrides),
  },
  { additionalProperties: false },
);

/** Goes into a Link header: no quotes, no angle brackets, no control characters. */
const IceServer = Type.Object(
  {
    url: Type.String({ pattern: "^(stun|stuns|turn|turns):[^\\s<>\"]{1,255}$", description: "stun:host:port or turn:host:port?transport=udp." }),
    username: Type.Optional(Type.String({ pattern: "^[\\x21-\\x7e]{1,255}$" })),
    credential: Type.Optional(Type.String({ pattern: "^[\\x21-\\x7e]{1,255}$" })),
  },
  { additionalProperties: false },
);

export const ConfigSchema = section("Truecast's configuration. Environment variables override single keys: TRUECAST_HTTP_PORT=8080 sets http.port.", {
  dataDir: Type.String({ default: "var", minLength: 1, description: "Folder for the alert store and for keys and tokens that Truecast generates; relative to the working folder." }),
  streams: Type.Array(StreamEntry, {
    default: [],
    maxItems: 256,
    description: "Streams that may be published, each with its own secret key, or that are pulled from an address. Empty: one stream `studio` with a generated key, printed at the first start.",
  }),
  http: section("HTTP API, WebSocket, metrics and dashboard.", {
    host: host("Address to listen on. Anything but loopback demands a token."),
    port: port(8480, "TCP port; 0 picks a free one."),
    tokenFile: nullable(Type.String({ minLength: 1 }), "File whose first line is the access token. Absent and not on loopback: one is generated into dataDir and printed."),
    allowedHosts: Type.Array(Type.String({ minLength: 1 }), { default: [], description: "Further names that the Host header may carry, for use behind a proxy." }),
    allowedOrigins: Type.Array(Type.String({ minLength: 1 }), { default: [], description: "Further origins whose pages may open the WebSocket." }),
    trustedProxies: Type.Array(Type.String({ pattern: "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$", maxLength: 64 }), {
      default: [],
      maxItems: 64,
      description: "Addresses and CIDR blocks of proxies before Truecast, whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    }),
    maxWebSocketClients: Type.Integer({ default: 1_000, minimum: 1, maximum: 100_000, description: "Dashboards and other live clients at one time." }),
    publicUrl: nullable(Type.String({ pattern: "^https?://[^\\s#?]{1,500}$" }), "Where people reach the dashboard, for links in messages, such as https://truecast.example."),
    webSocketBufferBytes: Type.Integer({ default: 1_048_576, minimum: 65_536, maximum: 67_108_864, description: "Unsent bytes after which a slow client is dropped with close code 1013." }),
  }),
  access: section("Who may enter; see docs/access.md.", {
    loopback: Type.Union([Type.Literal("until-token"), Type.Literal("always"), Type.Literal("never")], {
      default: "until-token",
      description: "Whether whoever is on this machine is an administrator without a token, where http.host is loopback: until a token is configured or was ever made, always, or never.",
    }),
    sessionIdleMinutes: Type.Integer({ default: 720, minimum: 5, maximum: 43_200, description: "A dashboard that is not open for this long is signed out. Minutes." }),
    sessionMaxHours: Type.Integer({ default: 168, minimum: 1, maximum: 8_760, description: "A sign-in ends after this long in any case. Hours." }),
  }),
  rtmp: section("RTMP ingest.", {
    host: host("Address to listen on; publishers need a stream key on any."),
    port: port(1935, "TCP port; 0 picks a free one."),
    maxConnections: Type.Integer({ default: 64, minimum: 1, maximum: 4_096, description: "Open connections at one time, publishing or not." }),
    stallMs: milliseconds(8_000, 1_000, 60_000, "A publisher, over RTMP or WHIP, that sends nothing for this long is reported, and ended when it goes on as long again."),
    graceMs: milliseconds(15_000, 0, 600_000, "How long a stream's path, tracks and windows wait for a publisher, over RTMP or WHIP, or a source that went away."),
  }),
  rtmps: section("RTMP over TLS, on the address of RTMP and under its caps and times; opened once a certificate is configured.", {
    port: port(1936, "TCP port; 0 picks a free one."),
    certFile: nullable(Type.String({ minLength: 1 }), "Certificate in PEM, with those between it and a root behind it; relative to the configuration file. It is taken anew when the file changes; open connections keep theirs."),
    keyFile: nullable(Type.String({ minLength: 1 }), "Its private key in PEM, without passphrase."),
  }),
  whip: section("WebRTC ingest over WHIP (RFC 9725): from browsers, OBS 30 and later, GStreamer.", {
    enabled: Type.Boolean({ default: true, description: "false: neither port is opened." }),
    host: Type.String({ default: "127.0.0.1", pattern: "^[0-9A-Fa-f.:]{2,45}$", description: "Address to listen on, HTTP and media; a literal one." }),
    port: port(8481, "TCP port of the HTTP side; 0 picks a free one. Truecast speaks plain HTTP: across a network, put a TLS proxy before it."),
    udpPort: port(8481, "UDP port of all media; 0 picks a free one."),
    advertisedAddresses: Type.Array(Type.String({ pattern: "^(\\[[0-9A-Fa-f:]+\\](:[0-9]{1,5})?|[0-9A-Fa-f:.]+)$" }), {
      default: [],
      maxItems: 8,
      description: "Where publishers reach udpPort, as address or address:port; needed behind NAT and in containers. Empty: the bound address, or all of the machine.",
    }),
    iceServers: Type.Array(IceServer, { default: [], maxItems: 8, description: "STUN and TURN servers that publishers are told to use. They need none unless their network blocks UDP." }),
    codecs: nullable(
      Type.Array(Type.Union([Type.Literal("h264"), Type.Literal("vp8"), Type.Literal("vp9"), Type.Literal("av1")]), { minItems: 1, maxItems: 4 }),
      "Codecs that are taken, the preferred first, for example [h264, vp8]. null: all four, as the publisher prefers them.",
    ),
    publicUrl: nullable(
      Type.String({ pattern: "^https?://[A-Za-z0-9.:\\[\\]-]{1,255}/whip$" }),
      "Where publishers reach the HTTP side when it is not where it listens, as behind a TLS proxy: https://truecast.example/whip. The dashboard publishes there, and shows it.",
    ),
    maxBitrateKbps: Type.Integer({ default: 4_000, minimum: 100, maximum: 50_000, description: "Video bit rate that publishers are asked not to exceed." }),
    maxSessions: Type.Integer({ default: 32, minimum: 1, maximum: 256, description: "WebRTC sessions at one time, connected or not." }),
  }),
  outbound: section("Which addresses Truecast may connect to on its own, for pulled streams and receivers of alerts.", {
    allow: Type.Array(Type.String({ minLength: 1, maxLength: 64, pattern: "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$" }), {
      default: [],
      description: "Addresses and CIDR blocks that may be reached although they are not public, for example [192.168.10.0/24] for the cameras of a building. A cloud's metadata service must be named by its own address.",
    }),
  }),
  pull: section("Streams that Truecast fetches itself.", {
    maxSources: Type.Integer({ default: 64, minimum: 1, maximum: 256, description: "Pulled streams, configured and added over HTTP together." }),
    fileRoots: Type.Array(Type.String({ pattern: "^/" }), { default: [], description: "Folders below which file:/// addresses may lie; none by default." }),
    transcode: Type.Boolean({ default: true, description: "Re-encode video that is not H.264, at ten frames a second; false refuses it." }),
    connectTimeoutMs: milliseconds(20_000, 1_000, 120_000, "From the start of a connection to its first video."),
    readTimeoutMs: milliseconds(10_000, 1_000, 120_000, "A connection that gives no video for this long is given up."),
    maxBackOffMs: milliseconds(30_000, 1_000, 3_600_000, "Longest wait before a source is tried again; the first is a second."),
    maxPlaylistBytes: Type.Integer({ default: 1_048_576, minimum: 1_024, maximum: 16_777_216, description: "Longest HLS playlist or DASH manifest that is read." }),
  }),
  decode: section("One ffmpeg a stream.", {
    frameTimeoutMs: milliseconds(3_000, 500, 30_000, "A decoder that takes packets but gives no frame for this long is restarted."),
  }),
  faces: section("Finding and following faces.", {
    maxFaces: Type.Integer({ default: 8, minimum: 1, maximum: 32, description: "Faces followed in one stream, the biggest first." }),
    minFacePx: Type.Integer({ default: 40, minimum: 16, maximum: 512, description: "Smaller faces are not scored." }),
    facelessAfterMs: milliseconds(2_000, 500, 60_000, "A face not seen for this long ends its track."),
  }),
  analysis: section("Processes that decode, detect and track.", {
    workers: Type.Integer({ default: 0, minimum: 0, maximum: 64, description: "Number of analysis processes; 0 is one for every four cores, at most 8." }),
    maxStreams: Type.Integer({ default: 16, minimum: 1, maximum: 256, description: "Streams published or pulled at one time; more are refused, or held off." }),
  }),
  inference: section("The model and where it runs.", {
    model: Type.String({ default: "edge", pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", description: "Folder name under models/. `scripted` is a labelled stand-in for tests that detects nothing." }),
    modelsDir: nullable(Type.String({ minLength: 1 }), "Folder of model folders; null is the one shipped with Truecast."),
    provider: Type.Union([Type.Literal("auto"), Type.Literal("cpu"), Type.Literal("cuda"), Type.Literal("webgpu")], {
      default: "auto",
      description: "Execution provider. `auto` takes CUDA where it loads and else the CPU; any other that does not load is an error.",
    }),
    threads: Type.Integer({ default: 0, minimum: 0, maximum: 256, description: "CPU threads of one inference; 0 is one a core." }),
    maxBatch: Type.Integer({ default: 16, minimum: 1, maximum: 256, description: "Crops in one batch across all streams." }),
  }),
  alerts: section("When a score becomes an alert.", {
    threshold: nullable(Type.Number({ minimum: 0, maximum: 1 }), "Score from which an alert becomes pending; null is the model's own lower edge of `manipulated`."),
    hysteresis: probability(0.05, "How far under the threshold the score must fall before an alert can end."),
    dwellMs: milliseconds(2_000, 0, 600_000, "Time above the threshold before an alert fires."),
    resolveMs: milliseconds(5_000, 0, 600_000, "Time below the threshold before a firing alert is resolved."),
    coolDownMs: milliseconds(60_000, 0, 86_400_000, "After an alert ends, time in which the same face raises no second one. A firing alert waits as long, but no longer than a minute, for a face that left."),
    minFrames: Type.Union([Type.Literal(40), Type.Literal(60), Type.Literal(80), Type.Literal(100)], { default: 100, description: "Frames that must stand behind a score before it counts for alerts." }),
  }),
  evidence: section("What is kept of an alert that fired: a clip, face crops, score line, heat map, signed; see docs/evidence.md.", {
    enabled: Type.Boolean({ default: true, description: "false: nothing is recorded." }),
    beforeMs: milliseconds(5_000, 0, 60_000, "Time in the clip before the ten seconds that the first score over the threshold is about."),
    afterMs: milliseconds(5_000, 0, 60_000, "Time in the clip after the alert ends."),
    maxClipMs: milliseconds(300_000, 10_000, 3_600_000, "Of a longer alert, the first part of this length is kept, and its last moments."),
    ringBytes: Type.Integer({ default: 33_554_432, minimum: 1_048_576, maximum: 536_870_912, description: "Encoded video kept in memory of each stream, so that a clip can begin in the past." }),
    heatMaps: Type.Boolean({ default: true, description: "Compute where in the face the evidence lies: some seconds of one core at the lowest priority, after each alert." }),
    cropsDays: Type.Integer({ default: 30, minimum: 1, maximum: 3_650, description: "Face crops, contact sheets and heat-map pictures older than this are removed." }),
    clipsDays: Type.Integer({ default: 90, minimum: 1, maximum: 3_650, description: "Clips older than this are removed." }),
    verdictsDays: Type.Integer({ default: 90, minimum: 1, maximum: 3_650, description: "Score lines, reports and heat-map figures older than this are removed." }),
    maxBytes: Type.Integer({ default: 10_737_418_240, minimum: 1_048_576, maximum: 1_125_899_906_842_624, description: "Past this size of all evidence the oldest is removed, but none under legal hold." }),
    minFreeBytes: Type.Integer({ default: 536_870_912, minimum: 0, maximum: 1_125_899_906_842_624, description: "With less free on the disk, no clip and no crops are recorded: the alert store needs the rest." }),
  }),
  blindSpots: section("When a stream that cannot be judged as it should is itself an alert.", {
    expectFace: Type.Boolean({ default: false, description: "Whether a stream should always show a face that can be judged, where its own `alerts.expectFace` does not say. The next three keys are for such streams." }),
    noFaceMs: milliseconds(300_000, 5_000, 86_400_000, "A live stream without such a face for this long raises `no-usable-face`."),
    lowCoverageMs: milliseconds(300_000, 60_000, 86_400_000, "Span over which windows that held too few usable crops are counted."),
    maxLowCoverage: probability(0.5, "Share of such windows from which `low-coverage` is raised."),
    decoderRestarts: Type.Boolean({ default: true, description: "Raise `decoder-restarts`, on any stream, when its decoder ended so often that it has to wait before the next try." }),
  }),
  receivers: Type.Array(ReceiverEntry, {
    default: [],
    maxItems: 32,
    description: "Who is told of alerts beside the dashboard; see docs/webhooks.md. Each gets every event at least once, in order for each alert, from its first start on.",
  }),
  delivery: section("How events get to receivers.", {
    answerTimeoutMs: milliseconds(10_000, 1_000, 60_000, "A receiver that has not answered by then is tried again later."),
    giveUpAfterMs: milliseconds(259_200_000, 60_000, 2_592_000_000, "For how long an event is tried again; 259200000 is three days."),
  }),
  store: section("The alert store (SQLite).", {
    retentionDays: Type.Integer({ default: 90, minimum: 1, maximum: 3_650, description: "Resolved alerts older than this are removed." }),
  }),
  log: section("Structured logs on standard output.", {
    level: Type.Union([Type.Literal("debug"), Type.Literal("info"), Type.Literal("warn"), Type.Literal("error"), Type.Literal("silent")], { default: "info", description: "Least severe level that is written." }),
  }),
});

/** The configuration as it is in force, defaults filled in. */
export type Config = Static<typeof ConfigSchema>;
export type StreamConfig = Static<typeof StreamEntry>;
