/** Crops of real faces: size, margin and the gates. */
import { expect, test } from "vitest";
import { cropFace, DEFAULT_CROP_GATES } from "./crop.ts";
import { blurred, FACES, frameOf, inView, photograph } from "./testing/test-pictures.ts";

const OPTIONS = { ...DEFAULT_CROP_GATES, inputSizePx: 112, cropMargin: 1.3 };
const face = FACES[6]![0]!;

/** A 720p frame in which the face has this longer side, at the middle. */
async function faceOfSide(sidePx: number) {
  const scale = sidePx / Math.max(face.width, face.height);
  const region = { x: face.x + face.width / 2 - 640 / scale, y: face.y + face.height / 2 - 360 / scale, width: 1280 / scale, height: 720 / scale };
  const view = { widthPx: 1280, heightPx: 720, region };
  return { frame: frameOf(await photograph(6), view), box: inView(face, view) };
}

test("a crop has the model's size and shows the face with the fixed margin around it", async () => {
  const { frame, box } = await faceOfSide(112 / 1.3);
  const crop = cropFace(frame, box, OPTIONS);
  if (crop.kind !== "ok") throw new Error(crop.reason);
  expect(crop.pixels.length).toBe(112 * 112 * 3);
  // At this size a pixel of the crop is a pixel of the frame, up to a fraction of one in position.
  const left = Math.round(box.x + box.width / 2 - 56);
  const top = Math.round(box.y + box.height / 2 - 56);
  let difference = 0;
  for (let y = 0; y < 112; y++) for (let x = 0; x < 112 * 3; x++) difference += Math.abs(crop.pixels[y * 336 + x]! - frame.rgb[((top + y) * 1280 + left) * 3 + x]!);
  expect(difference / crop.pixels.length).toBeLessThan(6);
});

test("a face under 40 px is refused as too small, one of 44 px is not", async () => {
  const small = await faceOfSide(38);
  expect(cropFace(small.frame, small.box, OPTIONS)).toEqual({ kind: "refused", reason: "face-too-small" });
  const enough = await faceOfSide(44);
  expect(cropFace(enough.frame, enough.box, OPTIONS).kind).toBe("ok");
});

test("a face blurred by a twentieth of its side is refused, at every size that is not too small", async () => {
  for (const sidePx of [60, 120, 240]) {
    const { frame, box } = await faceOfSide(sidePx);
    expect(cropFace(frame, box, OPTIONS).kind, `sharp, ${sidePx} px`).toBe("ok");
    expect(cropFace(await blurred(frame, sidePx / 20), box, OPTIONS), `blurred, ${sidePx} px`).toEqual({ kind: "refused", reason: "face-too-blurred" });
  }
});

test("a face with over 30% outside the picture is refused as cut off, one with less is filled up from the edge", async () => {
  const { frame, box } = await faceOfSide(120);
  const shiftedTo = (share: number) => ({ ...box, x: -share * box.width });
  expect(cropFace(frame, shiftedTo(0.35), OPTIONS)).toEqual({ kind: "refused", reason: "face-cut-off" });
  const bySharpness = { ...OPTIONS, minSharpness: 0 };
  const crop = cropFace(frame, shiftedTo(0.25), bySharpness);
  if (crop.kind !== "ok") throw new Error(crop.reason);
  for (let y = 0; y < 112; y++) expect([...crop.pixels.subarray(y * 336, y * 336 + 3)]).toEqual([...crop.pixels.subarray(y * 336 + 9, y * 336 + 12)]);
});
