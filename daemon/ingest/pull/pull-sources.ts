/** All pulled sources of the daemon: starts what is new, ends what is gone, leaves alone what did not change. */
import { TruecastError } from "../../../pipelines/errors.ts";
import { createGuardedHttp } from "../../outbound/guarded-http.ts";
import { createOutboundGuard, type Lookup } from "../../outbound/outbound-guard.ts";
import { PULL_LIMITS, type PullLimits } from "./limits.ts";
import type { PullCommand, PullEvent, PullOptions } from "./messages.ts";
import { type PulledSource, startPulledSource } from "./pulled-source.ts";
import type { SourceSpec } from "./source-plan.ts";

export interface PullSources extends AsyncDisposable {
  apply(command: PullCommand): void;
  close(): Promise<void>;
}

/** @throws TruecastError config-invalid */
export function startPullSources(options: PullOptions & { readonly onEvent: (event: PullEvent) => void; readonly lookup?: Lookup }): PullSources {
  const limits: PullLimits = { ...PULL_LIMITS, ...options.limits };
  const guard = createOutboundGuard({ allow: options.allow, ...(options.lookup ? { lookup: options.lookup } : {}) });
  const http = createGuardedHttp(guard, { answerTimeoutMs: limits.connectTimeoutMs / 2, idleTimeoutMs: limits.readTimeoutMs });
  const sources = new Map<string, PulledSource>();
  /** What is being closed; a source that changed begins when its predecessor has left its port and file. */
  const leaving = new Map<string, Promise<void>>();
  let closed: Promise<void> | null = null;
  let wanted: ReadonlyMap<string, SourceSpec> = new Map();

  function set(specs: readonly SourceSpec[]): void {
    wanted = new Map(specs.slice(0, limits.maxSources).map((spec) => [spec.name, spec]));
    for (const [name, source] of sources) {
      if (isEqual(wanted.get(name), source.spec)) continue;
      sources.delete(name);
      const left = source.close().finally(() => {
        leaving.delete(name);
        start(name);
      });
      leaving.set(name, left);
    }
    for (const name of wanted.keys()) start(name);
  }

  function start(name: string): void {
    const spec = wanted.get(name);
    if (spec === undefined || sources.has(name) || leaving.has(name) || closed !== null) return;
    sources.set(name, startPulledSource({ spec, guard, http, limits, fileRoots: options.fileRoots, transcode: options.transcode, onEvent: options.onEvent }));
  }

  const reporter = setInterval(() => {
    const streams = [...sources.values()].flatMap((source) => source.stats() ?? []);
    options.onEvent({ type: "stats", streams, rssBytes: process.memoryUsage.rss() });
  }, limits.statsIntervalMs);

  const end = async (): Promise<void> => {
    clearInterval(reporter);
    await Promise.all([...[...sources.values()].map((source) => source.close()), ...leaving.values()]);
  };
  const close = (): Promise<void> => (closed ??= end());
  set(options.sources);
  return {
    apply(command) {
      switch (command.type) {
        case "set-sources":
          set(command.sources);
          return;
        case "route":
          sources.get(command.stream)?.routeTo(command.sessionId, command.socketPath);
          return;
        case "end":
          sources.get(command.stream)?.end(command.sessionId, new TruecastError(command.code, command.message));
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function isEqual(a: SourceSpec | undefined, b: SourceSpec): boolean {
  return a !== undefined && a.url === b.url && a.format === b.format && (a.loop ?? false) === (b.loop ?? false);
}
