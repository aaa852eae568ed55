/**
 * What Truecast says to the outside: the JSON of the HTTP API and of the WebSocket.
 * The OpenAPI document is generated from these schemas; dashboard and extension take their types from here (types only).
 */
import { type Static, type TSchema, Type } from "typebox";

const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Probability = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const Timestamp = (description: string) => Type.Integer({ minimum: 0, description: `${description} Milliseconds since the Unix epoch.` });

export const Verdict = Type.Union(
  [
    Type.Object({
      kind: Type.Union([Type.Literal("authentic"), Type.Literal("uncertain"), Type.Literal("suspicious"), Type.Literal("manipulated")]),
      score: Probability("Calibrated probability of manipulation."),
      frames: Type.Union([Type.Literal(40), Type.Literal(60), Type.Literal(80), Type.Literal(100)], { description: "Slots behind the score; under 100 is provisional." }),
      coverage: Probability("Share of the due slots of the window that held a usable crop; under overload only every second or fourth slot is due."),
      samplingFps: Type.Optional(
        Type.Union([Type.Literal(5), Type.Literal(2.5)], { description: "Present when a part of the window, or all of it, was sampled at so many slots a second instead of 10, because of overload." }),
      ),
    }),
    Type.Object({
      kind: Type.Literal("unscored"),
      reason: Type.String({ description: "Why there is no verdict; see docs/glossary.md." }),
      score: Nullable(Probability("Last raw score, for display only; never a verdict.")),
    }),
  ],
  { $id: "Verdict" },
);
export type Verdict = Static<typeof Verdict>;

/** Box as fractions of the picture, so that it fits any thumbnail. */
export const NormalizedBox = Type.Object({ x: Type.Number(), y: Type.Number(), width: Type.Number(), height: Type.Number() });

export const Track = Type.Object(
  {
    id: Type.Integer({ minimum: 1, description: "Unique within its stream." }),
    box: NormalizedBox,
    verdict: Verdict,
    firstSeenAt: Timestamp("When the track began."),
    lastSeenAt: Timestamp("When the face was last seen."),
  },
  { $id: "Track" },
);
export type Track = Static<typeof Track>;

export const STREAM_STATES = ["waiting", "starting", "live", "stalled", "reconnecting", "failed"] as const;
export const StreamState = Type.Union(
  [
    Type.Literal("waiting", { description: "Configured; no publisher yet, or its source is not connected." }),
    Type.Literal("starting", { description: "A publisher is connected; no frame decoded yet." }),
    Type.Literal("live", { description: "Frames arrive." }),
    Type.Literal("stalled", { description: "The publisher or the decoder delivers nothing; recovery is under way." }),
    Type.Literal("reconnecting", { description: "The publisher is gone; its path, tracks and windows are kept for the grace time." }),
    Type.Literal("failed", { description: "Cannot go on without a change; stateReason says why." }),
  ],
  { $id: "StreamState" },
);
export type StreamState = Static<typeof StreamState>;

export const SourceKind = Type.Union(
  [Type.Literal("rtsp"), Type.Literal("srt"), Type.Literal("hls"), Type.Literal("dash"), Type.Literal("http-flv"), Type.Literal("http-ts"), Type.Literal("rtmp"), Type.Literal("udp-ts"), Type.Literal("file")],
  { $id: "SourceKind" },
);
export type SourceKind = Static<typeof SourceKind>;

/** How a stream's video comes in: sent by a publisher over RTMP, RTMPS or WHIP, or pulled from a source. */
export const PublisherProtocol = Type.Union([SourceKind, Type.Literal("rtmps"), Type.Literal("whip")], { $id: "PublisherProtocol" });
export type PublisherProtocol = Static<typeof PublisherProtocol>;

export const SOURCE_STATES = ["connecting", "connected", "backing-off", "ended", "down"] as const;

