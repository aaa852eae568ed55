/** Every kind of source from a real server, through the real ffmpeg, to the FLV that analysis reads. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { decodeFlv, flvTags, H264 } from "../testing/ffmpeg.ts";
import type { PullEvent } from "./messages.ts";
import type { SourceSpec } from "./source-plan.ts";
import { freePort, serveWithFfmpeg, startPulling, type Pulling } from "./testing/pulling.ts";

async function expectVideo(pulling: Pulling, packets = 20): Promise<void> {
  await pulling.reader.until((connections) => connections.some((connection) => connection.flv().length > 13 && flvTags(connection.flv()).length > packets));
  const decoded = await decodeFlv(pulling.reader.connections.findLast((connection) => connection.flv().length > 13)?.flv() ?? Buffer.alloc(0));
  expect(decoded.frames).toBeGreaterThan(packets / 2);
}

const TIMEOUT = { timeout: 60_000 };

test("HTTP-FLV", TIMEOUT, async () => {
  const port = await freePort();
  await using _server = serveWithFfmpeg([...H264, "-listen", "1", "-f", "flv", `http://127.0.0.1:${port}/live.flv`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `http://127.0.0.1:${port}/live.flv` }] });
  expect(await pulling.until("connected")).toMatchObject({ stream: "cam", protocol: "http-flv", videoCodec: "h264" });
  await expectVideo(pulling);
});

test("HTTP-TS, with sound beside the picture", TIMEOUT, async () => {
  const port = await freePort();
  await using _server = serveWithFfmpeg(["-f", "lavfi", "-i", "sine", ...H264, "-c:a", "aac", "-listen", "1", "-f", "mpegts", `http://127.0.0.1:${port}/live`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `http://127.0.0.1:${port}/live`, format: "mpegts" }] });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "http-ts" });
  await expectVideo(pulling);
});

test("RTMP", TIMEOUT, async () => {
  const port = await freePort();
  await using _server = serveWithFfmpeg([...H264, "-listen", "1", "-f", "flv", `rtmp://127.0.0.1:${port}/live/cam`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `rtmp://127.0.0.1:${port}/live/cam` }] });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "rtmp" });
  await expectVideo(pulling);
});

test("SRT as caller, with a passphrase and a stream id", TIMEOUT, async () => {
  const port = await freePort();
  await using _server = serveWithFfmpeg([...H264, "-f", "mpegts", `srt://127.0.0.1:${port}?mode=listener&passphrase=a-long-secret`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `srt://127.0.0.1:${port}?passphrase=a-long-secret&streamid=live%2Fcam&latency=80` }] });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "srt" });
  await expectVideo(pulling);
});

test("SRT as listener", TIMEOUT, async () => {
  const port = await freePort();
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `srt://127.0.0.1:${port}?mode=listener` }] });
  await using _sender = serveWithFfmpeg([...H264, "-f", "mpegts", `srt://127.0.0.1:${port}?mode=caller&connect_timeout=20000`]);
  await expectVideo(pulling);
});

test("MPEG-TS over UDP", TIMEOUT, async () => {
  const port = await freePort();
  await using _sender = serveWithFfmpeg([...H264, "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }] });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "udp-ts" });
  await expectVideo(pulling);
});

test("a stream whose keyframes are far apart is joined in between", TIMEOUT, async () => {
  const port = await freePort();
  const everySixSeconds = H264.map((option) => (option === "30" ? "180" : option));
  await using _sender = serveWithFfmpeg([...everySixSeconds, "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  // Joined after its first keyframe, by a source that is not the first to listen.
  await using first = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }] });
  await first.until("connected");
  await first.sources.close();
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }] });
  await pulling.until("connected");
  await expectVideo(pulling);
});

test("video that is not H.264 is re-encoded", TIMEOUT, async () => {
  const port = await freePort();
  const send = (): ReturnType<typeof serveWithFfmpeg> => serveWithFfmpeg(["-c:v", "mpeg2video", "-g", "15", "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  await using _sender = send();
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }] });
  expect(await pulling.until("connected")).toMatchObject({ videoCodec: "mpeg2video" });
  await expectVideo(pulling);
  expect(pulling.events.filter((event) => event.type === "lost")).toEqual([]);
});

test("video that is not H.264 is refused by name where re-encoding is off", TIMEOUT, async () => {
  const port = await freePort();
  await using _sender = serveWithFfmpeg(["-c:v", "mpeg2video", "-g", "15", "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }], transcode: false });
  const { state } = await pulling.until("source-state", ({ state: { kind } }) => kind === "backing-off");
  expect(state).toMatchObject({ reason: { code: "codec-unsupported", message: expect.stringContaining("mpeg2video") as string } });
});

/** The ffmpegs that this test's sources started, not those that serve them. */
async function pullingFfmpegs(): Promise<number[]> {
  const pids = (await readFile(`/proc/self/task/${process.pid}/children`, "utf8")).trim().split(" ").map(Number);
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return pids.filter((_, index) => lines[index]?.includes("no_duration_filesize"));
}

