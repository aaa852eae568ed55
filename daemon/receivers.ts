/** The receivers of the configuration in the daemon: each with its sender, all of them behind the guard of outbound addresses. */
import { createHash } from "node:crypto";
import type { Logger } from "pino";
import type { ResolvedReceiver } from "../config/receivers.ts";
import type { Config } from "../config/schema.ts";
import { TruecastError } from "../pipelines/errors.ts";
import { createAlertmanager } from "./delivery/alertmanager.ts";
import { type Clock, systemClock } from "./delivery/clock.ts";
import type { Receiver, Sender } from "./delivery/receiver.ts";
import { type Deliveries, type DeliveriesOptions, startDeliveries } from "./delivery/deliveries.ts";
import { createEmail } from "./delivery/email.ts";
import { createSlack } from "./delivery/slack.ts";
import { createWebhook } from "./delivery/webhook.ts";
import { keyOf } from "./delivery/webhook-signature.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { createGuardedHttp, type GuardedHttp } from "./outbound/guarded-http.ts";
import { createOutboundGuard, type OutboundGuard } from "./outbound/outbound-guard.ts";

export interface ReceiversOptions {
  readonly configured: readonly ResolvedReceiver[];
  readonly config: Pick<Config, "delivery" | "outbound"> & { readonly http: Pick<Config["http"], "publicUrl"> };
  readonly clock?: Clock;
}

/** @throws TruecastError config-invalid for a secret that is none; address-refused for a literal address that may not be reached */
export function createReceivers({ configured, config, clock = systemClock }: ReceiversOptions): Receiver[] {
  const guard = createOutboundGuard({ allow: config.outbound.allow });
  const { answerTimeoutMs } = config.delivery;
  const http = (): GuardedHttp => createGuardedHttp(guard, { answerTimeoutMs, idleTimeoutMs: answerTimeoutMs, keepAlive: true });
  const { publicUrl } = config.http;

  const senderOf = (receiver: ResolvedReceiver): Sender => {
    checkAddress(receiver, guard);
    switch (receiver.type) {
      case "webhook":
        return createWebhook({ url: receiver.url, keys: receiver.secrets.map((secret) => keyFor(receiver.name, secret)), http: http(), clock, publicUrl });
      case "alertmanager":
        return createAlertmanager({ url: receiver.url, resendMs: receiver.resendMs, http: http(), clock, publicUrl });
      case "slack":
        return createSlack({ url: receiver.url, http: http(), clock, publicUrl });
      case "email":
        return createEmail({ ...receiver, guard, timeoutMs: answerTimeoutMs, clock, publicUrl });
    }
  };
  return configured.map((receiver) => {
    const { name, type, streams, rules, kinds } = receiver;
    return { name, type, filter: { streams: streams ?? null, rules: rules ?? null, kinds: kinds ?? null }, configDigest: digestOf(receiver), sender: senderOf(receiver) };
  });
}

export interface StartReceiversOptions extends ReceiversOptions {
  readonly store: DeliveriesOptions["store"];
  readonly metrics: Pick<Metrics, "receiver">;
  readonly log: Logger;
}

/** @throws TruecastError as `createReceivers`; store-failed */
export function startReceivers({ store, metrics, log, ...options }: StartReceiversOptions): Deliveries {
  return startDeliveries({
    receivers: createReceivers(options),
    store,
    giveUpAfterMs: options.config.delivery.giveUpAfterMs,
    onAttempt: (receiver, { outcome, events, endedAtMs }) => metrics.receiver(receiver).tried(outcome, events, endedAtMs),
    log,
  });
}

/** What can be said without asking a name server; the rest shows at the first delivery. */
function checkAddress(receiver: ResolvedReceiver, guard: OutboundGuard): void {
  try {
    guard.checkLiteral(receiver.type === "email" ? receiver.host : receiver.url.hostname);
  } catch (error) {
    if (error instanceof TruecastError) throw new TruecastError(error.code, `Receiver "${receiver.name}": ${error.message}`, { cause: error });
    throw error;
  }
}

function keyFor(name: string, secret: string): Buffer {
  const key = keyOf(secret);
  if (typeof key === "string") throw new TruecastError("config-invalid", `The signing secret of receiver "${name}" ${key}. Make one with: echo "whsec_$(openssl rand -base64 32)"`);
  return key;
}

/** Changes with everything that is configured of it, its secrets too, which cannot be guessed from it because they are random. */
function digestOf(receiver: ResolvedReceiver): string {
  return createHash("sha256").update(JSON.stringify(receiver)).digest("hex");
}