/** Where a pulled stream comes from, and how that goes. */
export const Source = Type.Object(
  {
    kind: SourceKind,
    address: Type.String({ description: "Scheme, host and port; never user, password, path or query." }),
    loop: Type.Boolean(),
    origin: Type.Union([Type.Literal("config"), Type.Literal("api")], { description: "Those of the configuration cannot be changed over HTTP." }),
    state: Type.Union([
      Type.Literal("connecting"),
      Type.Literal("connected", { description: "Video comes in." }),
      Type.Literal("backing-off", { description: "The last connection ended; reason says why, nextTryAt when it is tried again." }),
      Type.Literal("ended", { description: "A file that does not loop has been played." }),
      Type.Literal("down", { description: "The process that pulls is not running." }),
    ]),
    reason: Nullable(Type.Object({ code: Type.String({ description: "Code of docs/errors.md." }), message: Type.String() })),
    attempts: Type.Integer({ description: "Connections begun since the source was set." }),
    nextTryAt: Nullable(Timestamp("When it is tried again.")),
  },
  { $id: "Source" },
);
export type Source = Static<typeof Source>;

/** Body of `PUT /api/v1/streams/{name}/source`. */
export const SourceInput = Type.Object(
  {
    // No longest length here: a violation is answered with the value, and this one holds credentials.
    url: Type.String({ minLength: 1, description: "At most 2,048 characters: rtsp, rtsps, rtmp, rtmps, srt, http, https, udp or file. May hold credentials; no answer ever repeats them." }),
    format: Type.Optional(
      Type.Union([Type.Literal("flv"), Type.Literal("mpegts"), Type.Literal("hls"), Type.Literal("dash")], { description: "What an http or https address serves, where its path does not end in .flv, .ts, .m3u8 or .mpd." }),
    ),
    loop: Type.Optional(Type.Boolean({ default: false, description: "Begin a file or recording again at its end." })),
  },
  { $id: "SourceInput", additionalProperties: false },
);
export type SourceInput = Static<typeof SourceInput>;

export const Stream = Type.Object(
  {
    name: Type.String({ description: "Name from the configuration; never the stream key." }),
    state: StreamState,
    stateReason: Nullable(Type.Object({ code: Type.String({ description: "Code of docs/errors.md." }), message: Type.String() })),
    stateSince: Timestamp("When the state began."),
    publisher: Nullable(
      Type.Object({
        protocol: PublisherProtocol,
        videoCodec: Nullable(Type.String()),
        widthPx: Nullable(Type.Integer()),
        heightPx: Nullable(Type.Integer()),
        connectedAt: Timestamp("When it began to publish."),
        bitrateKbps: Nullable(Type.Number({ description: "Video bit rate over the last seconds." })),
      }),
    ),
    source: Nullable(Source),
    verdict: Verdict,
    tracks: Type.Array(Track),
    analysedFps: Type.Number({ description: "Frames analysed a second, over the last five seconds." }),
    samplingFps: Type.Number({ description: "Frames a second aimed at; below 10 under overload." }),
    frameAgeMs: Nullable(Type.Number({ description: "Decode to score of the newest scored frame, milliseconds." })),
    frames: Type.Object({ decoded: Type.Integer(), discarded: Type.Integer(), lost: Type.Integer() }),
    facelessSeconds: Type.Number({ description: "Time since a usable face was last seen while live; 0 while one is seen." }),
    thumbnailPtsMs: Nullable(Type.Number({ description: "Changes with each new thumbnail." })),
    firingAlerts: Type.Integer({ minimum: 0 }),
  },
  { $id: "Stream" },
);
export type Stream = Static<typeof Stream>;

/** One point of the score line. */
export const ScorePoint = Type.Object(
  {
    at: Timestamp("When the score was given."),
    ptsMs: Type.Number(),
    track: Type.Integer({ minimum: 1 }),
    frames: Type.Integer({ description: "40, 60, 80 or 100." }),
    score: Probability("Probability of manipulation."),
    coverage: Probability("Share of the due slots of the window that held a usable crop; under overload only every second or fourth slot is due."),
  },
  { $id: "ScorePoint" },
);
export type ScorePoint = Static<typeof ScorePoint>;

export const StreamDetail = Type.Object({ stream: Stream, scores: Type.Array(ScorePoint, { description: "Last ten minutes, oldest first." }) }, { $id: "StreamDetail" });
export type StreamDetail = Static<typeof StreamDetail>;

export const AlertState = Type.Union([Type.Literal("pending"), Type.Literal("firing"), Type.Literal("resolved")], { $id: "AlertState" });
export type AlertState = Static<typeof AlertState>;

