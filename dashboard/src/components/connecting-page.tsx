/** The whole page before the daemon has said anything. */
import { formatDuration } from "../format.ts";
import { useLiveStore, useLiveView } from "../use-live.ts";
import { useNow } from "../use-now.ts";
import { Logo, UnplugIcon } from "./icons.tsx";

export function ConnectingPage() {
  const store = useLiveStore();
  const connection = useLiveView((view) => view.connection);
  const nowMs = useNow();
  return (
    <main className="full-page" aria-busy={connection.kind === "connecting"}>
      <p className="brand">
        <Logo />
        <span>Truecast</span>
      </p>
      {connection.kind !== "lost" ? (
        <p className="muted" role="status">
          Connecting to the daemon …
        </p>
      ) : (
        <>
          <UnplugIcon />
          <h1>The daemon does not answer</h1>
          <p>
            Nothing answers at <code>{window.location.origin}</code> for {formatDuration(nowMs - connection.sinceMs)}. The page keeps trying; start the daemon with <code>npm start</code> if it is not running.
          </p>
          <button type="button" className="button" onClick={() => store.retryNow()}>
            Try now
          </button>
        </>
      )}
    </main>
  );
}
