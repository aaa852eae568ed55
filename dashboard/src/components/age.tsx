/** How long ago something was, or how long it has lasted, kept current. */
import { formatDuration } from "../format.ts";
import { useServerNow } from "../use-now.ts";

/** `since` is a time of the daemon's clock. */
export function Age({ since, until }: { since: number; until?: number | null }) {
  const nowMs = useServerNow();
  return <>{formatDuration((until ?? nowMs) - since)}</>;
}
