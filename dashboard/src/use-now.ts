/** One clock for all ages on the page, ticking once a second while anything shows an age. */
import { useSyncExternalStore } from "react";
import { useLiveView, useReady } from "./use-live.ts";

let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function tick(): void {
  nowMs = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) {
    nowMs = Date.now();
    timer = setInterval(tick, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearInterval(timer);
  };
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}

const CLOCK_STEP_MS = 250;

/**
 * The daemon's time: a phone whose clock is off must not show an alert as firing for minus two minutes.
 * It stands still while the daemon is silent, because nobody knows whether what it said still goes on.
 */
export function useServerNow(): number {
  const silentSinceMs = useLiveView((view) => (view.connection.kind === "open" ? null : view.lastMessageAtMs));
  // In coarse steps, so that the estimate's last milliseconds do not re-render the page.
  const aheadMs = useReady((state) => Math.round((state.serverAheadMs ?? 0) / CLOCK_STEP_MS) * CLOCK_STEP_MS);
  const nowMs = useNow();
  return (silentSinceMs ?? nowMs) + aheadMs;
}
