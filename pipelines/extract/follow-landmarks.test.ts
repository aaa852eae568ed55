import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import pino from "pino";
import sharp from "sharp";
import { expect, test } from "vitest";
import { startFaceApiDetector } from "../faces/face-api-detector.ts";
import { loadFaceNetworks } from "./face-networks.ts";
import { type FollowedFace, followLandmarks, rawFrames } from "./follow-landmarks.ts";

const SIZE = { widthPx: 320, heightPx: 240 };

/** A photograph's face, this many pixels further to the right. */
async function frameAt(shiftPx: number): Promise<Buffer> {
  const photograph = fileURLToPath(import.meta.resolve("@vladmandic/face-api/demo/sample1.jpg"));
  return await sharp(photograph).resize(400).extract({ left: 40 - shiftPx, top: 0, width: SIZE.widthPx, height: SIZE.heightPx }).removeAlpha().raw().toBuffer();
}

test("follows a face from frame to frame, and says where there is none", { timeout: 60_000 }, async () => {
  await loadFaceNetworks();
  await using detector = await startFaceApiDetector({ log: pino({ level: "silent" }) });
  const bytes = Buffer.concat([await frameAt(0), await frameAt(12), Buffer.alloc(SIZE.widthPx * SIZE.heightPx * 3, 90), await frameAt(12)]);
  // Chunks that keep to no frame's bounds, as a pipe's do.
  const chunks = Array.from({ length: Math.ceil(bytes.length / 65_537) }, (_, i) => bytes.subarray(i * 65_537, (i + 1) * 65_537));
  const faces: FollowedFace[] = [];
  for await (const face of followLandmarks(rawFrames(Readable.from(chunks), SIZE), detector)) faces.push(face);

  const [first, second, none, again] = faces;
  expect(faces).toHaveLength(4);
  expect(none).toBeNull();
  if (!first || !second || !again) throw new Error("a face was not found");
  expect(first.landmarks).toHaveLength(68);
  expect(first.descriptor).toHaveLength(128);
  expect(second.descriptor).toBeUndefined();
  const noseTip = 30;
  expect(Math.abs(second.landmarks[noseTip]![0] - first.landmarks[noseTip]![0] - 12)).toBeLessThan(3);
  expect(Math.abs(again.landmarks[noseTip]![0] - second.landmarks[noseTip]![0])).toBeLessThan(3);
});

test("a stream that ends within a frame is refused", async () => {
  const read = async () => {
    for await (const frame of rawFrames(Readable.from([Buffer.alloc(SIZE.widthPx * SIZE.heightPx * 3 + 5)]), SIZE)) expect(frame.rgb.length).toBe(SIZE.widthPx * SIZE.heightPx * 3);
  };
  await expect(read()).rejects.toMatchObject({ code: "input-not-media", message: expect.stringContaining("ended 5 bytes into a frame of 230400") });
});
