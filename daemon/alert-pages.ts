/** Lists of alerts as they are now: those of the store, with what the alert engine knows and the store does not have yet. */
import type { Logger } from "pino";
import { errorCodeOf } from "../pipelines/errors.ts";
import type { AlertEngine } from "./alerts/alert-engine.ts";
import type { HttpSource } from "./http/source.ts";
import type { Alert, AlertQuery } from "./protocol.ts";
import { cursorOf, parseCursor } from "./store/alert-row.ts";
import type { Store } from "./store/store.ts";

export interface AlertPagesOptions {
  readonly engine: Pick<AlertEngine, "aheadOfStore">;
  readonly store: Pick<Store, "alert" | "alerts">;
  readonly log: Logger;
}

/** Alerts of a snapshot; open ones are in it even past this number. */
const SNAPSHOT_ALERTS = 100;

export function createAlertPages({ engine, store, log }: AlertPagesOptions): Pick<HttpSource, "alerts" | "alert" | "snapshotAlerts"> {
  return {
    alerts(query) {
      const ahead = engine.aheadOfStore();
      // Each alert that is ahead may replace one of the store's, so that many more are read: a page is then never short.
      const stored = orElse(() => store.alerts({ ...query, limit: query.limit + ahead.length }), () => {
        // All open alerts are known without the store; anything else would be half a list that looks whole.
        if (query.state !== "pending" && query.state !== "firing") return null;
        return { alerts: [], nextCursor: null };
      });
      const found = merged(ahead.filter(matcherOf(query)), stored.alerts.filter(notAmong(ahead)));
      const alerts = found.slice(0, query.limit);
      const last = alerts.at(-1);
      const more = found.length > alerts.length || stored.nextCursor !== null;
      return { alerts, nextCursor: more && last !== undefined ? cursorOf(last) : null };
    },
    alert: (id) => engine.aheadOfStore().find((alert) => alert.id === id) ?? store.alert(id),
    snapshotAlerts() {
      const ahead = engine.aheadOfStore();
      const ended = orElse(() => store.alerts({ state: "resolved", limit: SNAPSHOT_ALERTS }).alerts, (error) => {
        log.warn({ err: error, code: "store-failed" }, "the store cannot be read: a snapshot names only the alerts in memory");
        return [];
      });
      const open = ahead.filter(({ state }) => state !== "resolved");
      const others = merged(ahead.filter(({ state }) => state === "resolved").filter(wasShown), ended.filter(notAmong(ahead)));
      return merged(open, others.slice(0, Math.max(0, SNAPSHOT_ALERTS - open.length)));
    },
  };
}

/** @param instead what to answer when the store cannot be read; null for the error itself */
function orElse<T>(read: () => T, instead: (error: unknown) => T | null): T {
  try {
    return read();
  } catch (error) {
    const answer = errorCodeOf(error) === "store-failed" ? instead(error) : null;
    if (answer === null) throw error;
    return answer;
  }
}

/** Newest first, in the order of the store's pages. */
function merged(some: readonly Alert[], others: readonly Alert[]): readonly Alert[] {
  return [...some, ...others].toSorted((a, b) => b.pendingAt - a.pendingAt || (b.id > a.id ? 1 : -1));
}

function notAmong(alerts: readonly Alert[]): (alert: Alert) => boolean {
  const ids = new Set(alerts.map(({ id }) => id));
  return ({ id }) => !ids.has(id);
}

/** As in the store's lists: one that ended without firing is left out. */
function wasShown({ state, firingAt }: Alert): boolean {
  return state !== "resolved" || firingAt !== null;
}

/** What the store's query does, for alerts in memory. */
function matcherOf({ stream, state, rule, since, cursor }: AlertQuery): (alert: Alert) => boolean {
  const after = cursor === undefined ? null : parseCursor(cursor);
  return (alert) =>
    wasShown(alert) &&
    (stream === undefined || alert.stream === stream) &&
    (state === undefined || alert.state === state) &&
    (rule === undefined || alert.rule === rule) &&
    (since === undefined || alert.pendingAt >= since) &&
    (after === null || alert.pendingAt < after.pendingAt || (alert.pendingAt === after.pendingAt && alert.id < after.id));
}
