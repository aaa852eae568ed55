/** Deliveries by the real daemon: from a publisher's video to a signed webhook, over kill -9. */
import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { expect, test, vi } from "vitest";
import { startHttpReceiver } from "./delivery/testing/http-receiver.ts";
import type { AlertEventPage, FaceAlert, ReceiverList, ReceiverTest } from "./protocol.ts";
import { faceVideo, publish, startDaemonProcess } from "./testing/daemon-process.ts";

test("an alert's beginning and end come as signed webhooks, each once, over kill -9 and a receiver that was away", { timeout: 240_000 }, async () => {
  await using receiver = await startHttpReceiver();
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const config = {
    streams: [{ name: "demo-forged", key: "forged-key-1" }],
    alerts: { dwellMs: 0 },
    receivers: [{ name: "desk", type: "webhook", url: receiver.url.href, secret, kinds: ["new", "end"] }],
    outbound: { allow: ["127.0.0.1"] },
  };
  await using first = await startDaemonProcess(config);
  const tested = (await (await fetch(`${first.httpUrl}/api/v1/receivers/desk/test`, { method: "POST" })).json()) as ReceiverTest;
  expect(tested).toMatchObject({ delivered: true, message: null });
  expect(receiver.taken.splice(0)).toMatchObject([{ headers: { "webhook-id": tested.id } }]);

  receiver.answer = () => ({ status: 503 });
  await using _publisher = publish(await faceVideo(), `${first.rtmpUrl}/forged-key-1`);
  await vi.waitFor(() => expect(receiver.refused.length).toBeGreaterThan(0), { timeout: 90_000, interval: 50 });
  expect(await first.get<ReceiverList>("/api/v1/receivers")).toMatchObject({ receivers: [{ state: "retrying", address: receiver.url.origin, backlog: 1, lastFailure: { message: `${receiver.url.host} answered 503` } }] });
  expect((await fetch(`${first.httpUrl}/readyz`)).status).toBe(200);
  await first.stop("SIGKILL");

  receiver.answer = () => ({ status: 204 });
  await using second = await startDaemonProcess({ ...config, dataDir: first.dataDir });
  const wanted = (await second.get<AlertEventPage>("/api/v1/events")).events.filter(({ kind }) => kind !== "update");
  await vi.waitFor(() => expect(receiver.taken.length).toBeGreaterThanOrEqual(wanted.length), { timeout: 60_000, interval: 50 });
  const told = receiver.taken.map(({ headers, body }) => new Webhook(secret).verify(body, headers as Record<string, string>) as { id: string; type: string; data: { alert: FaceAlert } });
  expect(told.map(({ id }) => id).toSorted()).toEqual(wanted.map(({ id }) => id).toSorted());
  // One face as a rule; a starved machine may lose it and raise a second alert.
  for (const about of new Set(wanted.map(({ alert }) => alert.id))) {
    expect(told.filter(({ data }) => data.alert.id === about).map(({ type, data }) => [type, data.alert.state])).toEqual([
      ["io.truecast.alert.new", "firing"],
      ["io.truecast.alert.end", "resolved"],
    ]);
  }
  expect(told.map(({ id }) => id)).toContain(receiver.refused[0]?.headers["webhook-id"]);
  await vi.waitFor(async () => expect(await (await fetch(`${second.httpUrl}/metrics`)).text()).toContain(`truecast_deliveries_total{receiver="desk",outcome="delivered"} ${wanted.length}`));
  expect(JSON.stringify([...first.log, ...second.log])).not.toMatch(/whsec_|key=hidden/);
});
