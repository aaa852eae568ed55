/** Cuts a region out of an RGB24 picture at another size: area average when reducing, bilinear when enlarging. */
import type { Box } from "../types.ts";

/** An RGB24 picture, row-major; a Frame is one. */
export interface RgbPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly rgb: Uint8Array;
}

export interface ResampleRequest {
  readonly picture: RgbPicture;
  /** What to cut, in pixels of the picture, fractions allowed; beyond the border the edge pixels repeat. */
  readonly region: Box;
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * Past this reduction only every second (third, …) source pixel is read: four samples a direction already
 * average away more than the model can tell apart, and the cost of a crop stays bounded for any face size.
 */
const MAX_TAPS = 4;

/** For each output position the source positions it is made of, with weights that sum to 1. */
interface Taps {
  readonly first: Int32Array;
  readonly source: Int32Array;
  readonly weight: Float32Array;
}

function tapsFor(start: number, length: number, outCount: number, limit: number): Taps {
  const ratio = length / outCount;
  const first = new Int32Array(outCount + 1);
  const stride = Math.max(1, Math.ceil(ratio / MAX_TAPS));
  const perOutput = ratio > 1 ? Math.ceil(ratio / stride) + 2 : 2;
  const source = new Int32Array(outCount * perOutput);
  const weight = new Float32Array(outCount * perOutput);
  let n = 0;
  for (let i = 0; i < outCount; i++) {
    first[i] = n;
    if (ratio > 1) {
      // In units of `stride` source pixels.
      const from = (start + i * ratio) / stride;
      const to = (start + (i + 1) * ratio) / stride;
      for (let s = Math.floor(from); s < to; s++) {
        const share = Math.min(s + 1, to) - Math.max(s, from);
        if (share <= 1e-6) continue;
        source[n] = clampIndex(s * stride + (stride >> 1), limit);
        weight[n] = share / (to - from);
        n++;
      }
    } else {
      const at = start + (i + 0.5) * ratio - 0.5;
      const s = Math.floor(at);
      const fraction = at - s;
      source[n] = clampIndex(s, limit);
      weight[n++] = 1 - fraction;
      source[n] = clampIndex(s + 1, limit);
      weight[n++] = fraction;
    }
  }
  first[outCount] = n;
  return { first, source, weight };
}

function clampIndex(index: number, limit: number): number {
  return index < 0 ? 0 : index >= limit ? limit - 1 : index;
}

/** @returns RGB24 HWC, `widthPx * heightPx * 3` bytes, freshly allocated */
export function resample({ picture, region, widthPx, heightPx }: ResampleRequest): Uint8Array {
  const across = tapsFor(region.x, region.width, widthPx, picture.widthPx);
  const down = tapsFor(region.y, region.height, heightPx, picture.heightPx);
  const rowLength = widthPx * 3;
  const out = new Uint8Array(rowLength * heightPx);
  const sum = new Float32Array(rowLength);
  // Neighbouring output rows share source rows; two slots are enough to resample each of them once.
  const slots = [new Float32Array(rowLength), new Float32Array(rowLength)] as const;
  const slotRow = [-1, -1];
  let lastSlot = 0;
  for (let y = 0; y < heightPx; y++) {
    const firstTap = down.first[y]!;
    const endTap = down.first[y + 1]!;
    sum.fill(0);
    for (let t = firstTap; t < endTap; t++) {
      const row = down.source[t]!;
      let slot = slotRow[0] === row ? 0 : slotRow[1] === row ? 1 : -1;
      if (slot < 0) {
        slot = 1 - lastSlot;
        slotRow[slot] = row;
        resampleRow(picture.rgb, row * picture.widthPx * 3, across, slots[slot]!);
      }
      lastSlot = slot;
      const line = slots[slot]!;
      const weight = down.weight[t]!;
      for (let i = 0; i < rowLength; i++) sum[i]! += line[i]! * weight;
    }
    const base = y * rowLength;
    for (let i = 0; i < rowLength; i++) out[base + i] = sum[i]! + 0.5;
  }
  return out;
}

function resampleRow(rgb: Uint8Array, rowStart: number, taps: Taps, line: Float32Array): void {
  const { first, source, weight } = taps;
  const count = first.length - 1;
  let t = 0;
  for (let x = 0, o = 0; x < count; x++, o += 3) {
    const end = first[x + 1]!;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (; t < end; t++) {
      const at = rowStart + source[t]! * 3;
      const w = weight[t]!;
      red += rgb[at]! * w;
      green += rgb[at + 1]! * w;
      blue += rgb[at + 2]! * w;
    }
    line[o] = red;
    line[o + 1] = green;
    line[o + 2] = blue;
  }
}

/** Luma of an RGB24 buffer with integer weights near Rec. 601's: (2R + 5G + B) / 8. */
export function lumaOf(rgb: Uint8Array, out: Float32Array = new Float32Array(rgb.length / 3)): Float32Array {
  for (let i = 0, o = 0; o < out.length; i += 3, o++) out[o] = (2 * rgb[i]! + 5 * rgb[i + 1]! + rgb[i + 2]!) / 8;
  return out;
}
