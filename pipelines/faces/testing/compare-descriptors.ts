/** Describes a face block by block and by face-api's own way, and sends the difference, what leaked, and the longest block. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { memory, ready, setBackend } from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import { squareAround } from "../box-geometry.ts";
import { describeFace, DESCRIPTOR_INPUT_PX, foldParameters, type RecognitionParameters } from "../face-descriptor-network.ts";
import { resample } from "../resample.ts";
import { FACES, photograph } from "./test-pictures.ts";

const net = faceapi.nets.faceRecognitionNet;
setThreadsCount(1);
setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
await setBackend("wasm");
await ready();
await net.loadFromDisk(`${dirname(fileURLToPath(import.meta.resolve("@vladmandic/face-api/package.json")))}/model`);

const [face] = FACES[1] ?? [];
if (face === undefined) throw new Error("the photograph has a face");
const rgb = resample({ picture: await photograph(1), region: squareAround(face, 1.1), widthPx: DESCRIPTOR_INPUT_PX, heightPx: DESCRIPTOR_INPUT_PX });
const input = faceapi.tf.tensor3d(Float32Array.from(rgb), [DESCRIPTOR_INPUT_PX, DESCRIPTOR_INPUT_PX, 3]);
const reference = (await net.computeFaceDescriptor(input)) as Float32Array;
input.dispose();

const network = foldParameters(net.params as unknown as RecognitionParameters);
const before = memory().numTensors;
const cpuMs = (since: NodeJS.CpuUsage): number => (process.threadCpuUsage(since).user + process.threadCpuUsage(since).system) / 1_000;

/** The numbers, and the processor time of each step: other programs do not count. */
function run(): { descriptor: Float32Array; stepsMs: number[] } {
  const steps = describeFace(network, rgb);
  const stepsMs: number[] = [];
  for (;;) {
    const since = process.threadCpuUsage();
    const step = steps.next();
    stepsMs.push(cpuMs(since));
    if (step.done) return { descriptor: step.value, stepsMs };
  }
}
run();
const { descriptor, stepsMs } = run();
const abandoned = describeFace(network, rgb);
abandoned.next();
abandoned.return(new Float32Array(0));

process.send?.({
  length: descriptor.length,
  largestDifference: descriptor.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (reference[index] ?? Number.NaN))), 0),
  largestValue: reference.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0),
  leakedTensors: memory().numTensors - before,
  steps: stepsMs.length,
  longestShare: Math.max(...stepsMs) / stepsMs.reduce((total, ms) => total + ms, 0),
});
process.disconnect?.();
