/** React's view of the live store: selections that re-render a component only when what it shows has changed. */
import { createContext, useContext, useSyncExternalStore } from "react";
import type { ReadyState } from "./live-state.ts";
import type { LiveStore, LiveView } from "./live-store.ts";

export const LiveStoreContext = createContext<LiveStore | null>(null);

export function useLiveStore(): LiveStore {
  const store = useContext(LiveStoreContext);
  if (store === null) throw new Error("A component that shows live data stands outside the LiveStoreContext.");
  return store;
}

/** `select` must give the same object for the same view, so it picks and never builds. */
export function useLiveView<T>(select: (view: LiveView) => T): T {
  const store = useLiveStore();
  return useSyncExternalStore(store.subscribe, () => select(store.getView()));
}

/** For components below the one that waits for the first snapshot; there is always a state after it. */
export function useReady<T>(select: (state: ReadyState) => T): T {
  return useLiveView((view) => {
    if (view.state.kind === "empty") throw new Error("A component that needs a snapshot was shown before one came.");
    return select(view.state);
  });
}

/** True while what is shown may no longer be so. */
export function useStale(): boolean {
  return useLiveView((view) => view.connection.kind !== "open");
}
