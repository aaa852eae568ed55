/** Runs one picture through the lean network and through face-api's own, and sends the difference and both heaps' sizes. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { backend, memory, ready, setBackend } from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import { runTinyFaceNetwork, type TinyFaceParameters } from "../tiny-face-network.ts";

const { tf } = faceapi;
const net = faceapi.nets.tinyFaceDetector;
setThreadsCount(1);
setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
await setBackend("wasm");
await ready();
await net.loadFromDisk(`${dirname(fileURLToPath(import.meta.resolve("@vladmandic/face-api/package.json")))}/model`);

const [height, width] = [544, 960];
const picture = Float32Array.from({ length: height * width * 3 }, (_, index) => Math.sin(index * 12.9898) * 0.5);
const heapBytes = (): number => (backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength;

const before = memory().numTensors;
const leanOutput = runTinyFaceNetwork({ widthPx: width, heightPx: height, rows: (top, rows) => picture.subarray(top * width * 3, (top + rows) * width * 3) }, net.params as unknown as TinyFaceParameters);
const lean = Float32Array.from(leanOutput.dataSync());
leanOutput.dispose();
const leakedTensors = memory().numTensors - before;
const leanHeapBytes = heapBytes();
const full = tf.tidy(() => Float32Array.from(net.runMobilenet(tf.tensor4d(picture, [1, height, width, 3]), net.params as Parameters<typeof net.runMobilenet>[1]).dataSync()));

process.send?.({
  largestDifference: lean.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (full[index] ?? Number.NaN))), lean.length === full.length ? 0 : Number.NaN),
  largestValue: full.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0),
  leanHeapBytes,
  fullHeapBytes: heapBytes(),
  leakedTensors,
});
process.disconnect?.();
