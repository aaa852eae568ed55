/** Faces followed through moving pictures made of real photographs, with the real detector. */
import { execFileSync } from "node:child_process";
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Box, Frame } from "../types.ts";
import { centreX, overlap } from "./box-geometry.ts";
import { type FaceApiDetector, startFaceApiDetector } from "./face-api-detector.ts";
import { createFacePipeline, type FacePipeline, type ProcessedFrame } from "./face-pipeline.ts";
import { blurred, FACES, frameOf, inView, pasteFace, photograph, plainFrame, type View } from "./testing/test-pictures.ts";

let detector: FaceApiDetector;
beforeAll(async () => {
  detector = await startFaceApiDetector({ log: pino({ level: "silent" }) });
});
afterAll(() => detector.close());

function pipeline(options: Parameters<typeof createFacePipeline>[0]["options"] = {}): FacePipeline {
  return createFacePipeline({ detector, inputSizePx: 112, cropMargin: 1.3, options });
}

async function run(faces: FacePipeline, count: number, frameAt: (i: number) => Frame | Promise<Frame>): Promise<ProcessedFrame[]> {
  const results: ProcessedFrame[] = [];
  for (let i = 0; i < count; i++) results.push(await faces.process(await frameAt(i)));
  return results;
}

function idsIn(results: readonly ProcessedFrame[]): number[] {
  return [...new Set(results.flatMap((result) => result.faces.map((face) => face.trackId)))].sort((a, b) => a - b);
}

/** A camera that pans and zooms over a photograph. */
function cameraAt(i: number): View {
  const width = 1600 + 150 * Math.sin(i / 9);
  const x = 1040 - width / 2 + 60 * Math.sin(i / 6);
  return { ptsMs: i * 100, widthPx: 640, heightPx: 360, region: { x, y: 190 + 40 * Math.sin(i / 4), width, height: (width * 9) / 16 } };
}

test("every face of a moving picture keeps its id and its box, though most frames are not detected on", async () => {
  const photo = await photograph(3);
  const results = await run(pipeline(), 50, (i) => frameOf(photo, cameraAt(i)));
  const settled = results.slice(5);
  expect(idsIn(results)).toEqual([1, 2, 3]);
  for (const [i, { faces }] of settled.entries()) {
    expect(faces.map((face) => face.trackId)).toEqual([1, 2, 3]);
    const truth = FACES[3]!.map((face) => inView(face, cameraAt(i + 5)));
    for (const face of faces) {
      expect(Math.max(...truth.map((box) => overlap(box, face.box))), `frame ${i + 5}, track ${face.trackId}`).toBeGreaterThan(0.5);
      expect(face.crop.kind).toBe("ok");
    }
  }
  expect(settled.filter((result) => result.detected).length).toBeLessThan(settled.length / 3);
});

test.each([2, 4])("under load, with one frame in %i, every face keeps its id and has a crop", async (divisor) => {
  const photo = await photograph(3);
  const results = await run(pipeline(), 80 / divisor, (i) => frameOf(photo, cameraAt(i * divisor)));
  expect(idsIn(results)).toEqual([1, 2, 3]);
  const settled = results.slice(12 / divisor);
  const seen = settled.reduce((sum, { faces }) => sum + faces.filter(({ crop }) => crop.kind === "ok").length, 0);
  expect(seen / (3 * settled.length)).toBeGreaterThan(0.95);
});

test("a face that does not move has a crop that does not move", async () => {
  const photo = await photograph(6);
  const view = { widthPx: 640, heightPx: 360, region: { x: 700, y: 250, width: 960, height: 540 } };
  const results = await run(pipeline(), 30, (i) => frameOf(photo, { ...view, ptsMs: i * 100 }));
  for (const id of idsIn(results)) {
    const boxes = results.slice(12).flatMap(({ faces }) => faces.filter((face) => face.trackId === id).map((face) => face.box));
    expect(boxes.length).toBe(18);
    const spread = (values: number[]): number => Math.max(...values) - Math.min(...values);
    for (const side of ["x", "y", "width", "height"] as const) expect(spread(boxes.map((box) => box[side])), `${side} of track ${id}`).toBeLessThan(0.06 * boxes[0]!.width);
  }
});

