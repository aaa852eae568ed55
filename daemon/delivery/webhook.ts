/** Webhooks: an event as CloudEvents 1.0 in structured mode, signed as Standard Webhooks say. docs/webhooks.md is its contract. */
import type { GuardedHttp } from "../outbound/guarded-http.ts";
import type { Alert, AlertEvent } from "../protocol.ts";
import type { Clock } from "./clock.ts";
import { post, shownAddress } from "./http-post.ts";
import type { Outcome, Sender } from "./receiver.ts";
import { signatureHeaders } from "./webhook-signature.ts";

export interface WebhookOptions {
  readonly url: URL;
  /** The newest first. */
  readonly keys: readonly Buffer[];
  readonly http: GuardedHttp;
  readonly clock: Clock;
  /** Where people reach the dashboard; null when that is not known. */
  readonly publicUrl: string | null;
}

/** At most so many requests at one time; events of one alert still follow each other. */
const MAX_IN_FLIGHT = 8;

export function createWebhook({ url, keys, http, clock, publicUrl }: WebhookOptions): Sender {
  const send = (event: { readonly id: string }, signal: AbortSignal): Promise<Outcome> => {
    const [body, nowMs] = [JSON.stringify(event), clock.now()];
    const headers = { ...signatureHeaders({ id: event.id, atMs: nowMs, body }, keys), "content-type": "application/cloudevents+json; charset=utf-8" };
    return post(http, { url, headers, body, signal, nowMs });
  };
  return {
    address: shownAddress(url),
    maxInFlight: MAX_IN_FLIGHT,
    async send(events, signal) {
      for (const event of events) {
        const outcome = await send(alertCloudEvent(event, publicUrl), signal);
        if (outcome.kind !== "delivered") return outcome;
      }
      return { kind: "delivered" };
    },
    test: (id, signal) => send(testCloudEvent(id, { publicUrl, atMs: clock.now() }), signal),
    close: () => http.close(),
  };
}

/** Of an event alone, so that every try says the same. */
export function alertCloudEvent({ seq, id, kind, at, alert }: AlertEvent, publicUrl: string | null): { readonly id: string } & Record<string, unknown> {
  return {
    specversion: "1.0",
    id,
    source: publicUrl ?? "/truecast",
    type: `io.truecast.alert.${kind}`,
    subject: `streams/${alert.stream}/alerts/${alert.id}`,
    time: new Date(at).toISOString(),
    datacontenttype: "application/json",
    data: { seq, alert, dashboard: streamLink(alert, publicUrl) },
  };
}

function testCloudEvent(id: string, { publicUrl, atMs }: { readonly publicUrl: string | null; readonly atMs: number }): { readonly id: string } & Record<string, unknown> {
  return {
    specversion: "1.0",
    id,
    source: publicUrl ?? "/truecast",
    type: "io.truecast.receiver.test",
    time: new Date(atMs).toISOString(),
    datacontenttype: "application/json",
    data: { message: "A test from Truecast. Nothing was detected." },
  };
}

/** The stream's page of the dashboard. */
export function streamLink({ stream }: Pick<Alert, "stream">, publicUrl: string | null): string | null {
  return publicUrl === null ? null : `${publicUrl.replace(/\/$/, "")}/#/streams/${encodeURIComponent(stream)}`;
}
