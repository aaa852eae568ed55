/** Messages to a Slack-compatible incoming webhook: Block Kit, all of it plain text. */
import type { GuardedHttp } from "../outbound/guarded-http.ts";
import type { AlertEvent } from "../protocol.ts";
import type { Clock } from "./clock.ts";
import { post, shownAddress } from "./http-post.ts";
import type { Outcome, Sender } from "./receiver.ts";
import { streamLink } from "./webhook.ts";
import { describeEvent, TEST_MESSAGE } from "./wording.ts";

export interface SlackOptions {
  /** The incoming webhook's, which is a secret. */
  readonly url: URL;
  readonly http: GuardedHttp;
  readonly clock: Clock;
  readonly publicUrl: string | null;
}

export function createSlack({ url, http, clock, publicUrl }: SlackOptions): Sender {
  const send = (message: object, signal: AbortSignal): Promise<Outcome> =>
    post(http, { url, headers: { "content-type": "application/json; charset=utf-8" }, body: JSON.stringify(message), signal, nowMs: clock.now() });
  return {
    address: shownAddress(url),
    // A channel shows messages in the order in which they come.
    maxInFlight: 1,
    async send(events, signal) {
      for (const event of events) {
        const outcome = await send(slackMessage(event, publicUrl), signal);
        if (outcome.kind !== "delivered") return outcome;
      }
      return { kind: "delivered" };
    },
    test: (_id, signal) => send({ text: TEST_MESSAGE }, signal),
    close: () => http.close(),
  };
}

export function slackMessage(event: AlertEvent, publicUrl: string | null): object {
  const { title, facts, limits } = describeEvent(event);
  const link = streamLink(event.alert, publicUrl);
  return {
    text: escaped(title),
    blocks: [
      { type: "header", text: plain(title) },
      { type: "section", fields: facts.map(([name, value]) => plain(`${name}\n${value}`)) },
      { type: "context", elements: [plain(limits)] },
      ...(link === null ? [] : [{ type: "section", text: { type: "mrkdwn", text: `<${escaped(link)}|Open the stream>` } }]),
    ],
  };
}

/** No emoji and no formatting: a stream's name is text. */
function plain(text: string): object {
  return { type: "plain_text", text: escaped(text), emoji: false };
}

/** What Slack's documentation asks for: the three characters that could begin a link, a mention or an entity. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
