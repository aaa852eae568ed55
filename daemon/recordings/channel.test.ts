/** Channels: what a clip passes through before it is analysed. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { channelName, encodeArguments, openThroughChannel, parseChannels } from "./channel.ts";
import { makeFaceClip } from "./testing/clips.ts";

const folder = mkdtempSync(join(tmpdir(), "truecast-channel-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a list of bit rates becomes channels in its order", () => {
  expect(parseChannels("source, 300,2500", 480).map(channelName)).toEqual(["source", "h264-300k-480p", "h264-2500k-480p"]);
});

test.each(["", "300,", "12", "99999999", "300.5", "-300", "300k"])("a list of bit rates %j is refused", (text) => {
  expect(() => parseChannels(text, 480)).toThrow("--bitrates holds");
});

test("clips are encoded as a live encoder does, the same on every machine", () => {
  expect(encodeArguments("/clips/-a.mp4", "/tmp/clip.mkv", { kind: "h264", bitrateKbps: 800, heightPx: 480 }, 30).join(" ")).toBe(
    "-hide_banner -nostdin -loglevel error -threads 1 -protocol_whitelist file,pipe " +
      "-format_whitelist mov,matroska,flv,mpegts,mpeg,avi,ogg,asf,h264,hevc,mpegvideo,m4v,ivf,mjpeg,gif,nut,mxf,rm,wtv -i file:/clips/-a.mp4 " +
      "-map 0:V:0 -t 30 -vf fps=25,scale=w=-2:h=480:flags=bicubic,setsar=1,format=yuv420p " +
      "-c:v libx264 -preset veryfast -threads 1 -b:v 800k -maxrate 800k -bufsize 800k -g 50 " +
      "-fflags +bitexact -flags:v +bitexact -map_metadata -1 -y /tmp/clip.mkv",
  );
});

test("a re-encoded clip has the channel's height and its length, and its copy is gone when it is closed", { timeout: 30_000 }, async () => {
  const clip = join(folder, "woman.mp4");
  await makeFaceClip(clip, { seconds: 2 });
  const copies = () => readdirSync(tmpdir()).filter((name) => name.startsWith("truecast-channel-") && !name.startsWith("truecast-channel-test-")).length;
  const before = copies();
  {
    await using opened = await openThroughChannel(clip, { kind: "h264", bitrateKbps: 300, heightPx: 240 }, { maxSeconds: null, signal: new AbortController().signal });
    expect(opened.path).not.toBe(clip);
    expect(opened.recording.info).toMatchObject({ codec: "h264", widthPx: 240, heightPx: 240 });
    const slots: number[] = [];
    for await (const frame of opened.recording.frames()) slots.push(Math.floor(frame.ptsMs / 100));
    expect(slots).toEqual(Array.from({ length: 20 }, (_, slot) => slot));
  }
  expect(copies()).toBeLessThanOrEqual(before);
});
