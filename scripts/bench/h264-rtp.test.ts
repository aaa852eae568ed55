/** H.264 to RTP, against the ingest's own way back. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createFrameAssembly } from "../../daemon/ingest/whip/video-frames.ts";
import { accessUnits, rtpPayloads } from "./h264-rtp.ts";

const run = promisify(execFile);

test("every picture of an encoder comes out of the ingest's depacketiser as it was", async () => {
  const { stdout } = await run("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=30", "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "30", "-b:v", "2M", "-bsf:v", "h264_metadata=aud=insert", "-f", "h264", "pipe:1"], {
    encoding: "buffer",
    maxBuffer: 16 << 20,
  });
  const pictures = accessUnits(stdout);
  expect(pictures).toHaveLength(60);
  const assembly = createFrameAssembly("h264");
  let index = 0;
  const frames = pictures.flatMap((units, picture) => {
    const payloads = rtpPayloads(units);
    expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThanOrEqual(1_100);
    return payloads.flatMap((payload, at) => assembly.push({ packet: { payloadType: 102, marker: at === payloads.length - 1, index: index++, timestamp: picture * 3_000, ssrc: 1, payload }, afterGap: false }));
  });
  expect(assembly.damagedFrames).toBe(0);
  expect(frames).toHaveLength(60);
  expect(frames.map((frame) => (frame.codec === "h264" ? Buffer.concat(frame.units) : null))).toEqual(pictures.map((units) => Buffer.concat(units.filter((unit) => ![7, 8].includes((unit[0] ?? 0) & 0x1f)))));
});
