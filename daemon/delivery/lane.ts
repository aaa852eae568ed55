/**
 * The way of events to one receiver: reads the outbox from the receiver's cursor, sends, parks what failed for later.
 * Nothing is in memory but a page; what another receiver does is not known here.
 *
 * At least once: the cursor passes an event only once it is delivered, given up, or parked in the store. In order for each
 * alert: an event waits while an earlier one of its alert is under way or parked.
 */
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { AlertEvent } from "../protocol.ts";
import type { DeliveryTable, ParkedDelivery, ReceiverProgress } from "../store/delivery-table.ts";
import type { EventTable } from "../store/event-table.ts";
import type { Clock } from "./clock.ts";
import { OutboxWindow } from "./outbox-window.ts";
import { failuresOf, type Health, healthAfter } from "./receiver-health.ts";
import { matches, type Outcome, type Receiver } from "./receiver.ts";
import { EVENT_RETRY, retryDelayMs } from "./retry.ts";

export type LaneStore = Pick<DeliveryTable, "saveProgress" | "dueDeliveries" | "nextDeliveryAt" | "parkedEvents" | "hastenDeliveries"> &
  Pick<EventTable, "eventsAfter" | "newestSeq"> & { openAlerts(): readonly AlertEvent["alert"][] };

export interface Attempt {
  /** `expired`: it failed, and was given up for good. */
  readonly outcome: "delivered" | "failed" | "gone" | "expired";
  readonly events: readonly AlertEvent[];
  readonly endedAtMs: number;
}

export interface LaneOptions {
  readonly receiver: Receiver;
  readonly store: LaneStore;
  readonly progress: ReceiverProgress;
  /** An event that has been tried for so long is given up. */
  readonly giveUpAfterMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onAttempt: (attempt: Attempt) => void;
  readonly log: Logger;
}

export interface Lane extends AsyncDisposable {
  readonly receiver: Receiver;
  readonly health: Health;
  readonly progress: ReceiverProgress;
  /** There are new events. */
  wake(): void;
  /** Sends again after `gone`, and at once while it waits. @throws TruecastError store-failed */
  enable(): void;
  /** What is under way is broken off, and sent again by the next start. */
  close(): Promise<void>;
}

interface Item {
  readonly event: AlertEvent;
  /** Null: it comes from the window. */
  readonly parked: ParkedDelivery | null;
}

const PAGE = 200;
/** So many failing events stop the lane from taking new ones. */
const MAX_PARKED = 1_000;
/** Pages that may hold nothing for this receiver are read so many at a time, for reading blocks the thread. */
const PAGES_AT_ONCE = 10;
/** A crash repeats at most what was delivered within this time. */
const SAVE_MS = 100;
const STORE_RETRY_MS = 5_000;
/** Failures in a row after which the first success makes all parked events due: it was the receiver, not the events. */
const OUTAGE_FAILURES = 3;

