/** Removes old alerts and events from the store, a few at a time. */
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { Store } from "./store.ts";

export interface RetentionOptions {
  readonly store: Pick<Store, "prune" | "pruneEvents">;
  readonly retentionDays: number;
  /** Alerts that stay whatever their age: those whose evidence is under legal hold. */
  readonly heldAlerts?: () => readonly string[];
  readonly log: Logger;
  /** Alerts that never fired say little and can be many. */
  readonly unfiredRetentionDays?: number;
  readonly intervalMs?: number;
  /** Wall clock: the alerts carry wall time. */
  readonly now?: () => number;
}

export interface Retention extends AsyncDisposable {
  close(): Promise<void>;
}

const DAY_MS = 24 * 3_600_000;
/** Some milliseconds of the daemon's thread a commit; between two, everything else has its turn. */
const BATCH = 100;

/** Prunes once soon after the start and then every hour. */
export function startRetention(options: RetentionOptions, signal?: AbortSignal): Retention {
  const { store, retentionDays, heldAlerts = () => [], unfiredRetentionDays = 1, log, intervalMs = 3_600_000, now = Date.now } = options;
  let again: NodeJS.Immediate | undefined;
  let later: NodeJS.Timeout | undefined;
  let removed = 0;

  const prune = (): void => {
    try {
      const at = now();
      const batch = store.prune({
        resolvedBeforeMs: at - retentionDays * DAY_MS,
        unfiredBeforeMs: at - Math.min(retentionDays, unfiredRetentionDays) * DAY_MS,
        keep: heldAlerts(),
        batch: BATCH,
      });
      const events = store.pruneEvents(at - retentionDays * DAY_MS, BATCH);
      removed += batch;
      if (batch === BATCH || events === BATCH) {
        again = setImmediate(prune);
        return;
      }
      if (removed > 0) log.info({ removed, retentionDays }, "old alerts removed");
    } catch (error) {
      log.error({ err: error, code: errorCodeOf(error) }, "old alerts could not be removed; tried again later");
    }
    removed = 0;
    later = setTimeout(prune, intervalMs).unref();
  };
  again = setImmediate(prune);

  const retention: Retention = {
    async close() {
      clearImmediate(again);
      clearTimeout(later);
    },
    [Symbol.asyncDispose]: () => retention.close(),
  };
  signal?.addEventListener("abort", () => void retention.close(), { once: true });
  return retention;
}
