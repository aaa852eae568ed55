/** All receivers, each with a lane of its own on the one outbox; what the API and the metrics ask of them. */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { errorCodeOf } from "../../pipelines/errors.ts";
import type { ReceiverStatus, ReceiverTest } from "../protocol.ts";
import type { Backlog, DeliveryTable } from "../store/delivery-table.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type Attempt, type Lane, type LaneStore, startLane } from "./lane.ts";
import type { Receiver } from "./receiver.ts";

export interface DeliveriesOptions {
  readonly receivers: readonly Receiver[];
  readonly store: LaneStore & Pick<DeliveryTable, "receivers" | "keepReceivers" | "backlog">;
  readonly giveUpAfterMs: number;
  readonly onAttempt: (receiver: string, attempt: Attempt) => void;
  readonly log: Logger;
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
}

export interface Deliveries extends AsyncDisposable {
  /** Call it after each commit of events. */
  wake(): void;
  /** @throws TruecastError store-failed */
  statuses(): readonly ReceiverStatus[];
  /** Null when there is no receiver of this name. */
  test(name: string): Promise<ReceiverTest> | null;
  /** Null when there is none. @throws TruecastError store-failed */
  enable(name: string): ReceiverStatus | null;
  close(): Promise<void>;
}

/** Shorter than an HTTP request to Truecast may take. */
const TEST_TIMEOUT_MS = 8_000;

/**
 * A receiver that the store does not know begins with the next event; one that is configured no more is forgotten.
 * @throws TruecastError store-failed
 */
export function startDeliveries({ receivers, store, giveUpAfterMs, onAttempt, log, clock = systemClock, random = Math.random }: DeliveriesOptions): Deliveries {
  const known = new Map(store.receivers().map((progress) => [progress.name, progress]));
  store.keepReceivers(receivers.map(({ name }) => name));
  const lanes = new Map<string, Lane>();
  const closing = new AbortController();
  for (const receiver of receivers) {
    const { name, configDigest } = receiver;
    const before = known.get(name);
    const unchanged = before?.config === configDigest;
    const progress = {
      name,
      config: configDigest,
      cursor: before?.cursor ?? store.newestSeq(),
      disabled: unchanged ? before.disabled : null,
      failingSinceMs: unchanged ? before.failingSinceMs : null,
      lastSuccessAtMs: before?.lastSuccessAtMs ?? null,
      lastFailure: before?.lastFailure ?? null,
    };
    store.saveProgress(progress);
    if (!unchanged) store.hastenDeliveries(name, clock.now());
    lanes.set(name, startLane({ receiver, store, progress, giveUpAfterMs, clock, random, onAttempt: (attempt) => onAttempt(name, attempt), log }));
  }

  const statusOf = ({ receiver, health, progress }: Lane): ReceiverStatus => {
    const { name, type, sender, filter } = receiver;
    const { events, oldestAtMs }: Backlog = store.backlog(name, progress.cursor, filter);
    return {
      name,
      type,
      address: sender.address,
      state: health.kind,
      reason: health.kind === "disabled" ? health.reason : null,
      backlog: events,
      oldestAt: oldestAtMs,
      lastSuccessAt: progress.lastSuccessAtMs,
      lastFailure: progress.lastFailure && { at: progress.lastFailure.atMs, message: progress.lastFailure.message },
      nextTryAt: health.kind === "retrying" ? health.untilMs : null,
    };
  };

  async function test({ receiver }: Lane): Promise<ReceiverTest> {
    const id = randomUUID();
    try {
      const outcome = await receiver.sender.test(id, AbortSignal.any([closing.signal, AbortSignal.timeout(TEST_TIMEOUT_MS)]));
      log.info({ receiver: receiver.name, outcome: outcome.kind }, "a test was sent");
      return { id, delivered: outcome.kind === "delivered", message: outcome.kind === "delivered" ? null : outcome.message };
    } catch (error) {
      if (errorCodeOf(error) !== "internal") throw error;
      if (!(error instanceof DOMException)) throw error;
      return { id, delivered: false, message: `no answer within ${TEST_TIMEOUT_MS / 1_000} s` };
    }
  }

  const deliveries: Deliveries = {
    wake() {
      for (const lane of lanes.values()) lane.wake();
    },
    statuses: () => [...lanes.values()].map(statusOf),
    test(name) {
      const lane = lanes.get(name);
      return lane === undefined ? null : test(lane);
    },
    enable(name) {
      const lane = lanes.get(name);
      if (lane === undefined) return null;
      lane.enable();
      return statusOf(lane);
    },
    async close() {
      closing.abort();
      await Promise.all([...lanes.values()].map((lane) => lane.close()));
    },
    [Symbol.asyncDispose]: () => deliveries.close(),
  };
  return deliveries;
}