test("two faces that cross keep their ids", async () => {
  const [left, right] = [await photograph(6), await photograph(3)];
  const at = (i: number): Frame => {
    const frame = plainFrame(640, 360, i * 100);
    pasteFace(frame, right, FACES[3]![1]!, { x: 490 - i * 9, y: 190, sidePx: 80 });
    pasteFace(frame, left, FACES[6]![0]!, { x: 150 + i * 9, y: 160, sidePx: 90 });
    return frame;
  };
  const results = await run(pipeline(), 40, at);
  expect(idsIn(results)).toEqual([1, 2]);
  const place = (result: ProcessedFrame): number[] => result.faces.toSorted((a, b) => centreX(a.box) - centreX(b.box)).map((face) => face.trackId);
  expect(place(results[6]!).toReversed()).toEqual(place(results.at(-1)!));
  expect(place(results[6]!).length).toBe(2);
});

/** A hand-held camera on two people cheek to cheek; its hand shakes otherwise at every start. */
function cheekToCheek(startSeconds: number): (i: number) => View {
  return (i) => {
    const turns = (2 * Math.PI * (startSeconds + i / 10)) / 30;
    const width = 1152 / (1.16 + 0.045 * Math.sin(turns) + 0.015 * Math.sin(3 * turns + 1));
    const height = (width * 9) / 16;
    const x = 1344 - width / 2 + 25 * Math.sin(2 * turns + 0.5) + 7 * Math.sin(5 * turns + 2);
    const y = 454 - height / 2 + 12 * Math.sin(3 * turns + 1.5);
    return { ptsMs: i * 100, widthPx: 640, heightPx: 360, region: { x, y, width, height } };
  };
}

test("between two faces close together no third one is found", async () => {
  const photo = await photograph(6);
  // Starts at which the detector sees something in the two inner halves while only one of the faces is looked for.
  for (const startSeconds of [0.74, 1.11]) {
    const view = cheekToCheek(startSeconds);
    const results = await run(pipeline(), 30, (i) => frameOf(photo, view(i)));
    for (const [i, { faces }] of results.entries()) {
      if (i >= 3) expect(faces.map((face) => face.trackId), `frame ${i}`).toEqual([1, 2]);
      const truth = [FACES[6]![0]!, FACES[6]![1]!].map((face) => inView(face, view(i)));
      for (const face of faces) expect(Math.max(...truth.map((box) => overlap(box, face.box))), `frame ${i}, track ${face.trackId}`).toBeGreaterThan(0.5);
    }
  }
});

test("a face that comes out from between two others is found", async () => {
  const [front, behind] = [await photograph(6), await photograph(3)];
  const results = await run(pipeline(), 40, (i) => {
    const frame = plainFrame(640, 360, i * 100);
    pasteFace(frame, behind, FACES[3]![1]!, { x: 320, y: Math.max(90, 190 - 5 * i), sidePx: 90 });
    pasteFace(frame, front, FACES[6]![0]!, { x: 258, y: 230, sidePx: 100 });
    pasteFace(frame, front, FACES[6]![2]!, { x: 382, y: 230, sidePx: 100 });
    return frame;
  });
  expect(results.at(-1)!.faces.length).toBe(3);
});