export const BLIND_SPOT_RULES = ["no-usable-face", "low-coverage", "decoder-restarts"] as const;
export const BlindSpotRule = Type.Union(
  [
    Type.Literal("no-usable-face", { description: "A stream that should show a face has shown none that can be judged; measured in seconds." }),
    Type.Literal("low-coverage", { description: "Too many windows held too few usable crops to count; measured as their share." }),
    Type.Literal("decoder-restarts", { description: "The decoder ended so often that it has to wait before the next try; measured in restarts." }),
  ],
  { $id: "BlindSpotRule" },
);
export type BlindSpotRule = Static<typeof BlindSpotRule>;

export const AlertRule = Type.Union([Type.Literal("manipulated-face"), ...BlindSpotRule.anyOf], { $id: "AlertRule" });
export type AlertRule = Static<typeof AlertRule>;
export const ALERT_RULES = ["manipulated-face", ...BLIND_SPOT_RULES] as const;

export const AlertResolution = Type.Union(
  [
    Type.Literal("score-fell"),
    Type.Literal("track-ended", { description: "The face left the picture and did not come back in time." }),
    Type.Literal("stream-ended"),
    Type.Literal("analysis-restarted", { description: "The process that followed the face ended, and the face was not known again in time." }),
    Type.Literal("daemon-restarted"),
    Type.Literal("cleared", { description: "What a blind-spot alert told of is over." }),
  ],
  { $id: "AlertResolution" },
);
export type AlertResolution = Static<typeof AlertResolution>;

/** What every alert has, whatever its rule. */
const AlertLife = {
  id: Type.String({ format: "uuid", description: "The incident's: it stays the same for its whole life." }),
  stream: Type.String(),
  state: AlertState,
  resolution: Nullable(AlertResolution),
  pendingAt: Timestamp("When the score first crossed the threshold, or the blind spot began."),
  firingAt: Nullable(Timestamp("When it first fired.")),
  resolvedAt: Nullable(Timestamp("When it ended.")),
  unstored: Type.Optional(Type.Literal(true, { description: "Present while the alert store could not commit this state: it may be gone after a restart." })),
} as const;

/** One face, and one stretch of manipulation of it. */
export const FaceAlert = Type.Object(
  {
    ...AlertLife,
    rule: Type.Literal("manipulated-face"),
    track: Type.Integer({ minimum: 1, description: "The first of `tracks`." }),
    tracks: Type.Array(Type.Integer({ minimum: 1 }), { minItems: 1, description: "Every track of this face, in the order in which they joined." }),
    score: Probability("Latest score."),
    peakScore: Probability("Highest score so far."),
    threshold: Probability("Threshold in force."),
    model: Type.Object({ name: Type.String(), sha256: Type.String(), scripted: Type.Boolean({ description: "True: raised by the scripted stand-in, not by a detector." }) }),
  },
  { $id: "FaceAlert" },
);
export type FaceAlert = Static<typeof FaceAlert>;

/** The stream cannot be judged as it should; says nothing of any face. */
export const BlindSpotAlert = Type.Object(
  {
    ...AlertLife,
    rule: BlindSpotRule,
    measured: Type.Number({ minimum: 0, description: "Latest value of what the rule measures, in the rule's unit." }),
    limit: Type.Number({ minimum: 0, description: "Limit in force, in the same unit." }),
  },
  { $id: "BlindSpotAlert" },
);
export type BlindSpotAlert = Static<typeof BlindSpotAlert>;

/** `rule` tells which of the two it is. */
export const Alert = Type.Union([FaceAlert, BlindSpotAlert], { $id: "Alert" });
export type Alert = Static<typeof Alert>;

