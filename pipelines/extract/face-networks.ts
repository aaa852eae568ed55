/** face-api's landmark and recognition networks on one face of a picture: where its 68 points are, and whose it is. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ready, setBackend } from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import { TruecastError } from "../errors.ts";
import { squareAround } from "../faces/box-geometry.ts";
import { resample, type RgbPicture } from "../faces/resample.ts";
import type { Box } from "../types.ts";

/** What the networks are shown, over the longer side of the face box. */
const NETWORK_MARGIN = 1.1;
const INPUT_PX = 150;

/** The 68 landmarks of iBUG 300-W, x and y, pixels of the picture. */
export type Landmarks = readonly (readonly [number, number])[];

/** Must be awaited once before the others. They block their thread. */
export async function loadFaceNetworks(): Promise<void> {
  setThreadsCount(1);
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
  await setBackend("wasm");
  await ready();
  const weights = join(dirname(fileURLToPath(import.meta.resolve("@vladmandic/face-api/package.json"))), "model");
  await faceapi.nets.faceLandmark68Net.loadFromDisk(weights);
  await faceapi.nets.faceRecognitionNet.loadFromDisk(weights);
}

export async function landmarksIn(picture: RgbPicture, box: Box): Promise<Landmarks> {
  const region = squareAround(box, NETWORK_MARGIN);
  return await shown(picture, region, async (input) => {
    const found = await faceapi.nets.faceLandmark68Net.detectLandmarks(input);
    if (Array.isArray(found)) throw new TruecastError("internal", "face-api gave several faces for one.");
    const scale = region.width / INPUT_PX;
    return found.positions.map(({ x, y }) => [rounded(region.x + x * scale, 2), rounded(region.y + y * scale, 2)] as const);
  });
}

/** 128 numbers; under about 0.5 apart two faces are the same person's. */
export async function descriptorOf(picture: RgbPicture, box: Box): Promise<readonly number[]> {
  return await shown(picture, squareAround(box, NETWORK_MARGIN), async (input) => {
    const descriptor = await faceapi.nets.faceRecognitionNet.computeFaceDescriptor(input);
    if (!(descriptor instanceof Float32Array)) throw new TruecastError("internal", "face-api gave several faces for one.");
    return [...descriptor].map((value) => rounded(value, 4));
  });
}

async function shown<T>(picture: RgbPicture, region: Box, network: (input: ReturnType<typeof faceapi.tf.tensor3d>) => Promise<T>): Promise<T> {
  const rgb = resample({ picture, region, widthPx: INPUT_PX, heightPx: INPUT_PX });
  const input = faceapi.tf.tensor3d(Float32Array.from(rgb), [INPUT_PX, INPUT_PX, 3]);
  try {
    return await network(input);
  } finally {
    input.dispose();
  }
}

export function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
