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

const { tf } = faceapi;
const net = faceapi.nets.tinyFaceDetector;

/** The network's mean colour; also what a padded border holds, so that padding is zero after normalisation. */
const MEAN_RGB = [117.001, 114.697, 97.404] as const;

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
  const output = runTinyFaceNetwork(tf.tensor4d(normalised(picture), [1, picture.heightPx, picture.widthPx, 3]), net.params as unknown as TinyFaceParameters);
  const { shape } = output;
  const cells = output.dataSync();
  output.dispose();
  if (shape[3] !== VALUES_PER_CELL) throw new Error(`The detector gave ${shape[3]} values a cell, not ${VALUES_PER_CELL}.`);
  return decodeCells({ cells, rows: shape[1], columns: shape[2], minConfidence });
}

function normalised({ rgb }: WorkerPicture): Float32Array {
  const out = new Float32Array(rgb.length);
  for (let i = 0; i < rgb.length; i += 3) {
    out[i] = (rgb[i]! - MEAN_RGB[0]) / 255;
    out[i + 1] = (rgb[i + 1]! - MEAN_RGB[1]) / 255;
    out[i + 2] = (rgb[i + 2]! - MEAN_RGB[2]) / 255;
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
