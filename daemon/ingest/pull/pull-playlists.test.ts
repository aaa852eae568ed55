/** HLS, DASH, RTSP and files from real writers, through the real ffmpeg. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { decodeFlv, flvTags } from "../testing/ffmpeg.ts";
import { startMediaFolder } from "./testing/media-folder.ts";
import { type Pulling, startPulling } from "./testing/pulling.ts";
import { startRtspServer } from "./testing/rtsp-server.ts";

const TIMEOUT = { timeout: 60_000 };

async function expectVideo(pulling: Pulling, packets = 40): Promise<void> {
  await pulling.reader.until((connections) => connections.some((connection) => connection.flv().length > 13 && flvTags(connection.flv()).length > packets));
  const decoded = await decodeFlv(pulling.reader.connections[0]?.flv() ?? Buffer.alloc(0));
  expect(decoded.frames).toBeGreaterThan(packets / 2);
}

test("a live HLS playlist is followed at the pace of its media", TIMEOUT, async () => {
  await using media = await startMediaFolder(["-f", "hls", "-hls_time", "1", "-hls_list_size", "4", "-hls_flags", "delete_segments", "live.m3u8"], { live: true });
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `${media.web.url}/live.m3u8?token=secret` }], limits: { maxBackOffMs: 1_000 } });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "hls" });
  const startedAtMs = performance.now();
  // Six seconds of pictures: of more segments than were there at the start.
  await expectVideo(pulling, 180);
  expect(performance.now() - startedAtMs).toBeGreaterThan(3_000);
  expect(new Set(media.web.paths.filter((path) => path.endsWith(".ts"))).size).toBeGreaterThan(4);
});

test("an HLS recording in fragmented MP4 is played through, from a list of variants and in byte ranges", TIMEOUT, async () => {
  await using media = await startMediaFolder(["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4", "-hls_flags", "single_file", "cam.m3u8"], {
    files: { "master.m3u8": '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,CODECS="avc1"\nlarge.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=320x180\ncam.m3u8\n' },
  });
  await media.written;
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `${media.web.url}/master.m3u8` }] });
  await expectVideo(pulling, 100);
  expect((await pulling.until("lost")).code).toBe("source-ended");
});

test("HLS segments encrypted with AES-128 are decrypted", TIMEOUT, async () => {
  const files = { "key.bin": randomBytes(16), "key.info": "key.bin\nkey.bin\n" };
  await using media = await startMediaFolder(["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-hls_key_info_file", "key.info", "cam.m3u8"], { files });
  await media.written;
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `${media.web.url}/cam.m3u8` }] });
  await expectVideo(pulling, 60);
  expect(media.web.paths).toContain("/key.bin");
});

test("a live DASH presentation is followed", TIMEOUT, async () => {
  await using media = await startMediaFolder(["-f", "dash", "-seg_duration", "1", "-window_size", "5", "-streaming", "0", "live.mpd"], { live: true });
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `${media.web.url}/live.mpd` }], limits: { maxBackOffMs: 1_000 } });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "dash" });
  await expectVideo(pulling, 150);
});

test("a DASH recording with numbered segments is played through, and again when it loops", TIMEOUT, async () => {
  await using media = await startMediaFolder(["-f", "dash", "-seg_duration", "1", "-use_timeline", "0", "cam.mpd"]);
  await media.written;
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `${media.web.url}/cam.mpd`, loop: true }] });
  const { sessionId } = await pulling.until("connected");
  await pulling.until("connected", (event) => event.sessionId !== sessionId);
});

test("RTSP, with a password that only the relay knows", TIMEOUT, async () => {
  await using server = await startRtspServer({ credentials: { user: "viewer", password: "pa:ss/word" } });
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `rtsp://viewer:pa%3Ass%2Fword@127.0.0.1:${server.port}/stream1?channel=1` }] });
  expect(await pulling.until("connected")).toMatchObject({ protocol: "rtsp", videoCodec: "h264" });
  await expectVideo(pulling);
  const [first] = server.requests;
  expect(first?.startLine).toBe(`OPTIONS rtsp://127.0.0.1:${server.port}/stream1?channel=1 RTSP/1.0`);
});

test("RTSP with a wrong password says so", TIMEOUT, async () => {
  await using server = await startRtspServer({ credentials: { user: "viewer", password: "right" } });
  await using pulling = await startPulling({ sources: [{ name: "cam", url: `rtsp://viewer:wrong-one@127.0.0.1:${server.port}/stream1` }] });
  const { state } = await pulling.until("source-state", (event) => event.state.kind === "backing-off");
  expect(state).toMatchObject({ reason: { code: "unreachable", message: expect.stringContaining("user and password") as string } });
});

test("a file below an allowed folder is played at its own pace, ends, or loops", TIMEOUT, async () => {
  await using media = await startMediaFolder(["-f", "mp4", "cam.mp4"]);
  await media.written;
  await mkdir(join(media.folder, "inner"));
  await symlink(join(media.folder, "cam.mp4"), join(media.folder, "inner", "link.mp4"));
  const sources = [{ name: "once", url: `file://${media.folder}/inner/link.mp4` }, { name: "again", url: `file://${media.folder}/cam.mp4`, loop: true }];
  await using pulling = await startPulling({ sources, fileRoots: [media.folder] });
  expect(await pulling.until("connected", ({ stream }) => stream === "once")).toMatchObject({ protocol: "file" });
  expect((await pulling.until("source-state", ({ stream, state }) => stream === "once" && state.kind === "ended")).state).toMatchObject({ reason: { code: "source-ended" } });
  // The other one goes on past the end of its file.
  await pulling.until("stats", ({ streams }) => streams.some(({ stream, videoPackets }) => stream === "again" && videoPackets > 150));
});

test("a file outside the folders, reached by dots, links or devices, or none at all is refused", TIMEOUT, async () => {
  await using media = await startMediaFolder(["-f", "mp4", "cam.mp4"]);
  await media.written;
  await mkdir(join(media.folder, "allowed"));
  await symlink(join(media.folder, "cam.mp4"), join(media.folder, "allowed", "link.mp4"));
  await symlink("/dev/zero", join(media.folder, "allowed", "zero.mp4"));
  await writeFile(join(media.folder, "allowed-beside.mp4"), "x");
  await writeFile(join(media.folder, "allowed", "empty.mp4"), "");
  const root = join(media.folder, "allowed");
  const cases: [string, string][] = [
    [`file://${media.folder}/cam.mp4`, "address-refused"],
    [`file://${root}/link.mp4`, "address-refused"],
    [`file://${root}/%2e%2e/cam.mp4`, "address-refused"],
    [`file://${root}/..%2fcam.mp4`, "address-refused"],
    [`file://${root}-beside.mp4`, "address-refused"],
    ["file:///etc/passwd", "address-refused"],
    [`file://${root}/zero.mp4`, "address-refused"],
    [`file://${root}/absent.mp4`, "input-not-found"],
    [`file://${root}`, "address-refused"],
    [`file://${root}/empty.mp4`, "input-empty"],
  ];
  await using pulling = await startPulling({ sources: cases.map(([url], index) => ({ name: `f${index}`, url })), fileRoots: [root] });
  for (const [index, [url, code]] of cases.entries()) {
    const { state } = await pulling.until("source-state", ({ stream, state: { kind } }) => stream === `f${index}` && kind === "backing-off");
    expect([url, state]).toMatchObject([url, { reason: { code } }]);
  }
});