/** What is kept of an incident besides its alert; docs/evidence.md says what each file shows and does not. */
export const Evidence = Type.Object(
  {
    alert: Type.String({ format: "uuid" }),
    state: Type.Union([
      Type.Literal("recording", { description: "The incident goes on, or ended a moment ago." }),
      Type.Literal("finishing", { description: "Clip and pictures are being made." }),
      Type.Literal("complete", { description: "Sealed: hashed, signed and in the log." }),
      Type.Literal("incomplete", { description: "Something is missing; problems says what. Sealed too, unless sealedAt is null: then it is tried again." }),
      Type.Literal("deleted"),
    ]),
    problems: Type.Array(Type.Object({ code: Type.String({ description: "Code of docs/evidence.md." }), message: Type.String() })),
    held: Type.Boolean({ description: "Under legal hold: nothing of it is deleted." }),
    bytes: Type.Integer({ minimum: 0, description: "Of the files that are still there." }),
    sealedAt: Nullable(Timestamp("When it was signed.")),
    removal: Nullable(Type.Object({ at: Timestamp("When it was deleted."), cause: Type.Union([Type.Literal("retention"), Type.Literal("quota"), Type.Literal("request")]) })),
    clips: Type.Array(
      Type.Object({
        name: Type.String(),
        codec: Type.String(),
        zeroPtsMs: Type.Number({ description: "Media clock at second 0 of the clip; that of its second s is zeroPtsMs + 1000 * s, as in the score line's ptsMs." }),
        firstPtsMs: Type.Number({ description: "Media clock of its first picture." }),
        lastPtsMs: Nullable(Type.Number({ description: "Media clock of its last picture; null when the recording was cut off." })),
      }),
    ),
    files: Type.Array(
      Type.Object({
        name: Type.String({ description: "To be read at …/evidence/{name}." }),
        kind: Type.Union([Type.Literal("clip"), Type.Literal("crops"), Type.Literal("verdict")], { description: "How long it is kept." }),
        mediaType: Type.String(),
        description: Type.String(),
        bytes: Type.Integer({ minimum: 0 }),
        sha256: Type.String(),
        removed: Type.Boolean({ description: "Deleted since, by the rules of its kind." }),
      }),
    ),
  },
  { $id: "Evidence" },
);
export type Evidence = Static<typeof Evidence>;

/** Body of `PUT /api/v1/alerts/{id}/evidence/hold`. */
export const EvidenceHold = Type.Object({ held: Type.Boolean({ description: "true: nothing of it is deleted until this is false again." }) }, { $id: "EvidenceHold", additionalProperties: false });
export type EvidenceHold = Static<typeof EvidenceHold>;

/** Answer to deleting the evidence of a stream. */
export const EvidenceRemoval = Type.Object(
  { removed: Type.Array(Type.String(), { description: "Alerts whose evidence is gone." }), kept: Type.Array(Type.String(), { description: "Alerts whose evidence stays: under legal hold, or not finished yet." }) },
  { $id: "EvidenceRemoval" },
);
export type EvidenceRemoval = Static<typeof EvidenceRemoval>;

export const ALERT_EVENT_KINDS = ["new", "update", "end"] as const;
export const AlertEventKind = Type.Union(
  [
    Type.Literal("new", { description: "The alert fires." }),
    Type.Literal("update", { description: "It got worse, a further track of the face joined it, or it fires again within its cool-down." }),
    Type.Literal("end", { description: "It is resolved." }),
  ],
  { $id: "AlertEventKind" },
);
export type AlertEventKind = Static<typeof AlertEventKind>;

const alertEventMark = {
  id: Type.String({ format: "uuid", description: "The same on every delivery of this event, over every channel." }),
  kind: AlertEventKind,
  at: Timestamp("When it happened."),
};

/** One thing that people are told of an alert; kept in the store, and delivered at least once. */
export const AlertEvent = Type.Object(
  {
    seq: Type.Integer({ minimum: 1, description: "Rises by one with each event, across restarts of the daemon." }),
    ...alertEventMark,
    alert: Alert,
  },
  { $id: "AlertEvent" },
);
export type AlertEvent = Static<typeof AlertEvent>;

/** An event beside its alert; `seq` is null while the store could not commit it. */
export const AlertEventMark = Type.Object({ seq: Nullable(Type.Integer({ minimum: 1 })), ...alertEventMark }, { $id: "AlertEventMark" });
export type AlertEventMark = Static<typeof AlertEventMark>;

/** Query of `GET /api/v1/events`. */
export const AlertEventQuery = Type.Object(
  {
    after: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: "Only events after this number; 0 for all that are kept." })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: "Events in one page." })),
  },
  { additionalProperties: false },
);
/** As handlers get it, with the defaults filled in. */
export type AlertEventQuery = Required<Static<typeof AlertEventQuery>>;

