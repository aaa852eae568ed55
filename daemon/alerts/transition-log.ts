/** Commits transitions in order; while the store fails they wait, bounded, and are tried again. */
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { Alert, AlertEvent } from "../protocol.ts";
import type { TransitionToCommit } from "./told-event.ts";

export interface TransitionStore {
  /**
   * All of them durably with their events, or none.
   * @returns the events with their numbers
   * @throws TruecastError store-failed when trying again may help; any other error is a defect of the transition
   */
  commit(transitions: readonly TransitionToCommit[]): readonly AlertEvent[];
}

/** What went out as unstored and is stored by now; `event` is null when the alert's new state is no event. */
export interface StoredLater {
  readonly alert: Alert;
  readonly event: AlertEvent | null;
}

export type AppendOutcome =
  | { readonly kind: "stored"; readonly event: AlertEvent | null }
  /** It waits, or the store refuses it for good. */
  | { readonly kind: "unstored" };

export interface TransitionLogOptions {
  readonly store: TransitionStore;
  /** Called in the order of the events' numbers. */
  readonly onStored: (stored: StoredLater) => void;
  readonly log: Logger;
  readonly retryMs: number;
}

export interface TransitionLog {
  append(transition: TransitionToCommit): AppendOutcome;
  readonly unstored: number;
  /** Alerts as they are, while the store does not have them so: they wait, or it refused them and they are still open. */
  readonly unstoredAlerts: ReadonlyMap<string, Alert>;
  /** Tries once more what waits. */
  close(): void;
}

/**
 * Past this many the oldest is given up, one without an event first: a later transition of the same alert carries its
 * whole state anyway, but nothing makes up for a word that is never sent.
 */
const MAX_WAITING = 1_000;
const BATCH = 100;

export function createTransitionLog({ store, onStored, log, retryMs }: TransitionLogOptions): TransitionLog {
  let waiting: TransitionToCommit[] = [];
  const unstoredAlerts = new Map<string, Alert>();
  let retry: NodeJS.Timeout | undefined;
  let givenUp = 0;

  /** Nothing brings an ended alert's last state into the store any more, so there is nothing left to keep. */
  const giveUp = ({ alert }: TransitionToCommit): void => {
    givenUp++;
    if (alert.state === "resolved" && unstoredAlerts.get(alert.id) === alert) unstoredAlerts.delete(alert.id);
  };

  const commit = (batch: readonly TransitionToCommit[]): readonly AlertEvent[] | "failed" | "refused" => {
    try {
      return store.commit(batch);
    } catch (error) {
      if (errorCodeOf(error) === "store-failed") {
        // Said once for an outage; the log must not fill the disk that may be the cause.
        if (retry === undefined) log.error({ err: error, code: "store-failed" }, "alerts cannot be stored; they are sent as unstored and stored later");
        return "failed";
      }
      const [only] = batch;
      if (batch.length === 1 && only !== undefined) {
        log.error({ err: error, alert: only.alert.id }, "the store refuses this transition for ever; it is not stored");
        giveUp(only);
      }
      return "refused";
    }
  };

  const drain = (): void => {
    let size = BATCH;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, size);
      const outcome = commit(batch);
      if (outcome === "failed") return;
      if (outcome === "refused" && batch.length > 1) {
        // One bad transition must not hold up all others: find it by going one at a time.
        size = 1;
        continue;
      }
      waiting = waiting.slice(batch.length);
      if (outcome === "refused") continue;
      const newest = new Map(batch.map((transition) => [transition.alert.id, transition]));
      // An alert with more in the queue is not up to date yet.
      for (const { alert } of waiting) newest.delete(alert.id);
      for (const id of newest.keys()) unstoredAlerts.delete(id);
      for (const event of outcome) onStored({ alert: event.alert, event });
      for (const { alert, event } of newest.values()) if (event === null) onStored({ alert, event });
    }
    clearInterval(retry);
    retry = undefined;
    log.info({ givenUp }, "alerts can be stored again; none waits");
    givenUp = 0;
  };

  return {
    append(transition) {
      unstoredAlerts.set(transition.alert.id, transition.alert);
      // While an outage lasts only the timer tries: each try may wait for a lock, and this is the daemon's thread.
      if (retry === undefined) {
        const outcome = commit([transition]);
        if (outcome === "refused") return { kind: "unstored" };
        if (outcome !== "failed") {
          unstoredAlerts.delete(transition.alert.id);
          return { kind: "stored", event: outcome[0] ?? null };
        }
      }
      retry ??= setInterval(drain, retryMs).unref();
      waiting.push(transition);
      if (waiting.length > MAX_WAITING) {
        const [oldest] = waiting.splice(Math.max(0, waiting.findIndex(({ event }) => event === null)), 1);
        if (oldest !== undefined) giveUp(oldest);
      }
      return { kind: "unstored" };
    },
    get unstored() {
      return waiting.length;
    },
    unstoredAlerts,
    close() {
      if (retry !== undefined) drain();
      clearInterval(retry);
      if (waiting.length > 0) log.error({ unstored: waiting.length }, "closed with alerts that could not be stored");
    },
  };
}
