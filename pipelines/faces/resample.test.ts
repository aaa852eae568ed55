/** Resampling: colours stay true at every ratio, edges repeat, fractions of a pixel count. */
import { expect, test } from "vitest";
import { resample, type RgbPicture } from "./resample.ts";

function picture(widthPx: number, heightPx: number, value: (x: number, y: number) => number): RgbPicture {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) for (let x = 0; x < widthPx; x++) rgb.fill(value(x, y), (y * widthPx + x) * 3, (y * widthPx + x) * 3 + 3);
  return { widthPx, heightPx, rgb };
}

test("one colour stays that colour at every ratio, inside and beyond the picture", () => {
  const plain = picture(200, 150, () => 137);
  for (const side of [3, 7.3, 20, 33.3, 79.9, 80.1, 141, 142.7, 400, 1000]) {
    const out = resample({ picture: plain, region: { x: 60.4 - side / 4, y: 30.7 - side / 4, width: side, height: side }, widthPx: 20, heightPx: 20 });
    expect(new Set(out), `side ${side}`).toEqual(new Set([137]));
  }
});

test("the same size at the same place is the same picture", () => {
  const noise = picture(16, 12, (x, y) => (x * 37 + y * 101) % 256);
  expect(resample({ picture: noise, region: { x: 0, y: 0, width: 16, height: 12 }, widthPx: 16, heightPx: 12 })).toEqual(noise.rgb);
});

test("reducing averages whole and parted pixels by their area", () => {
  const columns = picture(3, 1, (x) => [0, 100, 200][x]!);
  const out = resample({ picture: columns, region: { x: 0, y: 0, width: 3, height: 1 }, widthPx: 2, heightPx: 1 });
  // (0 + 100/2) / 1.5 and (100/2 + 200) / 1.5
  expect([out[0], out[3]]).toEqual([33, 167]);
});

test("enlarging is linear between the centres of pixels, and level beyond the outermost", () => {
  const step = picture(2, 1, (x) => x * 100);
  const out = resample({ picture: step, region: { x: 0, y: 0, width: 2, height: 1 }, widthPx: 8, heightPx: 1 });
  expect([0, 1, 2, 3, 4, 5, 6, 7].map((x) => out[x * 3])).toEqual([0, 0, 13, 38, 63, 88, 100, 100]);
});

test("a ramp keeps its slope however strongly it is reduced", () => {
  const ramp = picture(1000, 4, (x) => x / 4);
  for (const count of [10, 100, 130, 249, 400]) {
    const out = resample({ picture: ramp, region: { x: 0, y: 0, width: 1000, height: 4 }, widthPx: count, heightPx: 1 });
    for (let x = 0; x < count; x++) expect(Math.abs(out[x * 3]! - ((x + 0.5) * 250) / count), `${x} of ${count}`).toBeLessThan(1.6);
  }
});
