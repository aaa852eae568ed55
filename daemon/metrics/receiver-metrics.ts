/** The metrics of one receiver of alert events. */
import type { ReceiverStatus } from "../protocol.ts";
import type { Instruments } from "./definitions.ts";

const OUTCOMES = ["delivered", "failed", "gone", "expired"] as const;
const STATES = ["ready", "retrying", "disabled"] as const satisfies readonly ReceiverStatus["state"][];

export interface ReceiverMetrics {
  /** @param events with the time of their commit */
  tried(outcome: (typeof OUTCOMES)[number], events: readonly { readonly at: number }[], endedAtMs: number): void;
  status(status: Pick<ReceiverStatus, "state" | "backlog" | "oldestAt">, nowMs: number): void;
}

export function createReceiverMetrics({ deliveries, deliveryLatency, deliveryBacklog, deliveryOldest, receiverState }: Instruments, receiver: string): ReceiverMetrics {
  for (const outcome of OUTCOMES) deliveries.inc({ receiver, outcome }, 0);
  deliveryLatency.zero({ receiver });
  return {
    tried(outcome, events, endedAtMs) {
      deliveries.inc({ receiver, outcome }, events.length);
      if (outcome === "delivered") for (const { at } of events) deliveryLatency.observe({ receiver }, Math.max(0, endedAtMs - at) / 1_000);
    },
    status({ state, backlog, oldestAt }, nowMs) {
      for (const each of STATES) receiverState.set({ receiver, state: each }, each === state ? 1 : 0);
      deliveryBacklog.set({ receiver }, backlog);
      deliveryOldest.set({ receiver }, oldestAt === null ? 0 : Math.max(0, nowMs - oldestAt) / 1_000);
    },
  };
}
