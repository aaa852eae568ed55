/** Which session delivers each stream now, and the routing of its video to the stream's analysis process; the same for publishers and pulled sources. */
import type { Logger } from "pino";
import type { ErrorCode } from "../pipelines/errors.ts";
import type { StreamEvent } from "./streams/stream-life.ts";

/** Told to the process that holds the session. */
export interface RouteCommand {
  readonly type: "route";
  readonly stream: string;
  readonly sessionId: string;
  readonly socketPath: string;
}

export interface SessionRoutesOptions {
  /** Unix socket of the analysis process that owns the stream. */
  readonly socketPathFor: (stream: string) => string;
  /** May do nothing while the process is not there: `routeAll` makes up for it. */
  readonly send: (command: RouteCommand) => void;
  readonly onStream: (stream: string, event: StreamEvent) => void;
  readonly log: Logger;
}

type LossReason = Extract<StreamEvent, { kind: "publisher-lost" }>["reason"];

export interface StreamSession {
  readonly stream: string;
  readonly sessionId: string;
}

export interface SessionRoutes {
  begin(session: StreamSession): void;
  /** Sends the stream's present session to its analysis process, anew after either of them was restarted. */
  readonly route: (stream: string) => void;
  routeAll(): void;
  /** The analysis process may be on its way back; its readiness routes anew too. */
  routeLost(session: StreamSession): void;
  lost(message: StreamSession & LossReason): void;
  /** The process that held all sessions is gone. */
  allLost(reason: { readonly code: ErrorCode; readonly message: string }): void;
  /** Without word to anybody: the stream itself is taken out or changed. */
  forget(unwanted: (stream: string) => boolean): void;
  readonly isCurrent: (session: StreamSession) => boolean;
}

const REROUTE_DELAY_MS = 200;

export function createSessionRoutes({ socketPathFor, send, onStream, log }: SessionRoutesOptions): SessionRoutes {
  const sessions = new Map<string, string>();
  const isCurrent = ({ stream, sessionId }: StreamSession): boolean => sessions.get(stream) === sessionId;

  function route(stream: string): void {
    const sessionId = sessions.get(stream);
    if (sessionId !== undefined) send({ type: "route", stream, sessionId, socketPath: socketPathFor(stream) });
  }

  return {
    begin: ({ stream, sessionId }) => void sessions.set(stream, sessionId),
    route,
    routeAll() {
      for (const stream of sessions.keys()) route(stream);
    },
    routeLost(session) {
      setTimeout(() => {
        if (isCurrent(session)) route(session.stream);
      }, REROUTE_DELAY_MS).unref();
    },
    lost({ stream, sessionId, code, message }) {
      log.info({ stream, code }, `closed: ${message}`);
      if (isCurrent({ stream, sessionId })) sessions.delete(stream);
      onStream(stream, { kind: "publisher-lost", sessionId, reason: { code, message } });
    },
    allLost(reason) {
      for (const stream of sessions.keys()) onStream(stream, { kind: "ingest-lost", reason });
      sessions.clear();
    },
    forget(unwanted) {
      for (const stream of sessions.keys()) if (unwanted(stream)) sessions.delete(stream);
    },
    isCurrent,
  };
}
