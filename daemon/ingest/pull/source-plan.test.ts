import { describe, expect, test } from "vitest";
import { planSource, shownUrl, withoutSecrets } from "./source-plan.ts";

const planOf = (url: string, more: { format?: "hls" | "flv" } = {}) => planSource({ name: "cam", url, ...more });

test.each([
  ["rtsp://cam.example/1", { kind: "rtsp", host: "cam.example", port: 554, tls: false }],
  ["rtsps://cam.example:8322/1", { kind: "rtsp", port: 8322, tls: true }],
  ["rtmp://cam.example/live/x", { kind: "rtmp", port: 1935, tls: false }],
  ["rtmps://cam.example/live/x", { kind: "rtmp", port: 443, tls: true }],
  ["srt://cam.example:9000?streamid=x", { kind: "srt", port: 9000, listens: false }],
  ["srt://10.0.0.1:9000?mode=listener", { kind: "srt", listens: true }],
  ["https://cam.example/a/live.m3u8?token=1", { kind: "hls" }],
  ["https://cam.example/live.MPD", { kind: "dash" }],
  ["http://cam.example/live.flv", { kind: "http-flv" }],
  ["http://cam.example/live.ts", { kind: "http-ts" }],
  ["udp://@239.0.0.1:5000", { kind: "udp-ts", host: "239.0.0.1", port: 5000 }],
  ["file:///srv/a%20b.mp4", { kind: "file", path: "/srv/a b.mp4" }],
])("%s is understood", (url, plan) => {
  expect(planOf(url)).toMatchObject(plan);
});

test("a format is told where the path does not", () => {
  expect(planOf("http://cam.example/stream", { format: "hls" })).toMatchObject({ kind: "hls" });
  expect(() => planOf("http://cam.example/stream")).toThrow(/set `format` to one of flv, mpegts, hls, dash/);
  expect(() => planOf("srt://cam.example:1", { format: "flv" })).toThrow(/for http and https/);
});

describe("what is shown", () => {
  test.each([
    ["rtsp://user:secret@cam.example:554/token/1?key=secret", "rtsp://cam.example:554/…"],
    ["srt://cam.example:9000?passphrase=secret", "srt://cam.example:9000"],
    ["rtmp://cam.example/live/secret-key", "rtmp://cam.example/…"],
    ["https://cam.example/", "https://cam.example"],
    ["file:///srv/a.mp4", "file:///srv/a.mp4"],
    ["secret", "(not a URL)"],
  ])("of %s is %s", (url, shown) => {
    expect(shownUrl(url)).toBe(shown);
  });

  test("of ffmpeg's words is nothing that could be a secret", () => {
    const url = "srt://user-x:pass-x@cam.example:9000/way-x?passphrase=phrase-x&streamid=id-x";
    const said = `srt://cam.example:9000?passphrase=phrase-x: Input/output error; id-x pass-x user-x way-x`;
    expect(withoutSecrets(said, url)).not.toMatch(/phrase-x|id-x|pass-x|user-x|way-x/);
    expect(withoutSecrets("Connection refused", url)).toBe("Connection refused");
  });
});
