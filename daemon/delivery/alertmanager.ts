/** Prometheus' Alertmanager, API v2: what fires is told again and again, as Prometheus itself does, and once more when it is over. */
import type { GuardedHttp } from "../outbound/guarded-http.ts";
import type { Alert, AlertRule } from "../protocol.ts";
import type { Clock } from "./clock.ts";
import { post, shownAddress } from "./http-post.ts";
import type { Outcome, Sender } from "./receiver.ts";
import { streamLink } from "./webhook.ts";
import { describeAlert } from "./wording.ts";

export interface AlertmanagerOptions {
  /** Without /api/v2/alerts. */
  readonly url: URL;
  readonly resendMs: number;
  readonly http: GuardedHttp;
  readonly clock: Clock;
  readonly publicUrl: string | null;
}

const NAMES: Readonly<Record<AlertRule, string>> = {
  "manipulated-face": "TruecastManipulatedFace",
  "no-usable-face": "TruecastNoUsableFace",
  "low-coverage": "TruecastLowCoverage",
  "decoder-restarts": "TruecastDecoderRestarts",
};
/** What the Alertmanager takes in one request is a matter of its memory; this is what Prometheus sends. */
const ALERTS_A_REQUEST = 64;
/** As Prometheus does: after so many intervals without a word the Alertmanager takes the alert for resolved. */
const INTERVALS_UNTIL_RESOLVED = 4;

export function createAlertmanager({ url, resendMs, http, clock, publicUrl }: AlertmanagerOptions): Sender {
  const endpoint = new URL(url);
  endpoint.pathname = `${url.pathname.replace(/\/+$/, "")}/api/v2/alerts`;
  const send = async (alerts: readonly object[], signal: AbortSignal): Promise<Outcome> => {
    for (let from = 0; from < alerts.length; from += ALERTS_A_REQUEST) {
      const body = JSON.stringify(alerts.slice(from, from + ALERTS_A_REQUEST));
      const outcome = await post(http, { url: endpoint, headers: { "content-type": "application/json" }, body, signal, nowMs: clock.now() });
      if (outcome.kind !== "delivered") return outcome;
    }
    return { kind: "delivered" };
  };
  const posted = (alert: Alert): object => postableAlert(alert, { publicUrl, firingUntilMs: clock.now() + INTERVALS_UNTIL_RESOLVED * resendMs });
  return {
    address: shownAddress(url),
    // One after the other: an end must not be overtaken by the word before it.
    maxInFlight: 1,
    send: (events, signal) => send(events.map(({ alert }) => posted(alert)), signal),
    resend: { everyMs: resendMs, send: (firing, signal) => send(firing.map(posted), signal) },
    test(id, signal) {
      const now = clock.now();
      const labels = { alertname: "TruecastTest", severity: "info", alert_id: id };
      return send([{ labels, annotations: { summary: "A test from Truecast. Nothing was detected." }, startsAt: iso(now), endsAt: iso(now + 60_000) }], signal);
    },
    close: () => http.close(),
  };
}

/** The labels stay the same for the whole life of an alert: they are what the Alertmanager knows it by. */
export function postableAlert(alert: Alert, { publicUrl, firingUntilMs }: { readonly publicUrl: string | null; readonly firingUntilMs: number }): object {
  const { summary, facts, limits } = describeAlert(alert);
  const link = streamLink(alert, publicUrl);
  const scripted = alert.rule === "manipulated-face" && alert.model.scripted;
  return {
    labels: {
      alertname: NAMES[alert.rule],
      stream: alert.stream,
      rule: alert.rule,
      severity: alert.rule === "manipulated-face" ? "critical" : "warning",
      alert_id: alert.id,
      ...(scripted ? { scripted: "true" } : {}),
    },
    annotations: { summary, description: [...facts.map(([name, value]) => `${name}: ${value}`), limits].join("\n") },
    startsAt: iso(alert.firingAt ?? alert.pendingAt),
    endsAt: iso(alert.resolvedAt ?? firingUntilMs),
    ...(link === null ? {} : { generatorURL: link }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
