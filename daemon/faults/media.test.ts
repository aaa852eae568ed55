/** Fault matrix (docs/operations.md): media that jumps in the middle of a stream, and 300 corrupted streams beside one that must lose nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseExposition } from "../../scripts/bench/exposition.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import type { Stream, StreamDetail, SystemStatus } from "../protocol.ts";
import { type DaemonProcess, faceVideo, publish, type Publisher, startDaemonProcess } from "../testing/daemon-process.ts";
import { childrenOf } from "../testing/processes.ts";
import { connectPublisher, damaged, playInRealTime, videoOf } from "./testing/raw-publisher.ts";
import { expectRecovery, tell, until } from "./testing/recovery.ts";

const TIMEOUT = { timeout: 180_000 };
const LANES = 4;
const NOTHING_MS = 2_000;
const key = (name: string): string => `secret-of-${name}`;

let daemon: DaemonProcess;
let witness: Publisher;
const stream = async (name: string): Promise<Stream> => (await daemon.get<StreamDetail>(`/api/v1/streams/${name}`)).stream;

beforeAll(async () => {
  const names = ["witness", "jumping", ...Array.from({ length: LANES }, (_, lane) => `lane-${lane}`)];
  daemon = await startDaemonProcess({ streams: names.map((name) => ({ name, key: key(name) })), rtmp: { port: 0, graceMs: 0 } });
  witness = publish(await faceVideo(), `${daemon.rtmpUrl}/${key("witness")}`);
  await until(() => stream("witness"), ({ state, tracks }) => state === "live" && tracks.length > 0);
});
afterAll(async () => {
  await witness.close();
  await daemon[Symbol.asyncDispose]();
});

describe("media that jumps in the middle of a stream", () => {
  const jumping = () => stream("jumping");

  test("timestamps that jump two hours on, back, and over the edge of 32 bits; a new size and profile", TIMEOUT, async () => {
    const upright = await videoOf({ size: "180x320", seconds: 5, encoder: ["-profile:v", "high", "-preset", "veryfast"] });
    const plain = await videoOf({ size: "320x180", seconds: 5 });
    const client = await connectPublisher(daemon.rtmpUrl, key("jumping"));
    await playInRealTime(client, plain, 0);
    await until(jumping, ({ state, frames }) => state === "live" && frames.decoded > 20);
    const parts = [
      { fault: "timestamps jump two hours forward", tags: plain, fromMs: 7_200_000 },
      { fault: "timestamps jump back to zero", tags: plain, fromMs: 0 },
      { fault: "timestamps wrap at 32 bits", tags: plain, fromMs: 2 ** 32 - 2_000 },
      { fault: "picture turns upright, other profile", tags: upright, fromMs: 10_000 },
    ];
    for (const { fault, tags, fromMs } of parts) {
      const { frames } = await jumping();
      const played = playInRealTime(client, tags, fromMs);
      // More than what was still on its way, and before the part is over.
      await expectRecovery(`${fault}, three seconds of frames`, 8, () => until(jumping, ({ frames: { decoded } }) => decoded > frames.decoded + 30));
      await played;
    }
    await until(jumping, ({ state, publisher }) => state === "live" && publisher?.widthPx === 180 && publisher.heightPx === 320);
    const metrics = parseExposition(await (await fetch(`${daemon.httpUrl}/metrics`)).text());
    expect(metrics.sum("truecast_discontinuities_total", { stream: "jumping" })).toBeGreaterThanOrEqual(3);
    client.destroy();
    await client.closed;
  });

  test("a codec that changes to one that cannot be decoded ends the publisher with its name, and the next one is welcome", TIMEOUT, async () => {
    const plain = await videoOf({ size: "320x180", seconds: 5 });
    const sorenson = await videoOf({ size: "320x180", seconds: 1, encoder: ["-c:v", "flv1"] });
    const client = await connectPublisher(daemon.rtmpUrl, key("jumping"));
    const after = await playInRealTime(client, plain, 0);
    for (const { payload, timestampMs } of sorenson) client.video(payload, after + timestampMs);
    await expectRecovery("codec changes to one that is not supported, told", 3, () => until(jumping, ({ state, stateReason }) => state === "failed" && stateReason?.code === "codec-unsupported"));
    expect((await jumping()).stateReason?.message).toContain("Sorenson");
    await client.closed;
    const next = await connectPublisher(daemon.rtmpUrl, key("jumping"));
    const played = playInRealTime(next, plain, 0);
    await expectRecovery("publisher back with H.264, live", 5, () => until(jumping, ({ state }) => state === "live"));
    await played;
    next.destroy();
  });
});

describe("300 corrupted streams, one after the other in four lanes, beside a witness", () => {
  const intact = async () => [await videoOf({ size: "320x180", seconds: 1, gopFrames: 10 }), await videoOf({ size: "128x96", seconds: 1, gopFrames: 15, encoder: ["-preset", "veryfast", "-bf", "2"] })];

  test.each([1, 2, 3, 4, 5, 6])("the witness loses nothing to fifty of them (seed %d)", TIMEOUT, async (seed) => {
    const random = seededRandom(seed);
    const sources = await intact();
    const before = await stream("witness");
    const metricsBefore = parseExposition(await (await fetch(`${daemon.httpUrl}/metrics`)).text());
    const kept = ["truecast_frames_lost_total", "truecast_packets_dropped_total", "truecast_decode_errors_total", "truecast_decoder_storms_total"];

    let left = 50;
    const reached = new Map<string, number>();
    const publishDamaged = async (name: string): Promise<void> => {
      while (left-- > 0) {
        const tags = damaged(sources[left % sources.length] ?? [], random);
        const client = await connectPublisher(daemon.rtmpUrl, key(name));
        for (const { payload, timestampMs } of tags) client.video(payload, timestampMs);
        // What comes of it is open: frames, a reason, the end of the connection; or nothing at all, which this long must do for.
        const state = await Promise.race([client.closed.then(() => "ended"), whatBecomesOf(name)]);
        reached.set(state, (reached.get(state) ?? 0) + 1);
        client.destroy();
        await client.closed;
        await until(() => stream(name), ({ publisher }) => publisher === null);
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, lane) => publishDamaged(`lane-${lane}`)));

    tell(`50 corrupted streams (seed ${seed}): ${[...reached].map(([state, count]) => `${count} ${state}`).join(", ")}`);
    const after = await stream("witness");
    expect(after).toMatchObject({ state: "live", stateSince: before.stateSince });
    expect(after.tracks.map(({ id }) => id)).toEqual(before.tracks.map(({ id }) => id));
    const metrics = parseExposition(await (await fetch(`${daemon.httpUrl}/metrics`)).text());
    // They were really decoded, not all turned away.
    const ofOthers = (name: string, from: typeof metrics): number => from.sum(name) - from.sum(name, { stream: "witness" });
    for (const name of ["truecast_frames_decoded_total", "truecast_decode_errors_total"]) expect(ofOthers(name, metrics) - ofOthers(name, metricsBefore), name).toBeGreaterThan(10);
    for (const name of kept) expect(metrics.sum(name, { stream: "witness" }), name).toBe(metricsBefore.sum(name, { stream: "witness" }));
    const { components } = await daemon.get<SystemStatus>("/api/v1/system");
    expect(Object.entries(components).filter(([, { state, restarts }]) => state !== "ready" || restarts > 0)).toEqual([]);
    // Only the witness's decoder is left.
    await until(() => childrenOf(daemon.childPid("analysis-0")), (children) => children.length === 1);
  });
});

async function whatBecomesOf(name: string): Promise<string> {
  for (const untilMs = performance.now() + NOTHING_MS; performance.now() < untilMs; await sleep(50)) {
    const { state } = await stream(name);
    if (state !== "starting" && state !== "waiting" && state !== "reconnecting") return state;
  }
  return "nothing";
}
