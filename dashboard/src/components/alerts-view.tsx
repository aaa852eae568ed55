/** All alerts the page knows of. */
import { plural } from "../format.ts";
import { useEscape } from "../use-escape.ts";
import { useReady } from "../use-live.ts";
import { AlertList } from "./alert-list.tsx";
import { BackLink } from "./back-link.tsx";

export function AlertsView() {
  const alerts = useReady((state) => state.alerts);
  useEscape("#/");
  const open = alerts.filter((alert) => alert.state !== "resolved").length;
  return (
    <section className="alerts-view" aria-labelledby="alerts-title">
      <div className="section-head">
        <BackLink />
        <h1 id="alerts-title">Alerts</h1>
        <span className="muted">
          {open} open, {alerts.length - open} resolved
          {alerts.length >= 100 && `; the newest ${plural(alerts.length, "alert")} are shown`}
        </span>
      </div>
      <AlertList alerts={alerts} />
    </section>
  );
}
