/** Every cap and time-out of the pull process, with its default. */

export const PULL_LIMITS = {
  maxSources: 64,
  /** From the start of a connection to its first video packet. */
  connectTimeoutMs: 20_000,
  /** Silence after which a connection is given up. */
  readTimeoutMs: 10_000,
  firstBackOffMs: 1_000,
  maxBackOffMs: 30_000,
  /** A connection that lasted this long counts as good: the next try is soon again. */
  healthyAfterMs: 30_000,
  maxPlaylistBytes: 1024 * 1024,
  maxSegmentBytes: 64 * 1024 * 1024,
  /** One video packet. */
  maxPacketBytes: 8 * 1024 * 1024,
  /** From SIGTERM to SIGKILL. */
  termGraceMs: 1_000,
  lingerMs: 1_000,
  gopCacheBytes: 6 * 1024 * 1024,
  gopCachePackets: 2_000,
  routeBufferBytes: 8 * 1024 * 1024,
  statsIntervalMs: 1_000,
} as const;

export type PullLimits = { readonly [K in keyof typeof PULL_LIMITS]: number };
