/** React's view of the page's one publisher. */
import { createContext, useContext, useSyncExternalStore } from "react";
import type { Publisher, PublisherView } from "./publish/publisher.ts";

export const PublisherContext = createContext<Publisher | null>(null);

export function usePublisher(): Publisher {
  const publisher = useContext(PublisherContext);
  if (publisher === null) throw new Error("A component that publishes stands outside the PublisherContext.");
  return publisher;
}

export function usePublisherView(): PublisherView {
  const publisher = usePublisher();
  return useSyncExternalStore(publisher.subscribe, publisher.getView);
}
