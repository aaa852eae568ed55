/** Every cap and time-out of the ingest process, with its default; each may be overridden in the init options. */

export const INGEST_LIMITS = {
  /** From accept to the end of the RTMP handshake; over RTMPS the TLS handshake before it has as long. */
  handshakeTimeoutMs: 5_000,
  /** From accept to an accepted `publish`. */
  publishTimeoutMs: 10_000,
  maxConnections: 64,
  /** Between looks at the files of the RTMPS certificate. */
  certificateCheckMs: 5_000,
  maxPublishers: 16,
  /** Largest declared length of one RTMP message, by kind. */
  maxVideoPacketBytes: 8 * 1024 * 1024,
  maxAudioPacketBytes: 256 * 1024,
  maxDataBytes: 256 * 1024,
  maxCommandBytes: 16 * 1024,
  maxControlBytes: 64,
  /** Chunk streams one connection may use; each keeps a reassembly buffer. */
  maxChunkStreams: 32,
  /** All reassembly buffers of one connection together, before and after it may publish. */
  maxBufferedBytesBeforePublish: 64 * 1024,
  maxBufferedBytes: 16 * 1024 * 1024,
  /** Bytes a client may leave unread of what is sent to it. */
  maxUnreadReplyBytes: 256 * 1024,
  maxCommands: 64,
  maxMessagesBeforePublish: 128,
  /** Far above real time; a file sent without pacing is cut off here. */
  maxMessagesPerSecond: 10_000,
  /** Changes of the video sequence header; each one restarts a decoder. */
  maxFormatChangesPerSecond: 5,
  maxAmfDepth: 8,
  maxAmfValues: 512,
  /** Silence after which a publisher counts as stalled: reported within 10 s, and its path may be taken over. */
  stallWarnMs: 8_000,
  /** From that report to the end of the connection. */
  stallEndMs: 5_000,
  /** Time with audio but no video after which `no-video` is reported; the connection is kept. */
  noVideoMs: 10_000,
  /** How long a refused client may read the reason before its socket is destroyed. */
  lingerMs: 1_000,
  /** Packets since the last keyframe that are kept for a new route; past either cap the cache waits for a keyframe. */
  gopCacheBytes: 6 * 1024 * 1024,
  gopCachePackets: 2_000,
  /** Bytes that may wait for a slow reader of a route; past it packets are dropped up to the next keyframe. */
  routeBufferBytes: 8 * 1024 * 1024,
  /** Refusals told one by one; the rest is only counted, in `stats`. */
  maxRefusalReportsPerSecond: 20,
  /** WHIP: sessions at one time, in all and from one address, and open HTTP connections. */
  whipMaxSessions: 32,
  whipMaxSessionsPerAddress: 8,
  whipMaxHttpConnections: 64,
  /** Bodies of a POST and of a PATCH; Chromium's offers have 7 KiB. */
  whipMaxOfferBytes: 64 * 1024,
  whipMaxFragmentBytes: 16 * 1024,
  /** From the first byte of a request to its last. */
  whipRequestTimeoutMs: 5_000,
  /** From the POST to the end of the DTLS handshake. */
  whipConnectTimeoutMs: 10_000,
  /** Without any authentic packet for this long the peer is gone; a living one sends an ICE check every 2.5 s and more. */
  whipSilenceMs: 5_000,
  /** Addresses of one peer that were proven by an ICE check. */
  whipMaxAddresses: 8,
  whipMaxHandshakeBytes: 16 * 1024,
  whipMaxHandshakeDatagrams: 256,
  /** Authenticated or not, from the addresses of one peer: 55 Mbit/s of full packets. */
  whipMaxDatagramsPerSecond: 6_000,
  /** How long a lost packet holds back what follows while it is asked for again. */
  whipHoldMs: 150,
  whipMaxHeldPackets: 512,
  /** Between requests for a keyframe that does not come. */
  whipKeyframeRetryMs: 500,
  /** A keyframe is asked for when there was none for this long: a browser sends one in all, and what starts late needs one. */
  whipKeyframeEveryMs: 4_000,
  /** Between looks at what to ask for again. */
  whipPulseMs: 20,
  whipReportEveryMs: 1_000,
  tickMs: 250,
  statsIntervalMs: 1_000,
} as const;

export type IngestLimits = { readonly [K in keyof typeof INGEST_LIMITS]: number };
