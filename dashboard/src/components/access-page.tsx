/** The whole page when the daemon refuses it: why, and what to do. */
import { useLiveStore } from "../use-live.ts";
import { KeyIcon, Logo } from "./icons.tsx";

export function AccessPage({ reason }: { reason: "unauthorized" | "forbidden" }) {
  const store = useLiveStore();
  return (
    <main className="full-page">
      <p className="brand">
        <Logo />
        <span>Truecast</span>
      </p>
      <KeyIcon />
      {reason === "unauthorized" ? (
        <>
          <h1>A token is needed</h1>
          <p>
            This daemon asks for a token. It was printed when the daemon first started. Open the dashboard once with it at the end of the address:
          </p>
          <p>
            <code>{window.location.origin}/?token=…</code>
          </p>
          <p className="muted">The token is then kept in a cookie and leaves the address bar.</p>
        </>
      ) : (
        <>
          <h1>This address is not allowed</h1>
          <p>
            The daemon does not take requests for <code>{window.location.host}</code>. Add it to the allowed hosts in the configuration, or open the dashboard by the address the daemon printed.
          </p>
        </>
      )}
      <button type="button" className="button" onClick={() => store.retryNow()}>
        Try again
      </button>
    </main>
  );
}
