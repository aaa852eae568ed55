/** Incidents on the real daemon: they outlive the process that follows the face, and nobody who comes back misses a word. */
import { expect, test, vi } from "vitest";
import { connectLive, type LiveClient } from "./http/testing/live-client.ts";
import type { AlertEvent, AlertEventPage, AlertPage } from "./protocol.ts";
import { type DaemonProcess, faceVideo, publish, publishWith, startDaemonProcess } from "./testing/daemon-process.ts";

const streams = [{ name: "demo-forged", key: "forged-key-1" }];

/** Numbers of the events that a client was told, in the order in which it was. */
function toldTo(client: LiveClient): number[] {
  return client.messages.flatMap((message) => (message.type === "missed" ? message.events.map(({ seq }) => seq) : message.type === "alert" && message.event?.seq ? [message.event.seq] : []));
}

async function eventsOf(daemon: DaemonProcess, enough: (events: readonly AlertEvent[]) => boolean, timeout = 60_000): Promise<readonly AlertEvent[]> {
  let events: readonly AlertEvent[] = [];
  await vi.waitFor(
    async () => {
      ({ events } = await daemon.get<AlertEventPage>("/api/v1/events?limit=500"));
      if (!enough(events)) throw new Error(`not yet: ${JSON.stringify(events.map(({ kind, alert }) => [kind, alert.rule, alert.state]))}`);
    },
    { timeout, interval: 50 },
  );
  return events;
}

test("an alert goes on with its face over deaths of the analysis process, and kill -9 of the daemon keeps no event from a client that resumes", { timeout: 240_000 }, async () => {
  // A score of 40 frames is enough here: what is tested begins when the alert fires.
  await using first = await startDaemonProcess({ streams, alerts: { dwellMs: 0, minFrames: 40 } });
  const [away, present] = [await connectLive(first.httpUrl), await connectLive(first.httpUrl)];
  await using _publisher = publish(await faceVideo(), `${first.rtmpUrl}/forged-key-1`);

  const [fired] = await eventsOf(first, (events) => events.length > 0);
  expect(fired).toMatchObject({ seq: 1, kind: "new", alert: { state: "firing", tracks: [expect.any(Number)] } });
  await away.until(() => toldTo(away).length === 1);
  away.socket.close();
  await away.closed;

  process.kill(first.childPid("analysis-0"), "SIGKILL");
  const events = await eventsOf(first, (all) => all.some(({ alert }) => alert.rule === "manipulated-face" && alert.tracks.length === 2));
  // No end and no new one: the same alert, with one more track.
  expect(events.filter(({ kind }) => kind !== "update")).toEqual([fired]);
  expect(new Set(events.map(({ alert }) => alert.id)).size).toBe(1);

  await first.stop("SIGKILL");
  await present.closed;
  await using second = await startDaemonProcess({ streams, dataDir: first.dataDir });
  const all = await eventsOf(second, (kept) => kept.at(-1)?.kind === "end");
  expect(all.at(-1)).toMatchObject({ alert: { id: fired?.alert.id, state: "resolved", resolution: "daemon-restarted" } });
  expect(all.slice(0, events.length)).toEqual(events);
  for (const before of [away, present]) {
    const back = await connectLive(second.httpUrl, `?since=${toldTo(before).at(-1)}`);
    await back.until(() => back.messages.some(({ type }) => type === "snapshot"));
    expect([...toldTo(before), ...toldTo(back)]).toEqual(all.map(({ seq }) => seq));
    const missed = back.messages.flatMap((message) => (message.type === "missed" ? message.events : []));
    expect(missed).toEqual(all.slice(-missed.length));
    back.socket.terminate();
  }
  expect(JSON.stringify(first.log)).not.toContain("descriptor");
});

test("a stream that should show a face and does not is an alert of its own, until the stream ends", { timeout: 120_000 }, async () => {
  await using daemon = await startDaemonProcess({ streams: [{ ...streams[0], alerts: { expectFace: true } }], rtmp: { port: 0, graceMs: 500 }, blindSpots: { noFaceMs: 5_000 } });
  const publisher = publishWith(["-re", "-f", "lavfi", "-i", "mandelbrot=size=640x360:rate=20", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20", "-f", "flv", `${daemon.rtmpUrl}/forged-key-1`]);
  await using _publisher = publisher;
  const [fired] = await eventsOf(daemon, (events) => events.length > 0);
  expect(fired).toMatchObject({ kind: "new", alert: { rule: "no-usable-face", state: "firing", limit: 5 } });
  expect((await daemon.get<AlertPage>("/api/v1/alerts?rule=no-usable-face&state=firing")).alerts.map(({ id }) => id)).toEqual([fired?.alert.id]);
  const exposition = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
  expect(exposition).toContain('truecast_alert_transitions_total{stream="demo-forged",rule="no-usable-face",transition="firing"} 1');
  await publisher.close();
  const events = await eventsOf(daemon, (all) => all.length === 2);
  expect(events[1]).toMatchObject({ kind: "end", alert: { id: fired?.alert.id, resolution: "stream-ended" } });
});
