/** Test child: delivers what is in a store to a webhook, until it is killed. */
import { pino } from "pino";
import { createReceivers } from "../../receivers.ts";
import { openStore } from "../../store/store.ts";
import { startDeliveries } from "../deliveries.ts";

const [path, url, secret] = process.argv.slice(2);
if (path === undefined || url === undefined || secret === undefined) throw new Error("give store, URL and secret");
const log = pino({ level: "silent" });
const receivers = createReceivers({
  configured: [{ type: "webhook", name: "desk", url: new URL(url), secrets: [secret], streams: null, rules: null, kinds: null }],
  config: { delivery: { answerTimeoutMs: 10_000, giveUpAfterMs: 259_200_000 }, outbound: { allow: ["127.0.0.1"] }, http: { publicUrl: null } },
});
startDeliveries({ receivers, store: openStore({ path, log }), giveUpAfterMs: 259_200_000, onAttempt: () => undefined, log });
setInterval(() => undefined, 1_000);
