/** E-mail over SMTP through the guard: one a message, and in a flood what is over the limit in one digest. */
import { createTransport } from "nodemailer";
import { TruecastError } from "../../pipelines/errors.ts";
import { guardedConnect } from "../outbound/guarded-connect.ts";
import type { OutboundGuard } from "../outbound/outbound-guard.ts";
import type { AlertEvent } from "../protocol.ts";
import type { Clock } from "./clock.ts";
import type { Outcome, Pace, Sender } from "./receiver.ts";
import { streamLink } from "./webhook.ts";
import { describeEvent, TEST_MESSAGE } from "./wording.ts";

export interface EmailOptions {
  readonly host: string;
  readonly port: number;
  /** `starttls` never sends without; the certificate is checked against the host. */
  readonly security: "tls" | "starttls" | "none";
  readonly login: { readonly user: string; readonly pass: string } | null;
  readonly from: string;
  readonly to: readonly string[];
  readonly maxPerMinute: number;
  readonly guard: OutboundGuard;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly publicUrl: string | null;
  /** Certificate authority to trust in place of the system's, as PEM. */
  readonly ca?: string;
}

const MAX_DIGEST = 100;
const MINUTE_MS = 60_000;

export function createEmail(options: EmailOptions): Sender {
  const { host, port, from, to, maxPerMinute, clock, publicUrl } = options;
  let sentAt: readonly number[] = [];

  const mail = async (message: { readonly id: string; readonly subject: string; readonly text: string }, signal: AbortSignal): Promise<Outcome> => {
    sentAt = [...sentAt, clock.now()].slice(-maxPerMinute);
    try {
      await deliver(options, { from, to: [...to], subject: message.subject, text: message.text, messageId: `<${message.id}@truecast>`, headers: { "auto-submitted": "auto-generated" } }, signal);
      return { kind: "delivered" };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TruecastError) return { kind: "failed", code: error.code, message: error.message, retryAfterMs: null };
      return { kind: "failed", code: "delivery-failed", message: `${host}:${port} did not take the mail (${reasonOf(error)})`, retryAfterMs: null };
    }
  };
  return {
    address: `smtp://${host}:${port}`,
    maxInFlight: 1,
    pace: (nowMs) => mailPace(sentAt, { maxPerMinute, nowMs }),
    send(events, signal) {
      const [first] = events;
      if (first === undefined) return Promise.resolve({ kind: "delivered" });
      const texts = events.map((event) => eventText(event, publicUrl));
      if (events.length === 1) return mail({ id: first.id, subject: `[Truecast] ${describeEvent(first).title}`, text: texts[0] ?? "" }, signal);
      return mail({ id: `${first.id}.${events.length}`, subject: `[Truecast] ${events.length} events of alerts`, text: texts.join(`\n\n${"-".repeat(72)}\n\n`) }, signal);
    },
    test: (id, signal) => mail({ id, subject: "[Truecast] Test", text: TEST_MESSAGE }, signal),
    close: () => undefined,
  };
}

/**
 * The last message of a minute's allowance carries all that waits; the next one leaves when the oldest is a minute old.
 * @param sentAt times of the last messages, at most as many as are allowed in a minute
 */
export function mailPace(sentAt: readonly number[], { maxPerMinute, nowMs }: { readonly maxPerMinute: number; readonly nowMs: number }): Pace {
  // A time ahead of now is one from before the clock was set back.
  const recent = sentAt.filter((at) => at > nowMs - MINUTE_MS && at <= nowMs);
  if (recent.length >= maxPerMinute) return { waitMs: Math.min(...recent) + MINUTE_MS - nowMs };
  return { events: recent.length === maxPerMinute - 1 ? MAX_DIGEST : 1 };
}

function eventText(event: AlertEvent, publicUrl: string | null): string {
  const { title, facts, limits } = describeEvent(event);
  const link = streamLink(event.alert, publicUrl);
  return [title, "", ...facts.map(([name, value]) => `${name}: ${value}`), ...(link === null ? [] : [link]), "", limits].join("\n");
}

async function deliver({ host, port, security, login, guard, timeoutMs, ca }: EmailOptions, message: Parameters<ReturnType<typeof createTransport>["sendMail"]>[0], signal: AbortSignal): Promise<void> {
  // Plain here: nodemailer begins TLS on it, at once or after STARTTLS, for the host's name.
  const socket = await guardedConnect(guard, { host, port, tls: false, timeoutMs, signal });
  const abort = (): void => void socket.destroy();
  signal.addEventListener("abort", abort, { once: true });
  const transport = createTransport({
    host,
    port,
    secure: security === "tls",
    requireTLS: security === "starttls",
    ignoreTLS: security === "none",
    ...(login === null ? {} : { auth: login }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    getSocket: (_options: unknown, done: (error: Error | null, socket: object) => void) => done(null, { connection: socket }),
  });
  try {
    await transport.sendMail(message);
  } finally {
    signal.removeEventListener("abort", abort);
    transport.close();
    socket.destroy();
  }
}

/** Codes alone: what a server writes may quote what it was sent. */
function reasonOf(error: unknown): string {
  const { code, responseCode } = error as { readonly code?: unknown; readonly responseCode?: unknown };
  return [code, responseCode].filter((each) => typeof each === "string" || typeof each === "number").join(" ") || "unknown error";
}
