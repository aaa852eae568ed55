/** The forgery itself: an oval with a soft edge that trembles, the same at every making, closing its loop. */
import { expect, test } from "vitest";
import { createForgedFace, type RgbImage } from "./forged-face.ts";

function plain(value: number): RgbImage {
  return { widthPx: 200, heightPx: 200, rgb: new Uint8Array(200 * 200 * 3).fill(value) };
}

const face = createForgedFace({
  target: plain(120),
  targetEyes: [{ x: 80, y: 90 }, { x: 120, y: 90 }],
  donor: plain(60),
  donorEyes: [{ x: 90, y: 100 }, { x: 110, y: 100 }],
  loopFrames: 60,
});

function rendered(frame: number): Uint8Array {
  const out = new Uint8Array(face.sidePx * face.sidePx * 4);
  face.render(frame, out);
  return out;
}

function pixelAt(patch: Uint8Array, x: number, y: number): number[] {
  const at = ((y - face.top) * face.sidePx + (x - face.left)) * 4;
  return [...patch.subarray(at, at + 4)];
}

test("covers the face and nothing beyond it, in the target's light but of a tint of its own", () => {
  const patch = rendered(1);
  const [red, green, blue, alpha] = pixelAt(patch, 100, 110);
  expect(alpha).toBeGreaterThan(200);
  expect(Math.abs(green! - 120)).toBeLessThan(25);
  expect(red! - blue!).toBeGreaterThan(10);
  for (const [x, y] of [[face.left, face.top], [face.left + face.sidePx - 1, face.top + face.sidePx - 1], [100, face.top]]) expect(pixelAt(patch, x!, y!)[3]).toBe(0);
});

test("fades out over many levels of its mask", () => {
  const alphas = new Set(rendered(1).filter((_, i) => i % 4 === 3));
  expect(alphas.size).toBeGreaterThan(50);
});

test("no two frames are alike, but the same frame always is, and the loop closes", () => {
  expect(rendered(7)).toEqual(rendered(7));
  expect(rendered(7)).not.toEqual(rendered(8));
  expect(rendered(60)).toEqual(rendered(0));
});
