/** The pull process as the daemon sees it: started with the first source, supervised, its reports turned into stream events. */
import type { Logger } from "pino";
import type { ErrorCode } from "../pipelines/errors.ts";
import type { PullCommand, PullEvent, PullOptions, SourceState } from "./ingest/pull/messages.ts";
import { planSource, shownUrl, type SourceSpec } from "./ingest/pull/source-plan.ts";
import type { Source } from "./protocol.ts";
import { createSessionRoutes } from "./session-routes.ts";
import type { StreamEvent } from "./streams/stream-life.ts";
import { type ChildState, type RestartCause, startSupervisedChild, type SupervisedChild } from "./supervision/supervised-child.ts";

type Stats = Extract<PullEvent, { type: "stats" }>;
interface PullInfo {
  readonly pid: number;
}

export interface PullServiceOptions extends Omit<PullOptions, "sources"> {
  readonly originOf: (stream: string) => Source["origin"];
  /** Why the stream may not be analysed beside the others now, or null. */
  readonly objection: (stream: string) => { readonly code: ErrorCode; readonly message: string } | null;
  /** Unix socket of the analysis process that owns the stream. */
  readonly socketPathFor: (stream: string) => string;
  readonly onSource: (stream: string, source: Source) => void;
  readonly onStream: (stream: string, event: StreamEvent) => void;
  readonly onCodec: (stream: string, codec: string) => void;
  /** A connection begins; a connection failed. */
  readonly onAttempt: (stream: string) => void;
  readonly onFailure: (stream: string, code: ErrorCode) => void;
  readonly onStats: (stats: Stats) => void;
  readonly onState: (state: ChildState<PullInfo>) => void;
  readonly onRestart: (cause: RestartCause) => void;
  readonly log: Logger;
}

export interface PullService extends AsyncDisposable {
  /** Replaces all sources. Sources of unchanged streams go on. */
  setSources(specs: readonly SourceSpec[]): void;
  /** Sends the stream's present video to its analysis process, anew after that was restarted. */
  route(stream: string): void;
  close(): Promise<void>;
}

const DOWN = { kind: "down" } as const;

/** Starts no process before there is a source. */
export function startPull(options: PullServiceOptions): PullService {
  const { log, onStream } = options;
  const specs = new Map<string, SourceSpec>();
  const routes = createSessionRoutes({ ...options, send: (command) => void child?.send(command) });
  let child: SupervisedChild<PullInfo, PullCommand> | null = null;
  let starting: Promise<void> | null = null;
  let closing: Promise<void> | null = null;
  /** Told to a process that is just starting when it is no longer wanted. */
  const leaving = new AbortController();

  const init = (): PullOptions => ({ sources: [...specs.values()], allow: options.allow, fileRoots: options.fileRoots, transcode: options.transcode, limits: options.limits });

  async function start(): Promise<void> {
    try {
      child = await startSupervisedChild<PullOptions, PullInfo, PullCommand, PullEvent>({
        name: "pull",
        entry: new URL("./ingest/pull/pull-process.ts", import.meta.url),
        init,
        onMessage: take,
        onState,
        onRestart: options.onRestart,
        log,
        signal: leaving.signal,
      });
      // What was changed, and who connected, while it started.
      child.send({ type: "set-sources", sources: [...specs.values()] });
      routes.routeAll();
    } catch (error) {
      if (leaving.signal.aborted) return;
      // Only a very first start ends here; the next change of a source tries again.
      log.error({ err: error, component: "pull" }, "the pull process does not start");
    } finally {
      starting = null;
    }
  }

  function onState(state: ChildState<PullInfo>): void {
    if (state.kind === "down") routes.allLost({ code: "pull-restarted", message: state.message });
    if (state.kind === "down" || (state.kind === "closed" && closing === null)) for (const name of specs.keys()) show(name, DOWN, 0);
    options.onState(state);
  }

  function show(stream: string, state: SourceState | typeof DOWN, attempts: number): void {
    const source = described(stream, state, attempts);
    if (source !== null) options.onSource(stream, source);
  }

  function described(stream: string, state: SourceState | typeof DOWN, attempts: number): Source | null {
    const spec = specs.get(stream);
    if (!spec) return null;
    return {
      kind: planSource(spec).kind,
      address: shownUrl(spec.url),
      loop: spec.loop ?? false,
      origin: options.originOf(stream),
      state: state.kind,
      reason: "reason" in state ? state.reason : null,
      attempts,
      nextTryAt: state.kind === "backing-off" ? state.nextTryAt : null,
    };
  }

  function take(message: PullEvent): void {
    // Word of a source that was taken out a moment ago.
    if (message.type !== "stats" && !specs.has(message.stream)) return;
    switch (message.type) {
      case "source-state":
        if (message.state.kind === "connecting") options.onAttempt(message.stream);
        if (message.state.kind === "backing-off") {
          const { reason, nextTryAt } = message.state;
          log.warn({ stream: message.stream, code: reason.code, retryMs: Math.max(0, nextTryAt - Date.now()) }, `source: ${reason.message}`);
          options.onFailure(message.stream, reason.code);
        }
        show(message.stream, message.state, message.attempts);
        return;
      case "connected": {
        const { stream, sessionId, connectedAt, videoCodec, protocol } = message;
        const objection = options.objection(stream);
        if (objection !== null) {
          child?.send({ type: "end", stream, sessionId, ...objection });
          return;
        }
        log.info({ stream, protocol, videoCodec }, "source connected");
        routes.begin({ stream, sessionId });
        onStream(stream, { kind: "published", session: { sessionId, protocol, connectedAt } });
        options.onCodec(stream, videoCodec);
        routes.route(stream);
        return;
      }
      case "lost":
        routes.lost(message);
        return;
      case "route-lost":
        routes.routeLost(message);
        return;
      case "stats":
        options.onStats({ ...message, streams: message.streams.filter(routes.isCurrent) });
    }
  }

  const end = async (): Promise<void> => {
    leaving.abort();
    await starting;
    await child?.close();
  };
  const close = (): Promise<void> => (closing ??= end());
  return {
    setSources(next) {
      if (closing !== null) return;
      const known = new Map(specs);
      specs.clear();
      for (const spec of next) {
        // Shown from now on, whether the process runs already or not.
        if (!isSame(known.get(spec.name), spec)) routes.forget((stream) => stream === spec.name);
        specs.set(spec.name, spec);
        if (!isSame(known.get(spec.name), spec)) show(spec.name, { kind: "connecting" }, 0);
      }
      routes.forget((stream) => !specs.has(stream));
      if (child !== null) child.send({ type: "set-sources", sources: next });
      else if (specs.size > 0) starting ??= start();
    },
    route: routes.route,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function isSame(a: SourceSpec | undefined, b: SourceSpec): boolean {
  return a !== undefined && a.url === b.url && a.format === b.format && a.loop === b.loop;
}
