/** Worker thread: runs face-api's TinyFaceDetector on pictures of any size, one request after the other. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort } from "node:worker_threads";
import { memory, ready, setBackend } from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import type { DetectorReply, DetectorRequest, WorkerPicture } from "./detector-messages.ts";
import { runTinyFaceNetwork, type TinyFaceParameters } from "./tiny-face-network.ts";
import { decodeCells, VALUES_PER_CELL } from "./tiny-face-cells.ts";

const net = faceapi.nets.tinyFaceDetector;

/** The network's mean colour; also what a padded border holds, so that padding is zero after normalisation. */
const MEAN_RGB = [117.001, 114.697, 97.404] as const;
const normalisedByte = (mean: number): Float32Array => Float32Array.from({ length: 256 }, (_, value) => (value - mean) / 255);
const [RED, GREEN, BLUE] = [normalisedByte(MEAN_RGB[0]), normalisedByte(MEAN_RGB[1]), normalisedByte(MEAN_RGB[2])];
let scratch = new Float32Array(0);

/** A fine search of the whole picture. */
const LARGEST = { widthPx: 960, heightPx: 544 } as const;

async function load(): Promise<void> {
  // One thread: detection shares its cores with ffmpeg and inference, and streams are the unit of parallelism.
  setThreadsCount(1);
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
  await setBackend("wasm");
  await ready();
  const packageJson = fileURLToPath(import.meta.resolve("@vladmandic/face-api/package.json"));
  await net.loadFromDisk(`${dirname(packageJson)}/model`);
  // The WebAssembly heap grows with the largest picture and never shrinks: it does so before anyone is served.
  detectIn({ rgb: new Uint8Array(LARGEST.widthPx * LARGEST.heightPx * 3), ...LARGEST }, 1);
}

/**
 * The network is fully convolutional, so it is run on the picture's own shape: face-api's `detectAllFaces` pads to
 * a square first, which costs 16:9 pictures 1.8 times the work for the same answer.
 * @returns rows of x, y, width, height, confidence in pixels of the picture
 */
function detectIn(picture: WorkerPicture, minConfidence: number): Float32Array {
  const { widthPx, heightPx, rgb } = picture;
  const rows = (top: number, count: number): Float32Array => normalised(rgb.subarray(top * widthPx * 3, (top + count) * widthPx * 3));
  const output = runTinyFaceNetwork({ widthPx, heightPx, rows }, net.params as unknown as TinyFaceParameters);
  const { shape } = output;
  const cells = output.dataSync();
  output.dispose();
  if (shape[3] !== VALUES_PER_CELL) throw new Error(`The detector gave ${shape[3]} values a cell, not ${VALUES_PER_CELL}.`);
  return decodeCells({ cells, rows: shape[1], columns: shape[2], minConfidence });
}

/** @returns the same array again and again: the caller is done with it before the next call. */
function normalised(rgb: Uint8Array): Float32Array {
  if (scratch.length < rgb.length) scratch = new Float32Array(rgb.length);
  const out = scratch.subarray(0, rgb.length);
  for (let i = 0; i < rgb.length; i += 3) {
    out[i] = RED[rgb[i]!]!;
    out[i + 1] = GREEN[rgb[i + 1]!]!;
    out[i + 2] = BLUE[rgb[i + 2]!]!;
  }
  return out;
}

const port = parentPort;
if (port === null) throw new Error("detector-worker.ts is started by face-api-detector.ts, in a worker thread.");
const reply = (message: DetectorReply): void => port.postMessage(message);

await load();
port.on("message", (request: DetectorRequest) => {
  try {
    const started = performance.now();
    const found = request.pictures.map((picture) => detectIn(picture, request.minConfidence));
    reply({ kind: "found", id: request.id, found, workMs: performance.now() - started, tensors: memory().numTensors });
  } catch (error) {
    reply({ kind: "failed", id: request.id, message: error instanceof Error ? error.message : String(error) });
  }
});
reply({ kind: "ready" });
