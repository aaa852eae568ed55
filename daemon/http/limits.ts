/** The bounds of the HTTP and WebSocket interface, all in one place. */

export interface HttpLimits {
  /** Open TCP connections beside those of WebSocket clients; more are dropped at once. */
  readonly maxRequestConnections: number;
  readonly maxParamLength: number;
  readonly maxHeaderBytes: number;
  /** For routes that do not say otherwise: a token to sign in with is the longest body. */
  readonly maxBodyBytes: number;
  readonly headersTimeoutMs: number;
  /** Time to receive a whole request. */
  readonly requestTimeoutMs: number;
  /** Time for a handler to answer. */
  readonly handlerTimeoutMs: number;
  /** A connection on which nothing moves, in either direction. Does not apply to WebSocket clients, which are pinged. */
  readonly socketIdleTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Time that requests under way get when the server closes. */
  readonly drainTimeoutMs: number;
  readonly maxLiveClients: number;
  /** Bytes a WebSocket client may leave unread in this process before it is dropped. */
  readonly maxClientBufferBytes: number;
  /** Recent numbered messages kept for clients that come back. */
  readonly maxRingMessages: number;
  readonly maxRingBytes: number;
  /** Shortest time between two `stream` messages about the same stream. */
  readonly streamIntervalMs: number;
  readonly pingIntervalMs: number;
  /** How often it is asked whether the clients may still listen. */
  readonly accessCheckMs: number;
  /** Groups of WebSocket clients that see the same streams, beside the one that sees all. */
  readonly maxScopes: number;
  /** As maxRingBytes, for each of these groups. */
  readonly maxScopeRingBytes: number;
  /** Time a client gets to answer a close frame before its socket is destroyed. */
  readonly closeTimeoutMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxRequestConnections: 256,
  maxParamLength: 100,
  maxHeaderBytes: 16_384,
  maxBodyBytes: 1_024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  handlerTimeoutMs: 10_000,
  socketIdleTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  drainTimeoutMs: 1_000,
  maxLiveClients: 1_000,
  maxClientBufferBytes: 1_048_576,
  maxRingMessages: 2_000,
  maxRingBytes: 1_048_576,
  streamIntervalMs: 250,
  pingIntervalMs: 15_000,
  accessCheckMs: 1_000,
  maxScopes: 64,
  maxScopeRingBytes: 262_144,
  closeTimeoutMs: 2_000,
};