export const AlertEventPage = Type.Object(
  {
    events: Type.Array(AlertEvent, { description: "Oldest first." }),
    gap: Type.Boolean({ description: "True: events between `after` and the first one here are no longer kept, or `after` was never given out by this store." }),
    oldest: Type.Integer({ minimum: 1, description: "From this number on every event is kept, but for those of alerts that were deleted." }),
    newest: Type.Integer({ minimum: 0, description: "Number of the newest event; 0 before the first." }),
  },
  { $id: "AlertEventPage" },
);
export type AlertEventPage = Static<typeof AlertEventPage>;

export const ReceiverType = Type.Union([Type.Literal("webhook"), Type.Literal("alertmanager"), Type.Literal("slack"), Type.Literal("email")], { $id: "ReceiverType" });
export type ReceiverType = Static<typeof ReceiverType>;

/** Somebody who is told of alerts beside the clients of the WebSocket, and how that goes. */
export const ReceiverStatus = Type.Object(
  {
    name: Type.String(),
    type: ReceiverType,
    address: Type.String({ description: "Scheme, host and port; never user, password, path or query." }),
    state: Type.Union([
      Type.Literal("ready", { description: "The last delivery succeeded, or none was due yet." }),
      Type.Literal("retrying", { description: "The last delivery failed; nextTryAt is when it is tried again." }),
      Type.Literal("disabled", { description: "It answered 410 Gone: nothing is sent until it is enabled, or started with a changed configuration." }),
    ]),
    reason: Nullable(Type.String({ description: "Why it is disabled." })),
    backlog: Type.Integer({ minimum: 0, description: "Events that are not delivered yet, counted up to 100,000." }),
    oldestAt: Nullable(Timestamp("When the oldest of them happened.")),
    lastSuccessAt: Nullable(Timestamp("Of a delivery; tests do not count.")),
    lastFailure: Nullable(Type.Object({ at: Timestamp("When."), message: Type.String() })),
    nextTryAt: Nullable(Timestamp("Not before then.")),
  },
  { $id: "ReceiverStatus" },
);
export type ReceiverStatus = Static<typeof ReceiverStatus>;

export const ReceiverList = Type.Object({ receivers: Type.Array(ReceiverStatus) }, { $id: "ReceiverList" });
export type ReceiverList = Static<typeof ReceiverList>;

export const ReceiverTest = Type.Object(
  { id: Type.String({ format: "uuid", description: "Of the test's event." }), delivered: Type.Boolean(), message: Nullable(Type.String({ description: "Why it was not." })) },
  { $id: "ReceiverTest" },
);
export type ReceiverTest = Static<typeof ReceiverTest>;

export const StreamList = Type.Object({ streams: Type.Array(Stream) }, { $id: "StreamList" });
export type StreamList = Static<typeof StreamList>;

/** Query of `GET /api/v1/alerts`. */
export const AlertQuery = Type.Object(
  {
    stream: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "Only alerts of this stream." })),
    state: Type.Optional(AlertState),
    rule: Type.Optional(AlertRule),
    since: Type.Optional(Timestamp("Only alerts that became pending at or after this time.")),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100, description: "Alerts in one page." })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: "`nextCursor` of the page before; opaque." })),
  },
  { additionalProperties: false },
);
/** As handlers get it, with the default filled in. */
export type AlertQuery = Static<typeof AlertQuery> & { limit: number };

export const AlertPage = Type.Object(
  { alerts: Type.Array(Alert, { description: "Newest first." }), nextCursor: Nullable(Type.String({ description: "Cursor of the next page; null on the last one." })) },
  { $id: "AlertPage" },
);
export type AlertPage = Static<typeof AlertPage>;

export const ModelCard = Type.Object(
  {
    name: Type.String(),
    kind: Type.Union([Type.Literal("cnn-lstm"), Type.Literal("scripted")]),
    trained: Type.Boolean(),
    sha256: Type.String(),
    description: Type.String(),
    licence: Type.String(),
    training: Type.String({ description: "How and on what it was trained." }),
    accuracy: Nullable(Type.Record(Type.String(), Type.Number())),
    inputSizePx: Type.Integer(),
    window: Type.Integer(),
    hop: Type.Integer(),
    bands: Type.Object({ uncertain: Type.Number(), suspicious: Type.Number(), manipulated: Type.Number(), hysteresis: Type.Number() }),
    provider: Nullable(Type.String({ description: "Execution provider in use: cpu, cuda, webgpu or none; null while inference is down." })),
  },
  { $id: "ModelCard" },
);
export type ModelCard = Static<typeof ModelCard>;

