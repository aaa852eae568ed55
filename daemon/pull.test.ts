/** Pulled streams in the whole daemon: real sources, processes, decoder, faces and API; only the classifier is scripted. */
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { freePort, serveWithFfmpeg } from "./ingest/pull/testing/pulling.ts";
import type { Source, Stream, StreamDetail, SystemStatus } from "./protocol.ts";
import { type DaemonProcess, faceVideo, freshEnvironment, publishWith, runCli, startDaemonProcess } from "./testing/daemon-process.ts";

const TIMEOUT = { timeout: 90_000 };
const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p", "-f", "mpegts"];

async function until<T>(look: () => Promise<T>, accept: (value: T) => boolean): Promise<T> {
  let last: T | undefined;
  await vi.waitFor(
    async () => {
      last = await look();
      if (!accept(last)) throw new Error(`not yet: ${JSON.stringify(last).slice(0, 600)}`);
    },
    { timeout: 40_000, interval: 50 },
  );
  return last as T;
}

describe("pulled streams", () => {
  let daemon: DaemonProcess;
  let video: string;
  let udpPort: number;
  const stream = async (name: string): Promise<Stream> => (await daemon.get<StreamDetail>(`/api/v1/streams/${name}`)).stream;
  const put = (name: string, body: Record<string, unknown>): Promise<Response> =>
    fetch(`${daemon.httpUrl}/api/v1/streams/${name}/source`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const remove = (name: string): Promise<Response> => fetch(`${daemon.httpUrl}/api/v1/streams/${name}/source`, { method: "DELETE" });

  beforeAll(async () => {
    video = await faceVideo();
    udpPort = await freePort();
    daemon = await startDaemonProcess({
      streams: [{ name: "clip", url: `file://${video}`, loop: true }],
      pull: { fileRoots: [dirname(video)], maxBackOffMs: 1_000, readTimeoutMs: 3_000 },
      outbound: { allow: ["127.0.0.1"] },
      analysis: { maxStreams: 2 },
    });
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  test("a file of the configuration is live, its face is followed and scored", TIMEOUT, async () => {
    const seen = await until(() => stream("clip"), ({ state, tracks, verdict }) => state === "live" && tracks.length > 0 && verdict.kind !== "unscored");
    expect(seen.publisher).toMatchObject({ protocol: "file", videoCodec: "h264", widthPx: 1280, heightPx: 720 });
    expect(seen.source).toMatchObject({ kind: "file", origin: "config", state: "connected", loop: true, reason: null });
    expect((await daemon.get<SystemStatus>("/api/v1/system")).components["pull"]).toMatchObject({ state: "ready" });
  });

  test("one of the configuration cannot be changed over HTTP", async () => {
    expect((await put("clip", { url: "srt://camera.example:1" })).status).toBe(409);
    expect((await remove("clip")).status).toBe(409);
  });

  test("one is added over HTTP, told why it does not connect, and live once its server is there", TIMEOUT, async () => {
    const port = await freePort();
    const added = await put("gate", { url: `http://viewer:pass-word@127.0.0.1:${port}/hidden/live?token=abc`, format: "flv" });
    expect(added.status).toBe(201);
    expect(((await added.json()) as Source).address).toBe(`http://127.0.0.1:${port}/…`);
    const waiting = await until(() => stream("gate"), ({ source }) => source?.state === "backing-off");
    expect(waiting).toMatchObject({ state: "waiting", source: { origin: "api", reason: { code: "unreachable" } } });
    await using _server = publishWith(["-re", "-stream_loop", "-1", "-i", video, "-c", "copy", "-listen", "1", "-f", "flv", `http://127.0.0.1:${port}/hidden/live`]);
    const seen = await until(() => stream("gate"), ({ state, tracks }) => state === "live" && tracks.length > 0);
    expect(seen.source).toMatchObject({ state: "connected", kind: "http-flv" });
    const metrics = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
    expect(metrics).toContain('truecast_source_state{stream="gate",state="connected"} 1');
    expect(metrics).toMatch(/truecast_source_failures_total\{stream="gate",code="unreachable"\} [1-9]/);
  });

  test("past the cap on streams a source is held off with that reason, and comes when there is room", TIMEOUT, async () => {
    await put("gate", { url: `udp://127.0.0.1:${udpPort}` });
    await using _first = serveWithFfmpeg([...H264, `udp://127.0.0.1:${udpPort}?pkt_size=1316`]);
    await until(() => stream("gate"), ({ state }) => state === "live");
    const otherPort = await freePort();
    await put("other", { url: `udp://127.0.0.1:${otherPort}` });
    await using _second = serveWithFfmpeg([...H264, `udp://127.0.0.1:${otherPort}?pkt_size=1316`]);
    await until(() => stream("other"), ({ source }) => source?.reason?.code === "capacity-reached");
    expect((await stream("gate")).state).toBe("live");
    expect((await remove("gate")).status).toBe(204);
    expect((await fetch(`${daemon.httpUrl}/api/v1/streams/gate`)).status).toBe(404);
    await until(() => stream("other"), ({ state }) => state === "live");
  });

  test("a killed pull process is back, and its streams with their tracks", TIMEOUT, async () => {
    const before = await until(() => stream("clip"), ({ tracks }) => tracks.length > 0);
    process.kill(daemon.childPid("pull"), "SIGKILL");
    await until(() => daemon.get<SystemStatus>("/api/v1/system"), ({ components }) => components["pull"]?.restarts === 1 && components["pull"].state === "ready");
    const back = await until(() => stream("clip"), ({ state, tracks }) => state === "live" && tracks.length > 0);
    expect(back.tracks.map(({ id }) => id)).toEqual(expect.arrayContaining(before.tracks.map(({ id }) => id)));
  });

  test("a killed analysis process is back, and pulled streams are routed to it anew", TIMEOUT, async () => {
    const before = await until(() => stream("clip"), ({ state }) => state === "live");
    const killedAt = Date.now();
    process.kill(daemon.childPid("analysis-0"), "SIGKILL");
    await until(() => stream("clip"), ({ state, stateSince, frames }) => state === "live" && stateSince > killedAt && frames.decoded > before.frames.decoded);
    expect((await stream("clip")).source).toMatchObject({ state: "connected" });
  });

  test("what was added is there after a restart, and no credentials are in log or answers", TIMEOUT, async () => {
    await put("gate", { url: "rtsp://viewer:pass-word@192.0.2.1/hidden?token=abc" }).then((answer) => expect(answer.status).toBe(400));
    await put("gate", { url: "rtsp://viewer:pass-word@127.0.0.1:9/hidden?token=abc" });
    await until(() => stream("gate"), ({ source }) => source?.state === "backing-off");
    await using second = await (async () => {
      const { dataDir } = daemon;
      await daemon.stop();
      return startDaemonProcess({ dataDir, outbound: { allow: ["127.0.0.1"] } });
    })();
    const { streams } = await second.get<{ streams: Stream[] }>("/api/v1/streams");
    expect(streams.map(({ name }) => name)).toEqual(expect.arrayContaining(["gate", "other"]));
    await until(async () => (await second.get<StreamDetail>("/api/v1/streams/gate")).stream, ({ source }) => source?.state === "backing-off");
    const said = JSON.stringify([daemon.log, second.log, await second.get("/api/v1/streams")]);
    expect(said).not.toMatch(/pass-word|hidden|token=abc/);
  });
});

test("a source of the configuration that cannot be meant ends the start, without showing its URL", async () => {
  const outcome = await runCli(["start"], { TRUECAST_STREAMS: '[{ name: gate, url: "rtsp://viewer:pass-word@10.0.0.1/1" }]', ...(await freshEnvironment()) });
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toContain("[address-refused]");
  expect(outcome.stderr).toContain("outbound.allow");
  expect(outcome.stderr + outcome.stdout).not.toContain("pass-word");
});
