/** One source for as long as it is configured: connects, delivers, and comes back after each end with growing patience. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { TruecastError } from "../../../pipelines/errors.ts";
import type { GuardedHttp } from "../../outbound/guarded-http.ts";
import type { OutboundGuard } from "../../outbound/outbound-guard.ts";
import type { PullLimits } from "./limits.ts";
import type { PullEvent, PullStats, SourceState } from "./messages.ts";
import { pullOnce, type PullEnd } from "./pull-once.ts";
import { createPulledSession, type PulledSession } from "./pulled-session.ts";
import { createReconnectPolicy } from "./reconnect-policy.ts";
import { planSource, type SourceSpec, withoutSecrets } from "./source-plan.ts";

export interface PulledSourceOptions {
  readonly spec: SourceSpec;
  readonly fileRoots: readonly string[];
  readonly transcode: boolean;
  readonly guard: OutboundGuard;
  readonly http: GuardedHttp;
  readonly limits: PullLimits;
  readonly onEvent: (event: PullEvent) => void;
}

export interface PulledSource extends AsyncDisposable {
  readonly spec: SourceSpec;
  /** Ignored when the session is over. */
  routeTo(sessionId: string, socketPath: string): void;
  /** Ends the present connection with this reason. */
  end(sessionId: string, reason: TruecastError): void;
  /** Null while nothing comes in. */
  stats(): PullStats | null;
  close(): Promise<void>;
}

const CLOSED = new TruecastError("source-ended", "The source was taken out or changed.");

export function startPulledSource(options: PulledSourceOptions): PulledSource {
  const { spec, limits, onEvent } = options;
  const stream = spec.name;
  const closing = new AbortController();
  const policy = createReconnectPolicy({ firstMs: limits.firstBackOffMs, maxMs: limits.maxBackOffMs, healthyAfterMs: limits.healthyAfterMs });
  let connection = new AbortController();
  let session: PulledSession | null = null;
  let attempts = 0;
  let transcodes = false;
  let probe: "short" | "long" = "short";
  let connectedBefore = false;

  const enter = (state: SourceState): void => onEvent({ type: "source-state", stream, state, attempts });

  function begin(codec: string): PulledSession {
    const name = { stream, sessionId: randomUUID() };
    const created = createPulledSession({ name, limits, onRouteLost: (message) => onEvent({ type: "route-lost", ...name, message }) });
    session = created;
    connectedBefore = true;
    enter({ kind: "connected" });
    onEvent({ type: "connected", ...name, protocol: planSource(spec).kind, videoCodec: codec, connectedAt: Date.now() });
    return created;
  }

  /** Of one connection; a source whose codec turns out to be another is connected to a second time. */
  async function connect(): Promise<{ readonly end: PullEnd; readonly deliveredForMs: number }> {
    connection = new AbortController();
    const current = connection;
    let codec = "h264";
    let firstAtMs: number | null = null;
    let wrongCodec = false;
    const end = await pullOnce({
      plan: planSource(spec),
      context: { http: options.http, guard: options.guard, limits, fileRoots: options.fileRoots, loop: spec.loop ?? false, playRecordings: !connectedBefore || spec.loop === true },
      transcode: transcodes,
      probe,
      onTag(tag) {
        firstAtMs ??= performance.now();
        (session ?? begin(codec)).take(tag);
      },
      onCodec(found) {
        codec = found;
        if (found === "h264" || transcodes || wrongCodec) return;
        wrongCodec = true;
        current.abort(new TruecastError("codec-unsupported", `The source sends ${found}; ${options.transcode ? "it is re-encoded" : "set pull.transcode, or send H.264"}.`));
      },
      withoutSecrets: (text) => withoutSecrets(text, spec.url),
      signal: AbortSignal.any([closing.signal, current.signal]),
    });
    // What came may have begun long before its next keyframe.
    if (end.foundNoVideo) probe = "long";
    if (session !== null) {
      session.close();
      onEvent({ type: "lost", ...session.name, code: end.code, message: end.message });
      session = null;
    }
    if (wrongCodec && options.transcode && !closing.signal.aborted) {
      transcodes = true;
      return connect();
    }
    return { end, deliveredForMs: firstAtMs === null ? 0 : performance.now() - firstAtMs };
  }

  async function work(): Promise<void> {
    while (!closing.signal.aborted) {
      attempts++;
      enter({ kind: "connecting" });
      const { end, deliveredForMs } = await attempt();
      if (closing.signal.aborted) return;
      const reason = { code: end.code, message: end.message };
      if (end.code === "source-ended" && spec.url.startsWith("file:")) return enter({ kind: "ended", reason });
      const waitMs = end.code === "source-ended" && spec.loop === true ? 0 : policy.next({ deliveredForMs, code: end.code });
      enter({ kind: "backing-off", reason, nextTryAt: Date.now() + waitMs });
      try {
        await delay(waitMs, undefined, { signal: closing.signal });
      } catch {
        return; // The wait was ended by close().
      }
    }
  }

  async function attempt(): ReturnType<typeof connect> {
    try {
      return await connect();
    } catch (error) {
      const known = error instanceof TruecastError ? error : new TruecastError("internal", "A defect while the source was connected to.", { cause: error });
      return { end: { code: known.code, message: known.message }, deliveredForMs: 0 };
    }
  }

  const done = work();
  const close = async (): Promise<void> => {
    closing.abort(CLOSED);
    await done;
  };
  return {
    spec,
    routeTo(sessionId, socketPath) {
      if (session?.name.sessionId === sessionId) session.routeTo(socketPath);
      else onEvent({ type: "route-lost", stream, sessionId, message: "The session has ended." });
    },
    end(sessionId, reason) {
      if (session?.name.sessionId === sessionId) connection.abort(reason);
    },
    stats: () => session?.stats() ?? null,
    close,
    [Symbol.asyncDispose]: close,
  };
}
