/** A list of alerts: firing on top, each with its stream, face, scores, time and model. */
import type { Alert } from "../../../daemon/protocol.ts";
import { formatClock, formatPercent } from "../format.ts";
import { hrefOf } from "../route.ts";
import { givesVerdicts } from "../shown-verdict.ts";
import { useReady } from "../use-live.ts";
import { useServerNow } from "../use-now.ts";
import { ALERT_STATE_LABELS, RESOLUTION_SENTENCES, sentenceOfBlindSpot, subjectOfAlert } from "../wording.ts";
import { Age } from "./age.tsx";
import { AlertIcon } from "./icons.tsx";

export function AlertList({ alerts, linked = true }: { alerts: readonly Alert[]; linked?: boolean }) {
  const canAlert = useReady((state) => givesVerdicts(state.model));
  if (alerts.length === 0) return <p className="alerts-none">{canAlert ? "No alerts. One is raised when a face scores above the threshold for long enough." : "No alerts. An untrained model raises none."}</p>;
  return (
    <ul className="alerts">
      {alerts.map((alert) => (
        <AlertItem key={alert.id} alert={alert} linked={linked} />
      ))}
    </ul>
  );
}

function AlertItem({ alert, linked }: { alert: Alert; linked: boolean }) {
  const nowMs = useServerNow();
  const begunAt = alert.firingAt ?? alert.pendingAt;
  return (
    <li className="alert" data-state={alert.state}>
      <div className="alert-head">
        <span className="alert-state">
          <AlertIcon state={alert.state} />
          {ALERT_STATE_LABELS[alert.state]}
        </span>
        <span className="alert-age">
          {alert.state === "resolved" ? "lasted" : "for"} <Age since={begunAt} until={alert.resolvedAt} />
        </span>
      </div>
      <div className="alert-subject">
        {linked ? <a href={hrefOf({ kind: "stream", name: alert.stream })}>{alert.stream}</a> : <span>{alert.stream}</span>}
        <span className="alert-track">{subjectOfAlert(alert)}</span>
        {alert.rule === "manipulated-face" && (
          <span className="alert-peak">
            peak <b>{formatPercent(alert.peakScore)}</b>
          </span>
        )}
      </div>
      <div className="alert-facts">
        {alert.rule === "manipulated-face" ? (
          <>
            <span>
              {alert.state === "resolved" ? "last" : "now"} {formatPercent(alert.score)}
            </span>
            <span>threshold {formatPercent(alert.threshold)}</span>
          </>
        ) : (
          <span>{sentenceOfBlindSpot(alert)}</span>
        )}
        <span>since {formatClock(begunAt, nowMs)}</span>
        {alert.resolution !== null && <span>{RESOLUTION_SENTENCES[alert.resolution]}</span>}
        {alert.rule === "manipulated-face" && (
          <>
            <span title={`SHA-256 ${alert.model.sha256}`}>{alert.model.name}</span>
            {alert.model.scripted && <span className="badge" data-badge="scripted">Scripted</span>}
          </>
        )}
      </div>
    </li>
  );
}
