/** The forgery itself: the other face inside a soft hull, in the target's colours, trembling, the same at every making. */
import { expect, test } from "vitest";
import type { Point } from "./demo-scenes.ts";
import { createForgedFace, type RgbImage } from "./forged-face.ts";

const SIZE = 200;

function picture(valueAt: (x: number, y: number) => number): RgbImage {
  const rgb = new Uint8Array(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) rgb.fill(valueAt(i % SIZE, Math.floor(i / SIZE)), i * 3, i * 3 + 3);
  return { widthPx: SIZE, heightPx: SIZE, rgb };
}

/** A twelve-sided face and its centre. */
function landmarks(centre: Point, radius: number): Point[] {
  const round = Array.from({ length: 12 }, (_, i) => ({ x: centre.x + radius * Math.cos((i * Math.PI) / 6), y: centre.y + radius * Math.sin((i * Math.PI) / 6) }));
  return [centre, ...round];
}

const TARGET = { x: 100, y: 110 };
const DONOR = { x: 60, y: 70 };
// Both as contrasty, one brighter. The donor's bright half is its right one, the target's is its lower one.
const face = createForgedFace({
  target: picture((_, y) => (y < TARGET.y ? 110 : 150)),
  targetLandmarks: landmarks(TARGET, 50),
  donor: picture((x) => (x < DONOR.x ? 40 : 80)),
  donorLandmarks: landmarks(DONOR, 25),
  loopFrames: 60,
});

function rendered(frame: number): Uint8Array {
  const out = new Uint8Array(face.widthPx * face.heightPx * 4);
  face.render(frame, out);
  return out;
}

function pixelAt(patch: Uint8Array, x: number, y: number): number[] {
  const at = ((y - face.top) * face.widthPx + (x - face.left)) * 4;
  return [...patch.subarray(at, at + 4)];
}

test("puts the donor's face where its landmarks say, in the target's colours", () => {
  const patch = rendered(1);
  for (const [x, y, expected] of [[80, 90, 110], [80, 130, 110], [120, 90, 150], [120, 130, 150]] as const) {
    const [red, green, blue, alpha] = pixelAt(patch, x, y);
    expect(alpha).toBe(255);
    expect(Math.abs(green! - expected), `${x}, ${y}`).toBeLessThan(8);
    expect([red, blue]).toEqual([green, green]);
  }
});

test("covers the face and nothing beyond it, and fades out over many levels of its mask", () => {
  const patch = rendered(1);
  for (const y of [face.top, face.top + face.heightPx - 1]) for (const x of [face.left, face.left + face.widthPx - 1]) expect(pixelAt(patch, x, y)[3]).toBe(0);
  const alongRow = Array.from({ length: 25 }, (_, i) => pixelAt(patch, face.left + i, TARGET.y)[3]!);
  expect(alongRow).toEqual(alongRow.toSorted((a, b) => a - b));
  expect(alongRow.filter((alpha) => alpha > 0 && alpha < 255).length).toBeGreaterThan(5);
});

test("no two frames are alike, but the same frame always is, and the loop closes", () => {
  expect(rendered(7)).toEqual(rendered(7));
  expect(rendered(7)).not.toEqual(rendered(8));
  expect(rendered(60)).toEqual(rendered(0));
});
