/** The detector on real photographs: what it finds, what it costs its caller, and how it survives its worker. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import { ready, setBackend } from "@tensorflow/tfjs";
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Box, Frame } from "../types.ts";
import { centreDistance, overlap, sideOf } from "./box-geometry.ts";
import { type FaceApiDetector, type FaceDetectorEvent, startFaceApiDetector } from "./face-api-detector.ts";
import { FACES, frameOf, inView, photograph, plainFrame } from "./testing/test-pictures.ts";

const log = pino({ level: "silent" });
const events: FaceDetectorEvent[] = [];
let detector: FaceApiDetector;
beforeAll(async () => {
  detector = await startFaceApiDetector({ log, onEvent: (event) => events.push(event) });
});
afterAll(() => detector.close());

/** The whole photograph scaled so that its faces have about this height, at the middle of a 720p frame. */
async function crowd(sample: number, facePx: number) {
  const photo = await photograph(sample);
  const scale = facePx / 238;
  const region = { x: photo.widthPx / 2 - 640 / scale, y: photo.heightPx / 2 - 360 / scale, width: 1280 / scale, height: 720 / scale };
  const view = { widthPx: 1280, heightPx: 720, region };
  const faces = FACES[sample]!.map((face) => inView(face, view)).filter((face) => face.x > 0 && face.y > 0 && face.x + face.width < 1280 && face.y + face.height < 720);
  return { frame: frameOf(photo, view), faces };
}

/** One face of the photograph, this high, at the middle of a 720p frame. */
async function closeUp(sample: number, facePx: number) {
  const face = FACES[sample]![0]!;
  const scale = facePx / face.height;
  const region = { x: face.x + face.width / 2 - 640 / scale, y: face.y + face.height / 2 - 360 / scale, width: 1280 / scale, height: 720 / scale };
  const view = { widthPx: 1280, heightPx: 720, region };
  return { frame: frameOf(await photograph(sample), view), faces: [inView(face, view)] };
}

test("finds faces from a tenth of a 720p picture's height up, together or alone", async () => {
  for (const facePx of [72, 110, 200]) {
    const shares = await Promise.all([1, 3, 5, 6].map(async (sample) => recall(await crowd(sample, facePx))));
    const [found, present] = shares.reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
    expect(found / present, `${found} of ${present} at ${facePx} px`).toBeGreaterThanOrEqual(0.85);
  }
  for (const facePx of [350, 550]) {
    for (const sample of [1, 3, 5]) {
      const [found, present] = await recall(await closeUp(sample, facePx));
      expect(`${found} of ${present}`, `photograph ${sample} at ${facePx} px`).toBe("1 of 1");
    }
  }
});

async function recall({ frame, faces }: { readonly frame: Frame; readonly faces: readonly Box[] }): Promise<[number, number]> {
  const detections = await detector.detect(frame);
  return [faces.filter((face) => detections.some((detection) => overlap(detection.box, face) > 0.4)).length, faces.length];
}

test("looks again for a known face where it is, and for no neighbour", async () => {
  const { frame, faces } = await crowd(6, 72);
  expect(faces.length).toBe(4);
  for (const face of faces) {
    const detections = await detector.detect(frame, { search: [], around: [{ ...face, x: face.x + 10, y: face.y - 8 }] });
    const [detection, ...others] = detections.filter(({ confidence }) => confidence > 0.45);
    expect(others).toEqual([]);
    expect(centreDistance(face, detection!.box)).toBeLessThan(0.2);
    expect(sideOf(detection!.box) / sideOf(face)).toBeGreaterThan(0.75);
  }
});

test("finds nothing in a picture without a face", async () => {
  const detections = await detector.detect(plainFrame(640, 360, 0));
  expect(detections.filter((detection) => detection.confidence > 0.4)).toEqual([]);
});

