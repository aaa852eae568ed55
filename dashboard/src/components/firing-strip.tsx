/** The firing alerts, in sight from every view. */
import { useMemo } from "react";
import { formatPercent } from "../format.ts";
import { hrefOf } from "../route.ts";
import { useReady } from "../use-live.ts";
import { subjectOfAlert } from "../wording.ts";
import { Age } from "./age.tsx";
import { AlertIcon } from "./icons.tsx";

const SHOWN = 3;

export function FiringStrip() {
  const alerts = useReady((state) => state.alerts);
  const firing = useMemo(() => alerts.filter((alert) => alert.state === "firing"), [alerts]);
  if (firing.length === 0) return null;
  return (
    <nav className="firing-strip" aria-label="Firing alerts">
      <span className="firing-title">
        <AlertIcon state="firing" />
        Firing
      </span>
      <ul>
        {firing.slice(0, SHOWN).map((alert) => (
          <li key={alert.id}>
            <a href={hrefOf({ kind: "stream", name: alert.stream })}>
              <b>{alert.stream}</b>
              <span>{subjectOfAlert(alert)}</span>
              {alert.rule === "manipulated-face" && <span>{formatPercent(alert.score)}</span>}
              <span className="firing-age">
                <Age since={alert.firingAt ?? alert.pendingAt} />
              </span>
              {alert.rule === "manipulated-face" && alert.model.scripted && <span className="firing-scripted">scripted</span>}
            </a>
          </li>
        ))}
        {firing.length > SHOWN && (
          <li>
            <a href="#/alerts">and {firing.length - SHOWN} more</a>
          </li>
        )}
      </ul>
    </nav>
  );
}
