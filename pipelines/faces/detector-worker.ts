/**
 * Worker thread: runs face-api's TinyFaceDetector on pictures of any size, one request after the other, and describes faces
 * for recognition in between.
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { setImmediate } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { memory, ready, setBackend } from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import type { DetectorReply, DetectorRequest, DetectorWorkerData, WorkerPicture } from "./detector-messages.ts";
import { describeFace, DESCRIPTOR_INPUT_PX, type DescriptorNetwork, foldParameters, type RecognitionParameters } from "./face-descriptor-network.ts";
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

/** @returns the network that describes faces, when it is wanted */
async function load(describes: boolean): Promise<DescriptorNetwork | null> {
  // One thread: detection shares its cores with ffmpeg and inference, and streams are the unit of parallelism.
  setThreadsCount(1);
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
  await setBackend("wasm");
  await ready();
  const weights = `${dirname(fileURLToPath(import.meta.resolve("@vladmandic/face-api/package.json")))}/model`;
  await net.loadFromDisk(weights);
  // The WebAssembly heap grows with the largest picture and never shrinks: it does so before anyone is served.
  detectIn({ rgb: new Uint8Array(LARGEST.widthPx * LARGEST.heightPx * 3), ...LARGEST }, 1);
  if (!describes) return null;
  const recognition = faceapi.nets.faceRecognitionNet;
  await recognition.loadFromDisk(weights);
  const network = foldParameters(recognition.params as unknown as RecognitionParameters);
  // The first run prepares each convolution, and takes five times as long as any later one.
  await descriptorOf(network, new Uint8Array(DESCRIPTOR_INPUT_PX ** 2 * 3));
  return network;
}

/** One block of the network a turn, so that a detection that comes meanwhile waits for a few milliseconds and not for all. */
async function descriptorOf(network: DescriptorNetwork, rgb: Uint8Array): Promise<Float32Array> {
  const steps = describeFace(network, rgb);
  for (;;) {
    await setImmediate();
    const step = steps.next();
    if (step.done) return step.value;
  }
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

const { describes } = workerData as DetectorWorkerData;
const network = await load(describes);
port.on("message", (request: DetectorRequest) => {
  if (request.kind === "describe") void describe(request);
  else detect(request);
});
reply({ kind: "ready" });

function detect(request: Extract<DetectorRequest, { kind: "detect" }>): void {
  try {
    const started = performance.now();
    const found = request.pictures.map((picture) => detectIn(picture, request.minConfidence));
    reply({ kind: "found", id: request.id, found, workMs: performance.now() - started, tensors: memory().numTensors });
  } catch (error) {
    replyFailed(request.id, error);
  }
}

async function describe({ id, rgb }: Extract<DetectorRequest, { kind: "describe" }>): Promise<void> {
  try {
    if (network === null) throw new Error("The recognition network was not asked for.");
    reply({ kind: "described", id, descriptor: await descriptorOf(network, rgb) });
  } catch (error) {
    replyFailed(id, error);
  }
}

function replyFailed(id: number, error: unknown): void {
  reply({ kind: "failed", id, message: error instanceof Error ? error.message : String(error) });
}