test("gives the boxes that face-api itself gives for a square picture", async () => {
  setThreadsCount(1);
  setWasmPaths(`${dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-backend-wasm")))}/`);
  await setBackend("wasm");
  await ready();
  await faceapi.nets.tinyFaceDetector.loadFromDisk(`${dirname(fileURLToPath(import.meta.resolve("@vladmandic/face-api/package.json")))}/model`);
  const frame = frameOf(await photograph(6), { widthPx: 160, heightPx: 160, region: { x: 1000, y: 180, width: 800, height: 800 } });
  const tensor = faceapi.tf.tensor3d(Int32Array.from(frame.rgb), [160, 160, 3], "int32");
  const reference = await faceapi.detectAllFaces(tensor, new faceapi.TinyFaceDetectorOptions({ inputSize: 160, scoreThreshold: 0.4 }));
  tensor.dispose();
  const detections = (await detector.detect(frame, { search: ["fine"], around: [] })).filter((detection) => detection.confidence > 0.4);
  expect(detections.length).toBe(reference.length);
  expect(reference.length).toBeGreaterThan(0);
  for (const [i, { box, score }] of reference.toSorted((a, b) => b.score - a.score).entries()) {
    expect(detections[i]!.confidence).toBeCloseTo(score, 3);
    for (const side of ["x", "y", "width", "height"] as const) expect(detections[i]!.box[side]).toBeCloseTo(box[side], 1);
  }
});

test("keeps no tensor from one detection to the next", async () => {
  const { frame } = await crowd(6, 120);
  events.length = 0;
  for (let i = 0; i < 30; i++) await detector.detect(frame, { search: i % 2 === 0 ? ["coarse"] : [], around: [{ x: 500, y: 300, width: 100, height: 100 }] });
  const tensors = events.flatMap((event) => (event.kind === "detected" ? [event.tensors] : []));
  expect(tensors.length).toBe(30);
  expect(new Set(tensors).size).toBe(1);
});

test("leaves its caller's thread free while it detects", async () => {
  const { frame } = await crowd(5, 110);
  events.length = 0;
  const scope = { search: ["fine"], around: [] } as const;
  let turns = 0;
  const detecting = detector.detect(frame, scope).then(() => "done" as const);
  while ((await Promise.race([detecting, new Promise<"turn">((resolve) => setImmediate(() => resolve("turn")))])) === "turn") turns++;
  const [event] = events;
  // Were the network run here, it would be all of two turns of the event loop.
  expect(turns).toBeGreaterThan(20);
  expect(event?.kind === "detected" && event.workMs).toBeGreaterThan(5);
});

test("rejects what was waiting when its worker dies or hangs, and detects again", async () => {
  const restarts: string[] = [];
  await using fragile = await startFaceApiDetector({
    log,
    timeoutMs: 2_000,
    workerUrl: new URL("./testing/detector-worker-fixture.ts", import.meta.url),
    onEvent: (event) => event.kind === "restarted" && restarts.push(event.cause),
  });
  const { frame, faces } = await crowd(6, 200);
  const before = fragile.threadId;
  const [dying, waiting] = await Promise.allSettled([fragile.detect(plainFrame(20, 20, 0)), fragile.detect(frame)]);
  expect(dying).toMatchObject({ status: "rejected", reason: { name: "TruecastError", code: "internal" } });
  expect(waiting).toMatchObject({ status: "rejected", reason: { code: "internal" } });
  expect((await fragile.detect(frame)).length).toBeGreaterThanOrEqual(faces.length);
  expect(fragile.threadId).not.toBe(before);
  await expect(fragile.detect(plainFrame(50, 50, 0))).rejects.toMatchObject({ code: "internal" });
  expect((await fragile.detect(frame)).length).toBeGreaterThanOrEqual(faces.length);
  expect(restarts).toEqual(["exited", "timed-out"]);
});

test("refuses more than may wait, and everything once closed", async () => {
  const brief = await startFaceApiDetector({ log, maxPending: 2 });
  const { frame } = await crowd(3, 110);
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => brief.detect(frame, { search: ["coarse"], around: [] })));
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(outcomes[2]).toMatchObject({ reason: { code: "overload" } });
  const unfinished = brief.detect(frame);
  await Promise.all([brief.close(), expect(unfinished).rejects.toMatchObject({ code: "internal" })]);
  await brief.close();
  await expect(brief.detect(frame)).rejects.toMatchObject({ code: "internal" });
});
