/** How long after a window's end a webhook is there: the real daemon, scripted scores that cross the threshold again and again, a real receiver. */
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startHttpReceiver } from "../../daemon/delivery/testing/http-receiver.ts";
import { faceVideo, publish, type Publisher, startDaemonProcess } from "../../daemon/testing/daemon-process.ts";
import { bucketsBetween, histogramQuantile, parseExposition } from "./exposition.ts";
import { type Section, wait } from "./section.ts";
import { quantile } from "./statistics.ts";
import { HORIZON_SECONDS } from "./steady-window.ts";

/** Four fifths of what two cores hold with `edge`, where `capacity` has not measured this machine. */
const STREAMS = 4;
const SHARE_OF_CAPACITY = 0.8;
const MAX_P99_MS = 500;
/** A score is due every 10 slots: two above the threshold, then two below. */
const SLOTS_A_STATE = 20;
const STATES = 100;
const STAGGER_MS = 730;

export const delivery: Section = {
  name: "delivery",
  about: "end of a window to its webhook",
  async run(context) {
    const streams = Math.max(1, context.capacity === undefined ? STREAMS : Math.floor(SHARE_OF_CAPACITY * context.capacity.streams));
    const seconds = context.quick ? 20 : 100;
    const names = Array.from({ length: streams }, (_, index) => `bench-${index + 1}`);
    const modelsDir = await modelsThatChange(names);
    const publishers: Publisher[] = [];
    try {
      await using receiver = await startHttpReceiver();
      const latencies: number[] = [];
      receiver.answer = ({ body }) => {
        latencies.push(Date.now() - Date.parse((JSON.parse(body) as { time: string }).time));
        return { status: 204 };
      };
      await using daemon = await startDaemonProcess({
        streams: names.map((name) => ({ name, key: `${name}-secret` })),
        inference: { model: "scripted", modelsDir },
        alerts: { dwellMs: 0, resolveMs: 0, coolDownMs: 0, minFrames: 40 },
        receivers: [{ name: "bench", type: "webhook", url: receiver.url.href, secret: `whsec_${randomBytes(32).toString("base64")}` }],
        outbound: { allow: ["127.0.0.1"] },
      });
      const video = await faceVideo();
      for (const name of names) {
        publishers.push(publish(video, `${daemon.rtmpUrl}/${name}-secret`));
        await wait(STAGGER_MS / 1000, context);
      }
      const frameAges = async (): Promise<ReadonlyMap<number, number>> => parseExposition(await (await fetch(`${daemon.httpUrl}/metrics`)).text()).buckets("truecast_frame_age_seconds");
      await wait(HORIZON_SECONDS, context);
      const before = await frameAges();
      latencies.length = 0;
      context.say(`${streams} streams, ${seconds} s`);
      await wait(seconds, context);
      const measured = [...latencies];
      if (measured.length === 0) return { kind: "skipped", reason: "no alert fired: this machine does not keep up with the streams" };
      const frameAge = bucketsBetween(before, await frameAges());
      const ageMs = (q: number): number => 1000 * histogramQuantile(frameAge, q);
      const afterMs = (q: number): number => quantile(measured, q);
      const boundMs = ageMs(0.99) + afterMs(0.99);
      return {
        kind: "measured",
        tables: [
          {
            title: `Webhooks with ${streams} scripted streams`,
            columns: ["from … to", "p50, ms", "p99, ms", "longest, ms", "count"],
            rows: [
              ["a window's last frame decoded … its score", ageMs(0.5), ageMs(0.99), null, [...frameAge.values()].at(-1) ?? 0],
              ["the score … the webhook at its receiver", afterMs(0.5), afterMs(0.99), Math.max(...measured), measured.length],
            ],
          },
        ],
        goals: [{ name: "end of a window to its webhook, sum of the 99th percentiles", measured: boundMs, limit: MAX_P99_MS, kind: "at-most", unit: "ms" }],
        notes: [
          `Over ${seconds} s. An event carries the time of its score; the receiver is on the same machine and reads the same clock. The commit to the store lies between.`,
          "Scores are scripted, so the backbone takes no time: its share is in `frame-age`.",
        ],
      };
    } finally {
      for (const publisher of publishers) await publisher.close();
      await rm(modelsDir, { recursive: true, force: true });
    }
  },
};

/** The scripted stand-in, with a script under which every stream crosses the threshold up and down again. */
async function modelsThatChange(streams: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "truecast-bench-models-"));
  await cp(fileURLToPath(new URL("../../models/scripted", import.meta.url)), join(folder, "scripted"), { recursive: true });
  const file = join(folder, "scripted/manifest.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as { script: object };
  const entries = streams.flatMap((stream) => Array.from({ length: STATES }, (_, state) => ({ stream, startSlot: state * SLOTS_A_STATE, score: state % 2 === 0 ? 0.95 : 0.1 })));
  await writeFile(file, JSON.stringify({ ...manifest, script: { ...manifest.script, entries } }));
  return folder;
}
