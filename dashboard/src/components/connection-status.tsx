/** Whether the daemon speaks to this page, and how old what is shown is when it does not. */
import { formatDuration } from "../format.ts";
import { useLiveStore, useLiveView } from "../use-live.ts";
import { useNow } from "../use-now.ts";

export function ConnectionStatus() {
  const kind = useLiveView((view) => view.connection.kind);
  return (
    <span className="connection" data-connection={kind} role="status">
      <span className="connection-dot" aria-hidden="true" />
      <span className="connection-word">{kind === "open" ? "Connected" : kind === "connecting" ? "Connecting" : "Disconnected"}</span>
    </span>
  );
}

/** The notice over greyed data. */
export function DisconnectedNotice() {
  const store = useLiveStore();
  const connection = useLiveView((view) => view.connection);
  const lastMessageAtMs = useLiveView((view) => view.lastMessageAtMs);
  const nowMs = useNow();
  if (connection.kind !== "lost") return null;
  const ageMs = nowMs - (lastMessageAtMs ?? connection.sinceMs);
  const retryInMs = connection.retryAtMs - nowMs;
  return (
    <div className="notice" data-notice="disconnected">
      <span>
        <b>Disconnected from the daemon.</b> What is shown is {formatDuration(ageMs)} old. {retryInMs > 0 ? `Next try in ${formatDuration(retryInMs + 999)}.` : "Trying now …"}
      </span>
      <button type="button" className="button" onClick={() => store.retryNow()}>
        Try now
      </button>
    </div>
  );
}