export function startLane({ receiver, store, progress: begun, giveUpAfterMs, clock, random, onAttempt, log }: LaneOptions): Lane {
  const { name, sender, filter } = receiver;
  const { resend } = sender;
  const window = new OutboxWindow(begun.cursor);
  /** After a crash the cursor may be behind events that are parked already: they are not sent from the window too. */
  const parkedBefore = store.parkedEvents(name);
  /** How many events of an alert are parked. */
  const parked = new Map<string, number>();
  for (const alertId of parkedBefore.values()) parked.set(alertId, (parked.get(alertId) ?? 0) + 1);
  const parkedUnderWay = new Set<number>();
  /** Parked events that are done, and whose rows the next save removes. */
  const settled = new Set<number>();
  const underWay = new Set<Promise<void>>();
  const aborting = new AbortController();
  let health: Health = initialHealth(begun, clock.now());
  let { lastSuccessAtMs, lastFailure } = begun;
  let resendAtMs = clock.now();
  let storeFailing = false;
  let closed = false;
  let wake: { readonly atMs: number; readonly cancel: () => void } | null = null;
  let cancelSave: (() => void) | null = null;

  const progressNow = (): ReceiverProgress => ({
    name,
    config: receiver.configDigest,
    cursor: window.cursor,
    disabled: health.kind === "disabled" ? health.reason : null,
    failingSinceMs: health.kind === "retrying" ? health.sinceMs : null,
    lastSuccessAtMs,
    lastFailure,
  });

  const wakeAt = (atMs: number): void => {
    if (closed || (wake !== null && wake.atMs <= atMs)) return;
    wake?.cancel();
    // No longer than a minute, so that a clock that was set back delays nothing for ever.
    const cancel = clock.after(Math.min(60_000, Math.max(0, atMs - clock.now())), () => {
      wake = null;
      pump();
    });
    wake = { atMs, cancel };
  };

  /** @returns false when the store could not be used; it is tried again soon. */
  const withStore = (work: () => void): boolean => {
    try {
      work();
      storeFailing = false;
      return true;
    } catch (error) {
      if (!storeFailing) log.error({ err: error, code: errorCodeOf(error), receiver: name }, "deliveries wait for the store");
      storeFailing = true;
      wakeAt(clock.now() + STORE_RETRY_MS);
      return false;
    }
  };

  const save = (park: readonly ParkedDelivery[] = []): void => {
    cancelSave?.();
    cancelSave = null;
    store.saveProgress(progressNow(), { park, unpark: settled });
    settled.clear();
  };
  const saveSoon = (inMs = SAVE_MS): void => {
    cancelSave ??= clock.after(inMs, () => {
      cancelSave = null;
      if (!withStore(save)) return saveSoon(STORE_RETRY_MS);
      // What is parked behind the removed rows may go now.
      pump();
    });
  };

  const countParked = (alertId: string, change: 1 | -1): void => {
    const count = (parked.get(alertId) ?? 0) + change;
    if (count > 0) parked.set(alertId, count);
    else parked.delete(alertId);
  };

  function fillWindow(): void {
    for (let pages = 0; window.size < PAGE / 2 && store.newestSeq() > window.lastRead; pages++) {
      if (pages === PAGES_AT_ONCE) return wakeAt(clock.now());
      const before = window.cursor;
      const events = store.eventsAfter(window.lastRead, PAGE - window.size);
      if (events.length === 0) return;
      window.add(events, (event) => matches(filter, event) && !parkedBefore.has(event.seq));
      if (window.cursor !== before) saveSoon();
    }
  }

  /** The next events that may be sent, at most `count`, in one message. */
  function nextItems(count: number): Item[] {
    const now = clock.now();
    const items: Item[] = [];
    if (parked.size > 0) {
      const due = store.dueDeliveries(name, { atMs: now, limit: count + parkedUnderWay.size + settled.size });
      const free = due.filter(({ event }) => !parkedUnderWay.has(event.seq) && !settled.has(event.seq));
      items.push(...free.slice(0, count).map((each) => ({ event: each.event, parked: each })));
    }
    if (items.length === count || parked.values().reduce((sum, each) => sum + each, 0) >= MAX_PARKED) return items;
    fillWindow();
    const behind: AlertEvent[] = [];
    for (const event of count === 1 ? window.sendable() : window.waiting()) {
      if (parked.has(event.alert.id)) behind.push(event);
      else if (items.length < count) items.push({ event, parked: null });
    }
    if (behind.length > 0) {
      save(behind.map((event) => ({ event, attempts: 0, firstAttemptAtMs: null, nextAttemptAtMs: now })));
      for (const event of behind) {
        countParked(event.alert.id, 1);
        window.settle(event.seq);
      }
      saveSoon();
    }
    return items;
  }

  function pump(): void {
    if (closed || health.kind === "disabled") return;
    withStore(() => {
      const now = clock.now();
      if (health.kind === "retrying" && now < health.untilMs) return wakeAt(health.untilMs);
      if (resend !== undefined) {
        if (now >= resendAtMs) {
          // Alone, so that it cannot overtake or be overtaken by what ends one of these alerts.
          if (underWay.size > 0) return;
          resendAtMs = now + resend.everyMs;
          const firing = store.openAlerts().filter((alert) => alert.state === "firing" && matches({ ...filter, kinds: null }, { kind: "new", alert }));
          if (firing.length > 0) return track(sendAgain(firing));
        }
        wakeAt(resendAtMs);
      }
      const width = health.kind === "ready" ? sender.maxInFlight : 1;
      while (underWay.size < width) {
        const pace = sender.pace?.(now) ?? { events: 1 };
        if ("waitMs" in pace) return wakeAt(now + pace.waitMs);
        const items = nextItems(pace.events);
        if (items.length === 0) break;
        track(sendItems(items));
      }
      const next = parked.size > 0 ? store.nextDeliveryAt(name) : null;
      if (next !== null && next > now) wakeAt(next);
    });
  }

  const track = (work: Promise<void>): void => {
    const done: Promise<void> = work.finally(() => {
      underWay.delete(done);
      pump();
    });
    underWay.add(done);
  };

  /** Null when it was broken off. */
  async function outcomeOf(send: () => Promise<Outcome>): Promise<Outcome | null> {
    try {
      return await send();
    } catch (error) {
      if (aborting.signal.aborted) return null;
      log.error({ err: error, code: "internal", receiver: name }, "a delivery failed by a defect");
      return { kind: "failed", code: "internal", message: "a defect in Truecast; its log says more", retryAfterMs: null };
    }
  }

  async function sendItems(items: readonly Item[]): Promise<void> {
    for (const { event, parked: row } of items) {
      if (row) parkedUnderWay.add(event.seq);
      else window.begin(event.seq);
    }
    const failuresAtStart = failuresOf(health);
    const outcome = await outcomeOf(() => sender.send(items.map(({ event }) => event), aborting.signal));
    for (const { event, parked: row } of items) if (row) parkedUnderWay.delete(event.seq);
    if (outcome === null) return;
    note(outcome, failuresAtStart);
    if (outcome.kind === "delivered") {
      settle(items, "delivered");
      return;
    }
    const now = clock.now();
    const { expired = [], again = [] } = Object.groupBy(items, (item) => (outcome.kind === "failed" && isOver(item, now) ? "expired" : "again"));
    if (expired.length > 0) log.error({ receiver: name, events: expired.map(({ event }) => event.seq) }, "events could not be delivered in all the time there is, and are given up");
    settle(expired, "expired");
    if (again.length === 0) return;
    onAttempt({ outcome: outcome.kind, events: again.map(({ event }) => event), endedAtMs: now });
    const rows = again.map(({ event, parked: row }) => {
      const attempts = (row?.attempts ?? 0) + 1;
      const retryAfterMs = outcome.kind === "failed" ? (outcome.retryAfterMs ?? 0) : 0;
      return { event, attempts, firstAttemptAtMs: row?.firstAttemptAtMs ?? now, nextAttemptAtMs: now + Math.max(retryAfterMs, retryDelayMs(attempts, EVENT_RETRY, random())) };
    });
    const saved = withStore(() => save(rows));
    for (const { event, parked: row } of again) {
      if (row) continue; // its row is there, as it was or as it is now
      if (!saved) window.giveBack(event.seq);
      else {
        countParked(event.alert.id, 1);
        window.settle(event.seq);
      }
    }
    saveSoon();
  }

  async function sendAgain(firing: readonly AlertEvent["alert"][]): Promise<void> {
    const failuresAtStart = failuresOf(health);
    const outcome = await outcomeOf(() => resend?.send(firing, aborting.signal) ?? Promise.resolve({ kind: "delivered" }));
    if (outcome !== null) note(outcome, failuresAtStart);
    saveSoon();
  }

  function settle(items: readonly Item[], outcome: "delivered" | "expired"): void {
    for (const { event, parked: row } of items) {
      if (row) {
        settled.add(event.seq);
        countParked(event.alert.id, -1);
      } else window.settle(event.seq);
    }
    if (items.length === 0) return;
    onAttempt({ outcome, events: items.map(({ event }) => event), endedAtMs: clock.now() });
    saveSoon();
  }

  function note(outcome: Outcome, failuresAtStart: number): void {
    const [before, now] = [health, clock.now()];
    health = healthAfter(before, { outcome, failuresAtStart, atMs: now, random: random() });
    if (outcome.kind === "delivered") {
      lastSuccessAtMs = now;
      if (before.kind !== "retrying") return;
      log.info({ receiver: name, failures: before.failures }, "the receiver takes deliveries again");
      if (before.failures >= OUTAGE_FAILURES) withStore(() => store.hastenDeliveries(name, now));
      return;
    }
    lastFailure = { atMs: now, message: outcome.message };
    if (health.kind === "disabled" && before.kind !== "disabled") log.error({ receiver: name, reason: outcome.message }, "the receiver wants no deliveries any more; nothing is sent until it is enabled");
    else if (before.kind === "ready" && outcome.kind === "failed") log.warn({ receiver: name, code: outcome.code, reason: outcome.message }, "a delivery failed; it is tried again");
  }

  /** It was tried, or had to wait for a receiver that took nothing, for as long as it may be. */
  function isOver({ event, parked: row }: Item, now: number): boolean {
    const waitedForReceiver = health.kind === "retrying" ? Math.max(event.at, health.sinceMs) : now;
    return now - Math.min(row?.firstAttemptAtMs ?? now, waitedForReceiver) >= giveUpAfterMs;
  }

  pump();
  const lane: Lane = {
    receiver,
    get health() {
      return health;
    },
    get progress() {
      return progressNow();
    },
    wake: pump,
    enable() {
      health = { kind: "ready" };
      save();
      store.hastenDeliveries(name, clock.now());
      log.info({ receiver: name }, "the receiver is enabled");
      pump();
    },
    async close() {
      if (closed) return;
      closed = true;
      wake?.cancel();
      aborting.abort();
      await Promise.allSettled(underWay);
      cancelSave?.();
      withStore(save);
      sender.close();
    },
    [Symbol.asyncDispose]: () => lane.close(),
  };
  return lane;
}

function initialHealth({ disabled, failingSinceMs }: ReceiverProgress, nowMs: number): Health {
  if (disabled !== null) return { kind: "disabled", reason: disabled };
  return failingSinceMs === null ? { kind: "ready" } : { kind: "retrying", failures: 1, untilMs: nowMs, sinceMs: failingSinceMs };
}