test("a frozen ffmpeg is noticed, killed and replaced", TIMEOUT, async () => {
  const port = await freePort();
  await using _sender = serveWithFfmpeg([...H264, "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }], limits: { readTimeoutMs: 1_500 } });
  const { sessionId } = await pulling.until("connected");
  const [frozen] = await pullingFfmpegs();
  expect(frozen).toBeDefined();
  process.kill(frozen ?? 0, "SIGSTOP");
  expect(await pulling.until("lost")).toMatchObject({ sessionId, code: "unreachable", message: "The source sent no video for 1.5 s." });
  await pulling.until("connected", (event) => event.sessionId !== sessionId);
  expect(await pullingFfmpegs()).not.toContain(frozen);
});

test("nothing is left of a source that is closed", TIMEOUT, async () => {
  const port = await freePort();
  await using _sender = serveWithFfmpeg([...H264, "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  {
    await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }] });
    await pulling.until("connected");
    expect(await pullingFfmpegs()).toHaveLength(1);
  }
  expect(await pullingFfmpegs()).toEqual([]);
});

const isKind = (kind: string) => (event: Extract<PullEvent, { type: "source-state" }>) => event.state.kind === kind;

test("a source comes back by itself after its server was gone", TIMEOUT, async () => {
  const port = await freePort();
  const serve = (): ReturnType<typeof serveWithFfmpeg> => serveWithFfmpeg([...H264, "-listen", "1", "-f", "flv", `http://127.0.0.1:${port}/live.flv`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `http://127.0.0.1:${port}/live.flv` }] });
  const { state } = await pulling.until("source-state", isKind("backing-off"));
  expect(state).toMatchObject({ reason: { code: "unreachable", message: `127.0.0.1:${port} cannot be reached (ECONNREFUSED).` } });
  const first = serve();
  const { sessionId } = await pulling.until("connected");
  await first[Symbol.asyncDispose]();
  await pulling.until("lost", (event) => event.sessionId === sessionId);
  await using _second = serve();
  await pulling.until("connected", (event) => event.sessionId !== sessionId);
});

test("sources are added, changed and taken out while others go on", TIMEOUT, async () => {
  const [portA, portB] = [await freePort(), await freePort()];
  await using _a = serveWithFfmpeg([...H264, "-f", "mpegts", `udp://127.0.0.1:${portA}?pkt_size=1316`]);
  await using _b = serveWithFfmpeg([...H264, "-f", "mpegts", `udp://127.0.0.1:${portB}?pkt_size=1316`]);
  const a: SourceSpec = { name: "a", url: `udp://127.0.0.1:${portA}` };
  const b: SourceSpec = { name: "b", url: `udp://127.0.0.1:${portB}` };
  await using pulling = await startPulling({ sources: [a] });
  await pulling.until("connected", ({ stream }) => stream === "a");
  pulling.sources.apply({ type: "set-sources", sources: [a, b] });
  const { sessionId } = await pulling.until("connected", ({ stream }) => stream === "b");
  pulling.sources.apply({ type: "set-sources", sources: [a, { ...b, url: `udp://127.0.0.1:${portB}?changed` }] });
  await pulling.until("lost", ({ stream }) => stream === "b");
  await pulling.until("connected", (event) => event.stream === "b" && event.sessionId !== sessionId);
  pulling.sources.apply({ type: "set-sources", sources: [a] });
  await pulling.until("lost", (event) => event.stream === "b" && event.sessionId !== sessionId);
  expect(pulling.events.filter((event) => event.type === "lost" && event.stream === "a")).toEqual([]);
});

test("a session that is ended from outside says why, and tries again", TIMEOUT, async () => {
  const port = await freePort();
  await using _sender = serveWithFfmpeg([...H264, "-f", "mpegts", `udp://127.0.0.1:${port}?pkt_size=1316`]);
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `udp://127.0.0.1:${port}` }] });
  const { sessionId } = await pulling.until("connected");
  pulling.sources.apply({ type: "end", stream: "cam", sessionId, code: "capacity-reached", message: "16 streams are live." });
  expect(await pulling.until("lost")).toMatchObject({ sessionId, code: "capacity-reached", message: "16 streams are live." });
  await pulling.until("connected", (event) => event.sessionId !== sessionId);
});