export const SystemStatus = Type.Object(
  {
    version: Type.String(),
    startedAt: Timestamp("Start of the daemon."),
    rtmpUrl: Type.String({ description: "Where publishers connect over RTMP, without key." }),
    rtmpsUrl: Nullable(Type.String({ description: "The same over TLS, under a name that the certificate bears. Null: no certificate is configured." })),
    whipUrl: Nullable(Type.String({ description: "Where publishers connect over WHIP; the stream's name follows. Null: switched off." })),
    components: Type.Record(
      Type.String(),
      Type.Object({ state: Type.Union([Type.Literal("ready"), Type.Literal("starting"), Type.Literal("down")]), restarts: Type.Integer(), message: Nullable(Type.String()) }),
      { description: "ingest, analysis-N, inference, store; pull once a stream is pulled." },
    ),
    samplingFps: Type.Number(),
    capacity: Type.Object({ streams: Type.Integer(), maxStreams: Type.Integer() }),
  },
  { $id: "SystemStatus" },
);
export type SystemStatus = Static<typeof SystemStatus>;

export const Liveness = Type.Object({ status: Type.Literal("alive") }, { $id: "Liveness" });
export type Liveness = Static<typeof Liveness>;

export const Readiness = Type.Object(
  { ready: Type.Boolean(), reasons: Type.Array(Type.String(), { description: "Why it is not ready, one sentence each; empty when it is." }) },
  { $id: "Readiness" },
);
export type Readiness = Static<typeof Readiness>;

/** RFC 9457 problem details. */
export const Problem = Type.Object(
  { type: Type.String(), title: Type.String(), status: Type.Integer(), detail: Type.String(), code: Type.String() },
  { $id: "Problem" },
);
export type Problem = Static<typeof Problem>;

/** WebSocket close code for a client that reads too slowly (RFC 6455 section 7.4.1: 1013, try again later). */
export const SLOW_CLIENT_CLOSE_CODE = 1013;

/**
 * Server to client. `seq` rises by one with each numbered message of a run; `run` names the daemon's run.
 * A client reconnects with `?since=…`, the number of the last event it has seen: it gets the events it missed in `missed`
 * messages, then a snapshot. With `?run=…&message=…` as well it gets just the messages it missed, if they are still kept.
 */
export const ServerMessage = Type.Union(
  [
    Type.Object({
      type: Type.Literal("snapshot"),
      run: Type.String(),
      seq: Type.Integer({ minimum: 0 }),
      eventSeq: Type.Integer({ minimum: 0, description: "Number of the newest event that the store holds." }),
      system: SystemStatus,
      model: ModelCard,
      streams: Type.Array(Stream),
      alerts: Type.Array(Alert, { description: "Every open alert, and the newest ended ones up to 100 in all; newest first." }),
    }),
    Type.Object({ type: Type.Literal("resumed"), run: Type.String(), seq: Type.Integer() }),
    Type.Object({
      type: Type.Literal("missed"),
      ...AlertEventPage.properties,
      last: Type.Boolean({ description: "True on the last of them: the snapshot, or what resumes, comes next." }),
    }),
    Type.Object({ type: Type.Literal("stream"), seq: Type.Integer(), stream: Stream }),
    Type.Object({ type: Type.Literal("stream-removed"), seq: Type.Integer(), name: Type.String() }),
    Type.Object({ type: Type.Literal("score"), seq: Type.Integer(), stream: Type.String(), point: ScorePoint }),
    Type.Object({
      type: Type.Literal("alert"),
      seq: Type.Integer(),
      alert: Alert,
      event: Nullable(AlertEventMark),
    }),
    Type.Object({ type: Type.Literal("model"), seq: Type.Integer(), model: ModelCard }),
    Type.Object({ type: Type.Literal("system"), seq: Type.Integer(), system: SystemStatus }),
  ],
  { $id: "ServerMessage" },
);
export type ServerMessage = Static<typeof ServerMessage>;
