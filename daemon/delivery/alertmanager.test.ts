/** Against Debian's Alertmanager: what fires is active there, stays so, and is resolved, over a restart of Truecast too. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { FaceAlert } from "../protocol.ts";
import { createReceivers } from "../receivers.ts";
import type { Store } from "../store/store.ts";
import { type Deliveries, startDeliveries } from "./deliveries.ts";
import { fakeClock, type FakeClock } from "./testing/fake-clock.ts";
import { type HttpReceiver, startHttpReceiver } from "./testing/http-receiver.ts";
import { alert, ended, log, memoryStore, tell } from "./testing/outbox.ts";

interface ActiveAlert {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly updatedAt: string;
  readonly generatorURL: string;
}

/** A real Alertmanager that tells `hook` at once of what fires and of what is resolved. */
async function startAlertmanager(hook: HttpReceiver): Promise<{ readonly url: URL; active(): Promise<readonly ActiveAlert[]> }> {
  const folder = mkdtempSync(join(tmpdir(), "truecast-alertmanager-"));
  const file = join(folder, "alertmanager.yml");
  writeFileSync(file, `route: { receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }\nreceivers: [{ name: hook, webhook_configs: [{ url: '${hook.url.origin}/', send_resolved: true }] }]\n`);
  const port = await freePort();
  const child = spawn("prometheus-alertmanager", [`--config.file=${file}`, `--storage.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${port}`, "--cluster.listen-address="], { stdio: "ignore" });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(folder, { recursive: true, force: true });
  });
  const url = new URL(`http://127.0.0.1:${port}`);
  await vi.waitFor(async () => expect((await fetch(new URL("/-/ready", url))).status).toBe(200), { timeout: 30_000, interval: 50 });
  return { url, active: async () => (await (await fetch(new URL("/api/v2/alerts", url))).json()) as readonly ActiveAlert[] };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function start(store: Store, url: URL, clock: FakeClock): Deliveries {
  const receivers = createReceivers({
    configured: [{ type: "alertmanager", name: "on-call", url, resendMs: 60_000, streams: null, rules: null, kinds: null }],
    config: { delivery: { answerTimeoutMs: 10_000, giveUpAfterMs: 259_200_000 }, outbound: { allow: ["127.0.0.1"] }, http: { publicUrl: "https://truecast.example" } },
    clock,
  });
  return startDeliveries({ receivers, store, giveUpAfterMs: 259_200_000, onAttempt: () => undefined, log, clock });
}

/** Status and alert of each notification that the Alertmanager sent on. */
function notified(hook: HttpReceiver): [string, string][] {
  return hook.taken.flatMap(({ body }) => (JSON.parse(body) as { alerts: { status: string; labels: Record<string, string> }[] }).alerts.map(({ status, labels }): [string, string] => [status, labels["alert_id"] ?? ""]));
}

test("an alert is active while it fires, is sent again each minute, and is resolved after a restart of Truecast", { timeout: 120_000 }, async () => {
  await using hook = await startHttpReceiver();
  const alertmanager = await startAlertmanager(hook);
  await using store = memoryStore();
  const clock = fakeClock(Date.now());
  const firing = (number: number): FaceAlert => alert(number, { pendingAt: Date.now(), firingAt: Date.now(), stream: "studio <a>" });
  const first = start(store, alertmanager.url, clock);
  const [lasting, short] = [firing(1), firing(2)];
  for (const each of [lasting, short]) tell(store, each, "new", clock.now());
  first.wake();
  await vi.waitFor(async () => expect(await alertmanager.active()).toHaveLength(2), { timeout: 20_000, interval: 20 });
  const [told] = (await alertmanager.active()).filter(({ labels }) => labels["alert_id"] === lasting.id);
  expect(told).toMatchObject({
    labels: { alertname: "TruecastManipulatedFace", stream: "studio <a>", rule: "manipulated-face", severity: "critical", alert_id: lasting.id },
    annotations: { summary: "A face on studio <a> looks manipulated", description: expect.stringMatching(/Score: 0\.91, highest 0\.95\n(.*\n)*.*proves nothing/) },
    startsAt: new Date(lasting.firingAt ?? 0).toISOString(),
    endsAt: new Date(clock.now() + 240_000).toISOString(),
    generatorURL: "https://truecast.example/#/streams/studio%20%3Ca%3E",
  });
  expect(Object.keys(told?.labels ?? {})).toHaveLength(5);
  await vi.waitFor(() => expect(new Set(notified(hook).map((each) => each.join()))).toEqual(new Set([`firing,${lasting.id}`, `firing,${short.id}`])), { timeout: 20_000, interval: 50 });

  tell(store, ended(2, { ...short, state: "resolved", resolution: "score-fell", resolvedAt: Date.now() }), "end", clock.now());
  first.wake();
  await vi.waitFor(() => expect(notified(hook)).toContainEqual(["resolved", short.id]), { timeout: 30_000, interval: 50 });
  expect((await alertmanager.active()).map(({ labels }) => labels["alert_id"])).toEqual([lasting.id]);

  clock.advance(60_000);
  await vi.waitFor(async () => expect((await alertmanager.active())[0]?.endsAt).toBe(new Date(clock.now() + 240_000).toISOString()), { timeout: 20_000, interval: 20 });
  await first.close();

  // The next start finds it open in the store, tells of it again, and then of its end.
  const later = fakeClock(clock.now() + 30_000);
  await using second = start(store, alertmanager.url, later);
  await vi.waitFor(async () => expect((await alertmanager.active())[0]?.endsAt).toBe(new Date(later.now() + 240_000).toISOString()), { timeout: 20_000, interval: 20 });
  tell(store, ended(1, { ...lasting, state: "resolved", resolution: "daemon-restarted", resolvedAt: Date.now() }), "end", later.now());
  second.wake();
  await vi.waitFor(() => expect(notified(hook)).toContainEqual(["resolved", lasting.id]), { timeout: 30_000, interval: 50 });
  expect(await alertmanager.active()).toEqual([]);
  expect(second.statuses()).toMatchObject([{ state: "ready", backlog: 0, address: alertmanager.url.origin }]);
  expect(await second.test("on-call")).toMatchObject({ delivered: true });
  await vi.waitFor(async () => expect((await alertmanager.active()).map(({ labels }) => labels["alertname"])).toEqual(["TruecastTest"]), { timeout: 20_000, interval: 20 });
});

test("an Alertmanager under a path prefix is found there, and one that refuses is tried again", async () => {
  await using server = await startHttpReceiver();
  server.answer = () => ({ status: 400 });
  await using store = memoryStore();
  const clock = fakeClock(Date.now());
  await using deliveries = start(store, new URL(`${server.url.origin}/monitoring/`), clock);
  tell(store, alert(1), "new", clock.now());
  deliveries.wake();
  await vi.waitFor(() => expect(server.refused.map(({ url }) => url)).toEqual(["/monitoring/api/v2/alerts"]));
  await vi.waitFor(() => expect(deliveries.statuses()).toMatchObject([{ state: "retrying", backlog: 1, lastFailure: { message: `${server.url.host} answered 400` } }]));
});
