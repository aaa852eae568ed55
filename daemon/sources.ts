/** Which streams are pulled: those of the configuration, and those that were added over HTTP and are kept in the store. */
import type { ResolvedSource } from "../config/load.ts";
import { TruecastError } from "../pipelines/errors.ts";
import { planSource, SOURCE_FORMATS, type SourceSpec } from "./ingest/pull/source-plan.ts";
import { createOutboundGuard } from "./outbound/outbound-guard.ts";
import type { SourceInput } from "./protocol.ts";
import type { SourceTable, StoredSource } from "./store/source-table.ts";

export interface SourcesOptions {
  readonly configured: readonly ResolvedSource[];
  /** Names of streams that are published: theirs cannot be taken. */
  readonly published: ReadonlySet<string>;
  readonly table: SourceTable;
  readonly maxSources: number;
  readonly allow: readonly string[];
}

export interface Sources {
  readonly specs: readonly SourceSpec[];
  originOf(name: string): "config" | "api";
  has(name: string): boolean;
  /** @throws TruecastError conflict, source-invalid, address-refused, capacity-reached, store-failed */
  put(name: string, input: SourceInput): "created" | "changed" | "same";
  /** False when there is none. @throws TruecastError conflict, store-failed */
  remove(name: string): boolean;
}

/**
 * Stored sources whose name the configuration has taken since are left out, and stay in the store.
 * @throws TruecastError source-invalid, address-refused, config-invalid for those of the configuration; store-failed
 */
export function createSources({ configured, published, table, maxSources, allow }: SourcesOptions): Sources {
  const guard = createOutboundGuard({ allow });
  const specs = new Map<string, SourceSpec>();
  const fromConfig = new Set(configured.map(({ name }) => name));
  for (const { name, url, format, loop } of configured) {
    const spec: SourceSpec = { name, url, format, loop };
    check(spec);
    specs.set(name, spec);
  }
  if (specs.size > maxSources) throw new TruecastError("config-invalid", `pull.maxSources is ${maxSources} but ${specs.size} streams are pulled`);
  for (const stored of table.sources()) if (!specs.has(stored.name) && !published.has(stored.name)) specs.set(stored.name, specOf(stored));

  /** What can be said without asking a name server; the rest shows when the source is connected to. */
  function check(spec: SourceSpec): void {
    const plan = planSource(spec);
    if ("host" in plan) guard.checkLiteral(plan.host);
    else if ("url" in plan) guard.checkLiteral(plan.url.hostname);
  }

  function checkName(name: string): void {
    if (fromConfig.has(name)) throw new TruecastError("conflict", `Stream "${name}" is pulled by the configuration; change it there.`);
    if (published.has(name)) throw new TruecastError("conflict", `Stream "${name}" is one that publishers send, with a key in the configuration.`);
  }

  return {
    get specs() {
      return [...specs.values()];
    },
    originOf: (name) => (fromConfig.has(name) ? "config" : "api"),
    has: (name) => specs.has(name),
    put(name, { url, format, loop = false }) {
      checkName(name);
      const before = specs.get(name);
      if (before === undefined && specs.size >= maxSources) throw new TruecastError("capacity-reached", `${specs.size} streams are pulled; pull.maxSources allows no more.`);
      const spec: SourceSpec = { name, url, format, loop };
      check(spec);
      table.putSource({ name, url, format: format ?? null, loop });
      specs.set(name, spec);
      if (before === undefined) return "created";
      return before.url === url && before.format === format && (before.loop ?? false) === loop ? "same" : "changed";
    },
    remove(name) {
      checkName(name);
      const isStored = table.removeSource(name);
      return specs.delete(name) || isStored;
    },
  };
}

function specOf({ name, url, format, loop }: StoredSource): SourceSpec {
  return { name, url, loop, format: SOURCE_FORMATS.find((known) => known === format) };
}
