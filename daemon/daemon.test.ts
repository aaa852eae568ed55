/** The whole spine, for real: processes, RTMP, ffmpeg, faces, horizon, alerts, store and API; only the classifier is scripted. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { AlertPage, Stream, StreamDetail, SystemStatus } from "./protocol.ts";
import { type DaemonProcess, faceVideo, freshEnvironment, publish, type Publisher, publishWith, runCli, startCli, startDaemonProcess } from "./testing/daemon-process.ts";

const FORGED_KEY = "forged-key-1";
const OTHER_KEY = "other-key-12";
const streams = [
  { name: "demo-forged", key: FORGED_KEY },
  { name: "other", key: OTHER_KEY },
];

async function until<T>(look: () => Promise<T>, accept: (value: T) => boolean, timeoutMs = 20_000): Promise<T> {
  let last: T | undefined;
  await vi.waitFor(
    async () => {
      last = await look();
      if (!accept(last)) throw new Error(`not yet: ${JSON.stringify(last).slice(0, 600)}`);
    },
    { timeout: timeoutMs, interval: 50 },
  );
  return last as T;
}

describe("one stream, end to end", () => {
  let daemon: DaemonProcess;
  let publisher: Publisher;
  let video: string;
  const stream = async (name = "demo-forged"): Promise<Stream> => (await daemon.get<StreamDetail>(`/api/v1/streams/${name}`)).stream;
  const system = () => daemon.get<SystemStatus>("/api/v1/system");

  beforeAll(async () => {
    video = await faceVideo();
    daemon = await startDaemonProcess({ streams, rtmp: { port: 0, graceMs: 15_000 }, alerts: { dwellMs: 0 } });
    publisher = publish(video, `${daemon.rtmpUrl}/${FORGED_KEY}`);
  });

  afterAll(async () => {
    await publisher.close();
    await daemon[Symbol.asyncDispose]();
  });

  test("a publisher is live, a face is followed and scored, and an alert is raised and stored", { timeout: 60_000 }, async () => {
    const seen = await until(stream, ({ state, tracks }) => state === "live" && tracks.length > 0);
    expect(seen.publisher).toMatchObject({ protocol: "rtmp", videoCodec: "h264", widthPx: 1280, heightPx: 720 });
    const early = await until(stream, ({ verdict }) => verdict.kind !== "unscored");
    expect(early.verdict).toMatchObject({ frames: 40 });
    const { alerts } = await until(() => daemon.get<AlertPage>("/api/v1/alerts?state=firing"), (page) => page.alerts.length > 0, 30_000);
    expect(alerts[0]).toMatchObject({ stream: "demo-forged", state: "firing", model: { name: "scripted", scripted: true } });
    const full = await stream();
    expect(full.verdict).toMatchObject({ kind: "manipulated", frames: 100 });
    expect(full.firingAlerts).toBeGreaterThan(0);
    const { scores } = await daemon.get<StreamDetail>("/api/v1/streams/demo-forged");
    expect(scores.filter(({ track }) => track === scores[0]?.track).slice(0, 4).map(({ frames }) => frames)).toEqual([40, 60, 80, 100]);
    const jpeg = await fetch(`${daemon.httpUrl}/api/v1/streams/demo-forged/thumbnail.jpg`);
    expect([...new Uint8Array(await jpeg.arrayBuffer()).subarray(0, 2)]).toEqual([0xff, 0xd8]);
  });

  test("a wrong key is refused and disturbs nobody", async () => {
    const before = (await stream()).frames.decoded;
    const wrong = publish(video, `${daemon.rtmpUrl}/wrong-key-123`);
    await vi.waitFor(() => expect(wrong.process.exitCode).toBeGreaterThan(0), { timeout: 10_000 });
    await until(stream, ({ frames }) => frames.decoded > before);
    await vi.waitFor(async () => expect(await (await fetch(`${daemon.httpUrl}/metrics`)).text()).toMatch(/truecast_ingest_refusals_total\{code="key-unknown"\} [1-9]/), { timeout: 5_000 });
    expect(JSON.stringify(daemon.log)).not.toContain("wrong-key");
  });

  test("garbage on the RTMP port disturbs nobody", async () => {
    const port = Number(new URL(daemon.rtmpUrl.replace("rtmp:", "http:")).port);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => socket.destroy());
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.write(Buffer.alloc(4_096, 0x47));
    await closed;
    expect((await stream()).state).toBe("live");
    expect((await system()).components["ingest"]?.restarts).toBe(0);
  });

  test("a publisher that returns within its grace time keeps its track and window", { timeout: 60_000 }, async () => {
    const before = await until(stream, ({ verdict }) => verdict.kind === "manipulated");
    await publisher.close();
    const gone = await until(stream, ({ state }) => state === "reconnecting");
    expect(gone.verdict).toEqual({ kind: "unscored", reason: "offline", score: null });
    publisher = publish(video, `${daemon.rtmpUrl}/${FORGED_KEY}`);
    const back = await until(stream, ({ state, tracks }) => state === "live" && tracks.length > 0);
    expect(back.tracks.map(({ id }) => id)).toEqual(expect.arrayContaining(before.tracks.map(({ id }) => id)));
    expect(back.verdict).toMatchObject({ kind: "manipulated", frames: 100 });
  });

  test("a second publisher of the same key is refused while the first is alive", async () => {
    const second = publish(video, `${daemon.rtmpUrl}/${FORGED_KEY}`);
    await vi.waitFor(() => expect(second.process.exitCode).toBeGreaterThan(0), { timeout: 10_000 });
    expect((await stream()).state).toBe("live");
  });

  test("a killed ingest process is back, its publisher returns, and its track goes on", { timeout: 60_000 }, async () => {
    const before = await until(stream, ({ tracks }) => tracks.length > 0);
    process.kill(daemon.childPid("ingest"), "SIGKILL");
    await until(system, ({ components }) => components["ingest"]?.restarts === 1 && components["ingest"].state === "ready", 5_000);
    await publisher.close();
    publisher = publish(video, `${daemon.rtmpUrl}/${FORGED_KEY}`);
    const back = await until(stream, ({ state, tracks }) => state === "live" && tracks.length > 0);
    expect(back.tracks.map(({ id }) => id)).toEqual(expect.arrayContaining(before.tracks.map(({ id }) => id)));
  });

  test("a killed inference process is back, and faces meanwhile are unscored, not authentic", { timeout: 60_000 }, async () => {
    await until(stream, ({ verdict }) => verdict.kind === "manipulated");
    process.kill(daemon.childPid("inference"), "SIGKILL");
    const seen = new Set<string>();
    // The windows were lost with the process: the next verdict is a provisional one again.
    await until(
      async () => {
        const { verdict } = await stream();
        seen.add(verdict.kind === "unscored" ? verdict.reason : verdict.kind);
        return verdict;
      },
      (verdict) => verdict.kind !== "unscored" && verdict.frames === 40,
      30_000,
    );
    expect(seen).not.toContain("authentic");
    expect((await system()).components["inference"]).toMatchObject({ state: "ready", restarts: 1 });
    expect((await fetch(`${daemon.httpUrl}/readyz`)).status).toBe(200);
  });

  test("a killed analysis process is back, its streams are scored again, and track ids go on", { timeout: 60_000 }, async () => {
    const before = await until(stream, ({ tracks }) => tracks.length > 0);
    const killedAt = Date.now();
    process.kill(daemon.childPid("analysis-0"), "SIGKILL");
    await until(system, ({ components }) => components["analysis-0"]?.restarts === 1 && components["analysis-0"].state === "ready");
    const { scores } = await until(
      () => daemon.get<StreamDetail>("/api/v1/streams/demo-forged"),
      (detail) => detail.scores.some(({ at }) => at > killedAt + 1_000),
      30_000,
    );
    const oldIds = before.tracks.map(({ id }) => id);
    expect(scores.at(-1)?.track).toBeGreaterThan(Math.max(...oldIds));
  });

  test("the stream key is in no log line", () => {
    expect(daemon.log.length).toBeGreaterThan(10);
    expect(JSON.stringify(daemon.log)).not.toContain(FORGED_KEY);
  });

  test("SIGTERM ends everything with exit code 0 within ten seconds", { timeout: 20_000 }, async () => {
    const end = await daemon.stop("SIGTERM");
    expect(end).toMatchObject({ code: 0 });
    expect(end.seconds).toBeLessThan(10);
    await vi.waitFor(() => expect(() => process.kill(daemon.childPid("inference"), 0)).toThrow());
  });
});

test("a firing alert survives kill -9 and is resolved as daemon-restarted by the next run", { timeout: 90_000 }, async () => {
  const first = await startDaemonProcess({ streams, alerts: { dwellMs: 0 } });
  await using _first = first;
  await using _publisher = publish(await faceVideo(), `${first.rtmpUrl}/${FORGED_KEY}`);
  const { alerts } = await until(() => first.get<AlertPage>("/api/v1/alerts?state=firing"), (page) => page.alerts.length > 0, 40_000);
  await first.stop("SIGKILL");
  await using second = await startDaemonProcess({ streams, dataDir: first.dataDir });
  const kept = await second.get<AlertPage>("/api/v1/alerts");
  expect(kept.alerts.map(({ id }) => id)).toEqual(expect.arrayContaining(alerts.map(({ id }) => id)));
  expect(kept.alerts.find(({ id }) => id === alerts[0]?.id)).toMatchObject({ state: "resolved", resolution: "daemon-restarted" });
});

describe("streams of every kind beside each other", () => {
  let daemon: DaemonProcess;
  const names = ["silent", "sound", "faceless", "tiny", "huge"];
  const publishers: Publisher[] = [];
  const stream = async (name: string): Promise<Stream> => (await daemon.get<StreamDetail>(`/api/v1/streams/${name}`)).stream;
  const show = (name: string, ...input: string[]): Publisher => {
    const publisher = publishWith([...input, "-f", "flv", `${daemon.rtmpUrl}/${name}-key-123`]);
    publishers.push(publisher);
    return publisher;
  };
  const encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20"];

  beforeAll(async () => {
    daemon = await startDaemonProcess({ streams: names.map((name) => ({ name, key: `${name}-key-123` })), rtmp: { port: 0, stallMs: 3_000 } });
  });

  afterAll(async () => {
    await Promise.all(publishers.map((publisher) => publisher.close()));
    await daemon[Symbol.asyncDispose]();
  });

  test("a publisher that falls silent is stalled without video, and live when it goes on", { timeout: 60_000 }, async () => {
    const publisher = show("silent", "-re", "-stream_loop", "-1", "-i", await faceVideo(), "-c", "copy");
    await until(() => stream("silent"), ({ state, tracks }) => state === "live" && tracks.length > 0);
    publisher.process.kill("SIGSTOP");
    const stalled = await until(() => stream("silent"), ({ state }) => state === "stalled");
    expect(stalled).toMatchObject({ stateReason: { code: "publisher-stalled" }, verdict: { kind: "unscored", reason: "no-video" } });
    publisher.process.kill("SIGCONT");
    await until(() => stream("silent"), ({ state, tracks, analysedFps }) => state === "live" && tracks.length > 0 && analysedFps > 0);
    await publisher.close();
  });

  test("sound alone is told as such", { timeout: 60_000 }, async () => {
    const publisher = show("sound", "-re", "-f", "lavfi", "-i", "sine", "-c:a", "aac");
    const seen = await until(() => stream("sound"), ({ stateReason }) => stateReason?.code === "no-video", 25_000);
    expect(seen).toMatchObject({ state: "stalled", verdict: { kind: "unscored", reason: "no-video" } });
    await publisher.close();
  });

  test("a picture without faces is live and unscored", { timeout: 60_000 }, async () => {
    const publisher = show("faceless", "-re", "-f", "lavfi", "-i", "mandelbrot=size=640x360:rate=20", ...encode);
    const seen = await until(() => stream("faceless"), ({ state, analysedFps }) => state === "live" && analysedFps > 0);
    expect(seen).toMatchObject({ tracks: [], verdict: { kind: "unscored", reason: "no-face" } });
    await until(() => stream("faceless"), ({ facelessSeconds }) => facelessSeconds > 0);
    await publisher.close();
  });

  test("a picture too small to hold a face fails with its reason", { timeout: 60_000 }, async () => {
    const publisher = show("tiny", "-re", "-f", "lavfi", "-i", "color=size=16x16:rate=20", ...encode);
    const seen = await until(() => stream("tiny"), ({ state }) => state === "failed");
    expect(seen.stateReason?.code).toBe("picture-size-refused");
    await publisher.close();
  });

  test("a picture of 4096x4096 is scaled down and live", { timeout: 60_000 }, async () => {
    const publisher = show("huge", "-re", "-f", "lavfi", "-i", "color=size=4096x4096:rate=2", ...encode);
    const seen = await until(() => stream("huge"), ({ state, frames }) => state === "live" && frames.decoded > 0, 30_000);
    expect(seen.publisher).toMatchObject({ widthPx: 4_096, heightPx: 4_096 });
    await publisher.close();
  });
});

describe("a start that cannot succeed", () => {
  test("names a taken port", { timeout: 30_000 }, async () => {
    await using daemon = await startDaemonProcess({ streams });
    const { port } = new URL(daemon.httpUrl);
    const taken = await runCli(["start"], { ...(await freshEnvironment()), TRUECAST_HTTP_PORT: port });
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain(`127.0.0.1:${port}`);
    expect(taken.stderr).toContain("[port-in-use]");
  });

  test("names a wrong key of the configuration, its value and the rule, within two seconds", async () => {
    const outcome = await runCli(["start"], { TRUECAST_RTMP_PORT: "70000" });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr.trim()).toBe("truecast: configuration: `rtmp.port` is 70000 but must be <= 65535 [config-invalid]");
    expect(outcome.seconds).toBeLessThan(2);
  });

  test("names a data folder that cannot be used", async () => {
    const outcome = await runCli(["start"], { TRUECAST_DATA_DIR: "/dev/null/x" });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('dataDir is "/dev/null/x"');
    expect(outcome.stderr).toContain("[config-invalid]");
  });

  test("ends at once when it is told to before it is through", { timeout: 30_000 }, async () => {
    const { child, exited } = startCli(["start"], await freshEnvironment());
    // Its first log line comes before any child is started.
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });

  test("names a model that is not there", async () => {
    const outcome = await runCli(["start"], { ...(await freshEnvironment()), TRUECAST_INFERENCE_MODEL: "nothing" });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain("[model-not-found]");
  });

  test("does not fall back in silence from a GPU that does not load", { timeout: 60_000 }, async () => {
    const outcome = await runCli(["start"], { ...(await freshEnvironment()), TRUECAST_INFERENCE_MODEL: "edge", TRUECAST_INFERENCE_PROVIDER: "cuda" });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain("[provider-unavailable]");
  });
});
