/** The analysis processes: starts and supervises them, and says which of them a stream belongs to. */
import { join } from "node:path";
import type { Logger } from "pino";
import { type ChildState, type RestartCause, startSupervisedChild, type SupervisedChild } from "../supervision/supervised-child.ts";
import type { AnalysisCommand, AnalysisInfo, AnalysisOptions, AnalysisReport } from "./messages.ts";

/**
 * Pictures pass outside V8's heap, 54 MB a second a stream, while the heap itself holds 9 MB: without a larger start V8
 * collects all of it several times a second. Measured: 15.8 → 11.3% of a core for one stream.
 */
const ANALYSIS_FLAGS = ["--initial-heap-size=64"];

export interface AnalysisPoolOptions {
  readonly workers: number;
  /** Folder of the Unix sockets; short, for a socket's path may have 107 bytes. */
  readonly runtimeDir: string;
  /** What each process starts with, asked anew at every start; its socketPath is filled in here. */
  readonly init: () => Omit<AnalysisOptions, "socketPath">;
  readonly onReport: (report: AnalysisReport, component: string) => void;
  readonly onState: (component: string, state: ChildState<AnalysisInfo>) => void;
  readonly onRestart: (component: string, cause: RestartCause) => void;
  /** The process of these streams died, and with it their tracks and windows. */
  readonly onLost: (streams: readonly string[]) => void;
  /** A process is ready again; the publishers of these streams need a new route. */
  readonly onReady: (streams: readonly string[]) => void;
  readonly log: Logger;
  /** Ends a start that is not through yet. */
  readonly signal?: AbortSignal | undefined;
}

export interface AnalysisPool extends AsyncDisposable {
  /**
   * Unix socket of the process that owns the stream; assigns one at first, and tells it where track ids go on. That word
   * travels ahead of the publisher's bytes; should it ever come late, ids begin at 1 again.
   */
  socketPathFor(stream: string, firstTrackId: number): string;
  /** Ends the stream's tracks and frees its place. */
  forget(stream: string): void;
  /** Describes a track's face once more. */
  look(stream: string, trackId: number): void;
  broadcast(command: AnalysisCommand): void;
  /** To the process that owns the stream. @returns false when there is none, or it is not ready */
  tell(stream: string, command: AnalysisCommand): boolean;
  close(): Promise<void>;
}

export async function startAnalysisPool(options: AnalysisPoolOptions): Promise<AnalysisPool> {
  const owners = new Map<string, number>();
  const streamsOf = (worker: number): string[] => [...owners].filter(([, owner]) => owner === worker).map(([stream]) => stream);
  const socketPath = (worker: number): string => join(options.runtimeDir, `analysis-${worker}.sock`);
  const children: SupervisedChild<AnalysisInfo, AnalysisCommand>[] = [];

  const startOne = (worker: number): Promise<SupervisedChild<AnalysisInfo, AnalysisCommand>> => {
    const name = `analysis-${worker}`;
    return startSupervisedChild<AnalysisOptions, AnalysisInfo, AnalysisCommand, AnalysisReport>({
      name,
      entry: new URL("./analysis-process.ts", import.meta.url),
      init: () => ({ ...options.init(), socketPath: socketPath(worker) }),
      execArgv: ANALYSIS_FLAGS,
      onMessage: (report) => options.onReport(report, name),
      onState: (state) => {
        options.onState(name, state);
        if (state.kind === "down") options.onLost(streamsOf(worker));
        if (state.kind === "ready") options.onReady(streamsOf(worker));
      },
      onRestart: (cause) => options.onRestart(name, cause),
      log: options.log,
      signal: options.signal,
    });
  };

  const started = await Promise.allSettled(Array.from({ length: options.workers }, (_, worker) => startOne(worker)));
  for (const result of started) if (result.status === "fulfilled") children.push(result.value);
  const close = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.close()));
  };
  const failed = started.find((result) => result.status === "rejected");
  if (failed) {
    await close();
    throw failed.reason;
  }

  return {
    socketPathFor(stream, firstTrackId) {
      let owner = owners.get(stream);
      if (owner === undefined) {
        const loads = children.map((_, worker) => streamsOf(worker).length);
        owner = loads.indexOf(Math.min(...loads));
        owners.set(stream, owner);
      }
      children[owner]?.send({ type: "expect", stream, firstTrackId });
      return socketPath(owner);
    },
    forget(stream) {
      const owner = owners.get(stream);
      if (owner === undefined) return;
      owners.delete(stream);
      children[owner]?.send({ type: "forget", stream });
    },
    look(stream, trackId) {
      const owner = owners.get(stream);
      if (owner !== undefined) children[owner]?.send({ type: "look", stream, trackId });
    },
    broadcast(command) {
      for (const child of children) child.send(command);
    },
    tell(stream, command) {
      const owner = owners.get(stream);
      return owner !== undefined && (children[owner]?.send(command) ?? false);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
