/**
 * Follows the largest face of a clip and writes its landmarks, for tools that alter faces in video:
 * `ffmpeg … -f rawvideo -pix_fmt rgb24 - | node pipelines/extract/follow-landmarks.ts --width PX --height PX`
 *
 * Reads RGB24 frames from standard input, writes one line of JSON a frame to standard output.
 */
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import pino from "pino";
import { TruecastError } from "../errors.ts";
import { centreDistance, sideOf } from "../faces/box-geometry.ts";
import type { ScopedFaceDetector } from "../faces/detection-scope.ts";
import { startFaceApiDetector } from "../faces/face-api-detector.ts";
import type { Box, Frame } from "../types.ts";
import { descriptorOf, type Landmarks, landmarksIn, loadFaceNetworks, rounded } from "./face-networks.ts";

/** Whose face it is changes seldom, and to compute it takes longer than all the rest. */
const DESCRIPTOR_EVERY_FRAMES = 25;

/** One frame, as a line of the output; a frame without a face is `null`. */
export type FollowedFace = {
  /** Face box in pixels of the frame: x, y, width, height. */
  readonly box: readonly [number, number, number, number];
  readonly landmarks: Landmarks;
  /** Face descriptor, 128 numbers, at every 25th frame. */
  readonly descriptor?: readonly number[];
} | null;

/** Owns nothing: the networks are loaded and the detector is open before, and both stay so. */
export async function* followLandmarks(frames: AsyncIterable<Frame>, detector: ScopedFaceDetector): AsyncGenerator<FollowedFace, void, undefined> {
  let known: Box | null = null;
  let index = 0;
  for await (const frame of frames) {
    known = await findAgain(frame, known, detector);
    if (known === null) {
      yield null;
    } else {
      const { x, y, width, height } = known;
      const face = { box: [rounded(x, 2), rounded(y, 2), rounded(width, 2), rounded(height, 2)] as const, landmarks: await landmarksIn(frame, known) };
      yield index % DESCRIPTOR_EVERY_FRAMES === 0 ? { ...face, descriptor: await descriptorOf(frame, known) } : face;
    }
    index++;
  }
}

/** The known face where it was, else the largest of the picture. */
async function findAgain(frame: Frame, known: Box | null, detector: ScopedFaceDetector): Promise<Box | null> {
  if (known !== null) {
    const near = await detector.detect(frame, { search: [], around: [known] });
    const [again] = near.map(({ box }) => box).sort((a, b) => centreDistance(known, a) - centreDistance(known, b));
    if (again !== undefined) return again;
  }
  const found = await detector.detect(frame, { search: ["coarse", "fine"], around: [] });
  const [largest] = found.map(({ box }) => box).sort((a, b) => sideOf(b) - sideOf(a));
  return largest ?? null;
}

/** @throws TruecastError input-not-media when the stream ends within a frame */
export async function* rawFrames(stream: Readable, { widthPx, heightPx }: { readonly widthPx: number; readonly heightPx: number }): AsyncGenerator<Frame, void, undefined> {
  const size = widthPx * heightPx * 3;
  let rgb = new Uint8Array(size);
  let filled = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(size - filled, chunk.length - at);
      rgb.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < size) continue;
      yield { ptsMs: 0, widthPx, heightPx, rgb, decodedAtMs: 0 };
      rgb = new Uint8Array(size);
      filled = 0;
    }
  }
  if (filled > 0) throw new TruecastError("input-not-media", `standard input ended ${filled} bytes into a frame of ${size}; are --width and --height those of the frames?`);
}

async function writeLines(faces: AsyncIterable<FollowedFace>, out: Writable): Promise<void> {
  for await (const face of faces) {
    if (!out.write(`${JSON.stringify(face)}\n`)) await once(out, "drain");
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { width: { type: "string" }, height: { type: "string" } } });
  const [widthPx, heightPx] = [Number(values.width), Number(values.height)];
  if (!Number.isInteger(widthPx) || !Number.isInteger(heightPx) || widthPx < 1 || heightPx < 1) throw new TruecastError("config-invalid", "usage: node pipelines/extract/follow-landmarks.ts --width PX --height PX < FRAMES.rgb");
  await loadFaceNetworks();
  await using detector = await startFaceApiDetector({ log: pino({ level: "error" }, pino.destination(2)) });
  await writeLines(followLandmarks(rawFrames(process.stdin, { widthPx, heightPx }), detector), process.stdout);
}