/** Ten frames a second of one of ffmpeg's sources. */
function synthetic(source: string, count: number): Frame[] {
  const [widthPx, heightPx] = [640, 360];
  const filters = ["-f", "lavfi", "-i", source, "-vf", `fps=10,scale=${widthPx}:${heightPx}`, "-frames:v", `${count}`];
  const raw = execFileSync("ffmpeg", ["-nostdin", "-v", "error", ...filters, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"], { maxBuffer: 2 ** 28 });
  const size = widthPx * heightPx * 3;
  return Array.from({ length: count }, (_, i) => ({ ptsMs: i * 100, widthPx, heightPx, rgb: new Uint8Array(raw.subarray(i * size, (i + 1) * size)), decodedAtMs: 0 }));
}

test("a moving test card is taken for a face at first sight, and refused at the second", async () => {
  const frames = synthetic("testsrc=size=1280x720:rate=30", 30);
  const firstSight = await detector.detect(frames[0]!);
  expect(firstSight.some((detection) => detection.confidence > 0.9)).toBe(true);
  const results = await run(pipeline(), frames.length, (i) => frames[i]!);
  expect(idsIn(results)).toEqual([]);
  expect(results.flatMap((result) => result.refused)).toContain("unconfirmed");
  // However many candidates it gives, they end no face that is followed or waited for.
  expect(results.flatMap((result) => result.ended)).toEqual([]);
});

test("the second look needs no colour and favours no tint: the same faces are found in grey and in blue", async () => {
  const photo = await photograph(5);
  const view = { widthPx: 960, heightPx: 699, region: { x: 0, y: 0, width: 1920, height: 1398 } };
  const tinted = (share: readonly [number, number, number]) => (i: number): Frame => {
    const frame = frameOf(photo, { ...view, ptsMs: i * 100 });
    for (let p = 0; p < frame.rgb.length; p += 3) {
      const luma = (2 * frame.rgb[p]! + 5 * frame.rgb[p + 1]! + frame.rgb[p + 2]!) / 8;
      for (let c = 0; c < 3; c++) frame.rgb[p + c] = Math.min(255, luma * share[c]!);
    }
    return frame;
  };
  for (const share of [[1, 1, 1], [0.7, 0.9, 1.1]] as const) {
    const results = await run(pipeline(), 8, tinted(share));
    expect(results.at(-1)!.faces.length).toBe(5);
  }
});

/** One face that is covered between two frames. */
async function coveredBetween(from: number, to: number): Promise<(i: number) => Frame> {
  const photo = await photograph(5);
  return (i) => {
    const frame = plainFrame(640, 360, i * 100);
    if (i < from || i >= to) pasteFace(frame, photo, FACES[5]![0]!, { x: 300 + 2 * i, y: 180, sidePx: 100 });
    return frame;
  };
}

test("a face that is hidden for a second comes back under its id, and is not reported while hidden", async () => {
  const results = await run(pipeline(), 35, await coveredBetween(12, 22));
  expect(idsIn(results)).toEqual([1]);
  expect(results.slice(12, 22).every((result) => result.faces.length === 0)).toBe(true);
  expect(results.at(-1)!.faces.length).toBe(1);
  expect(results.flatMap((result) => result.ended)).toEqual([]);
});

test("a face that stays away past the waiting time ends, and comes back as another track", async () => {
  const results = await run(pipeline({ keepMissingMs: 1_000 }), 45, await coveredBetween(10, 30));
  const endedAt = results.findIndex((result) => result.ended.length > 0);
  expect(results[endedAt]!.ended).toEqual([1]);
  expect(endedAt).toBeGreaterThanOrEqual(20);
  expect(endedAt).toBeLessThanOrEqual(22);
  expect(idsIn(results.slice(30))).toEqual([2]);
});

test("a cut to other people ends the tracks of the scene before", async () => {
  const [before, after] = [await photograph(6), await photograph(1)];
  const region = { x: 100, y: 150, width: 1700, height: 956 };
  const results = await run(pipeline(), 40, (i) => frameOf(i < 12 ? before : after, { ptsMs: i * 100, widthPx: 640, heightPx: 360, region }));
  const first = idsIn(results.slice(0, 12));
  const second = idsIn(results.slice(12));
  expect(first.length).toBeGreaterThanOrEqual(3);
  expect(second.length).toBeGreaterThanOrEqual(2);
  expect(second.filter((id) => first.includes(id))).toEqual([]);
  expect(results[12]!.detected).toBe(true);
  expect(results.flatMap((result) => result.ended).toSorted((a, b) => a - b)).toEqual(first);
});

test("a cut away and back within the waiting time goes on with the same people", async () => {
  const [before, away] = [await photograph(6), await photograph(1)];
  const region = { x: 100, y: 150, width: 1700, height: 956 };
  const results = await run(pipeline(), 36, (i) => frameOf(i >= 12 && i < 24 ? away : before, { ptsMs: i * 100, widthPx: 640, heightPx: 360, region }));
  expect(idsIn(results.slice(30))).toEqual(idsIn(results.slice(0, 12)));
});

test("a face that walks away is followed, and refused once it is too small; so is one that goes out of focus", async () => {
  const photo = await photograph(6);
  const leaving = await run(pipeline({ minFacePx: 60 }), 45, (i) => {
    const frame = plainFrame(640, 360, i * 100);
    pasteFace(frame, photo, FACES[6]![0]!, { x: 300 + i, y: 180, sidePx: Math.max(34, 90 - 1.6 * i) });
    return frame;
  });
  expect(leaving.at(10)!.faces.map((face) => face.crop.kind)).toEqual(["ok"]);
  expect(leaving.at(-1)!.faces.map((face) => [face.trackId, face.crop])).toEqual([[1, { kind: "refused", reason: "face-too-small" }]]);
  const defocused = await run(pipeline(), 15, (i) => {
    const frame = plainFrame(640, 360, i * 100);
    pasteFace(frame, photo, FACES[6]![0]!, { x: 300 + i, y: 180, sidePx: 120 });
    return i < 8 ? frame : blurred(frame, 5);
  });
  expect(defocused.at(7)!.faces.map((face) => face.crop.kind)).toEqual(["ok"]);
  expect(defocused.at(-1)!.faces.map((face) => face.crop)).toEqual([{ kind: "refused", reason: "face-too-blurred" }]);
});

test("of more faces than are followed the biggest are", async () => {
  const photo = await photograph(5);
  const view = { widthPx: 960, heightPx: 699, region: { x: 0, y: 0, width: 1920, height: 1398 } };
  const results = await run(pipeline({ maxFaces: 2 }), 12, (i) => frameOf(photo, { ...view, ptsMs: i * 100 }));
  const all = await run(pipeline(), 12, (i) => frameOf(photo, { ...view, ptsMs: i * 100 }));
  const side = (box: Box): number => Math.max(box.width, box.height);
  expect(results.at(-1)!.faces.length).toBe(2);
  expect(all.at(-1)!.faces.length).toBe(5);
  const biggest = Math.max(...all.at(-1)!.faces.map((face) => side(face.box)));
  expect(Math.max(...results.at(-1)!.faces.map((face) => side(face.box)))).toBeCloseTo(biggest, -1);
});

test("the same frames give the same faces and the same pixels", async () => {
  const photo = await photograph(1);
  const once = async () => (await run(pipeline(), 15, (i) => frameOf(photo, cameraAt(i)))).map(({ faces, ended, detected }) => ({ faces, ended, detected }));
  expect(await once()).toEqual(await once());
});

test("a detector that fails once costs that frame and no track", async () => {
  const photo = await photograph(6);
  let failing = false;
  const faces = createFacePipeline({
    detector: { detect: (frame, scope) => (failing ? Promise.reject(new Error("down")) : detector.detect(frame, scope)) },
    inputSizePx: 112,
    cropMargin: 1.3,
  });
  const frameAt = (i: number): Frame => frameOf(photo, cameraAt(i));
  const before = await run(faces, 10, frameAt);
  failing = true;
  const outcomes = [];
  for (let i = 10; i < 16; i++) outcomes.push(await faces.process(frameAt(i)).then(() => "ok", () => "failed"));
  failing = false;
  expect(outcomes).toContain("failed");
  const after = await run(faces, 10, (i) => frameAt(i + 16));
  expect(idsIn(after)).toEqual(idsIn(before));
  expect(idsIn(before).length).toBeGreaterThan(1);
});
