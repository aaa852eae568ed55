/** The detector on real photographs: what it finds, what it costs its caller, and how it survives its worker. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import faceapi from "@vladmandic/face-api/dist/face-api.node-wasm.js";
import { ready, setBackend } from "@tensorflow/tfjs";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Box, Frame } from "../types.ts";
import { centreDistance, overlap, sideOf } from "./box-geometry.ts";
import { type FaceApiDetector, type FaceDetectorEvent, startFaceApiDetector } from "./face-api-detector.ts";
import { FACES, frameOf, inView, photograph, plainFrame } from "./testing/test-pictures.ts";

/** As daemon/alerts/face-likeness.ts has it. */
const SAME_FACE_DISTANCE_IN_USE = 0.4;
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

describe("descriptions", () => {
  let describing: FaceApiDetector;
  beforeAll(async () => {
    describing = await startFaceApiDetector({ log, describes: true });
  }, 60_000);
  afterAll(() => describing.close());

  /** Mean of three looks at boxes that differ as a tracker's do; `widthPx` of the picture that the face is filmed in. */
  async function meanLook(sample: number, index: number, facePx: number): Promise<Float32Array> {
    const photo = await photograph(sample);
    const face = FACES[sample]![index]!;
    const scale = facePx / face.height;
    const view = { widthPx: 640, heightPx: 360, region: { x: face.x + face.width / 2 - 320 / scale, y: face.y + face.height / 2 - 180 / scale, width: 640 / scale, height: 360 / scale } };
    const frame = frameOf(photo, view);
    const box = inView(face, view);
    const looks: Float32Array[] = [];
    for (const off of [-0.05, 0, 0.05]) looks.push((await describing.describe(frame, { ...box, x: box.x + off * box.width, y: box.y - off * box.height }))!);
    return looks[0]!.map((_, i) => looks.reduce((total, look) => total + look[i]!, 0) / looks.length);
  }
  const distance = (a: Float32Array, b: Float32Array): number => Math.hypot(...a.map((value, i) => value - b[i]!));

  test("tell the fifteen people of the photographs apart, filmed near and far", { timeout: 60_000 }, async () => {
    const people: (readonly [Float32Array, Float32Array])[] = [];
    for (const [sample, faces] of Object.entries(FACES)) {
      for (const index of faces.keys()) people.push([await meanLook(Number(sample), index, 60), await meanLook(Number(sample), index, 150)] as const);
    }
    const own = people.map(([far, near]) => distance(far, near));
    const others = people.flatMap(([far], i) => people.filter((_, j) => j !== i).map(([, near]) => distance(far, near)));
    expect(Math.max(...own)).toBeLessThan(0.3);
    expect(Math.min(...others)).toBeGreaterThan(SAME_FACE_DISTANCE_IN_USE);
  });

  test("one face at a time; a second is not waited for, and one started without gives none", async () => {
    const { frame, faces } = await closeUp(1, 200);
    const [first, second] = await Promise.all([describing.describe(frame, faces[0]!), describing.describe(frame, faces[0]!)]);
    expect([first?.length, second]).toEqual([128, null]);
    expect(await detector.describe(frame, faces[0]!)).toBeNull();
  });

  test("let a detection that comes meanwhile go first", async () => {
    const { frame, faces } = await closeUp(1, 200);
    const order: string[] = [];
    const look = describing.describe(frame, faces[0]!).then(() => order.push("described"));
    await describing.detect(frame, { search: [], around: faces }).then(() => order.push("detected"));
    await look;
    expect(order).toEqual(["detected", "described"]);
  });

  test("that the worker does not live to give are null, and the next one is given", async () => {
    await using fragile = await startFaceApiDetector({ log, describes: true, workerUrl: new URL("./testing/detector-worker-fixture.ts", import.meta.url) });
    const { frame, faces } = await closeUp(1, 200);
    const [, look] = await Promise.allSettled([fragile.detect(plainFrame(20, 20, 0)), fragile.describe(frame, faces[0]!)]);
    expect(look).toEqual({ status: "fulfilled", value: null });
    await fragile.detect(frame, { search: [], around: faces });
    expect(await fragile.describe(frame, faces[0]!)).toHaveLength(128);
  }, 60_000);

  test("that are late end no worker: they give way to detections for as long as those come", async () => {
    const restarts: string[] = [];
    await using slow = await startFaceApiDetector({
      log,
      describes: true,
      timeoutMs: 1_000,
      workerUrl: new URL("./testing/detector-worker-fixture.ts", import.meta.url),
      onEvent: (event) => event.kind === "restarted" && restarts.push(event.cause),
    });
    const black = plainFrame(200, 200, 0);
    black.rgb.fill(0);
    expect(await slow.describe(black, { x: 50, y: 50, width: 100, height: 100 })).toHaveLength(128);
    expect(restarts).toEqual([]);
  }, 60_000);
});
