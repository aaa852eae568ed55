/** The whole page when the daemon does not take the address that it was opened by. */
import { useLiveStore } from "../use-live.ts";
import { KeyIcon, Logo } from "./icons.tsx";

export function AccessPage() {
  const store = useLiveStore();
  return (
    <main className="full-page">
      <p className="brand">
        <Logo />
        <span>Truecast</span>
      </p>
      <KeyIcon />
      <h1>This address is not allowed</h1>
      <p>
        The daemon does not take requests for <code>{window.location.host}</code>. Add it to the allowed hosts in the configuration, or open the dashboard by the address the daemon printed.
      </p>
      <button type="button" className="button" onClick={() => store.retryNow()}>
        Try again
      </button>
    </main>
  );
}
