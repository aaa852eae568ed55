import { expect, it } from "vitest";
import { type AssembledFrame, createFrameAssembler } from "./frame-assembler.ts";

/** A small linear congruential generator: random orders that are the same in each run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const sizes = [[4, 3], [1, 1], [7, 5], [32, 18]] as const;
const frames = Array.from({ length: 40 }, (_, i) => {
  const [widthPx, heightPx] = sizes[(i >> 3) % sizes.length] ?? [1, 1];
  return { rawPtsMs: i * 100, widthPx, heightPx, rgb: new Uint8Array(widthPx * heightPx * 3).fill(i + 1) };
});

it.each(Array.from({ length: 12 }, (_, seed) => seed))("pairs pixels and announcements whatever the cuts and the order of the two pipes (seed %d)", (seed) => {
  const pick = random(seed);
  const got: AssembledFrame[] = [];
  const assembler = createFrameAssembler((frame) => {
    got.push(frame);
    return true;
  });
  const bytes = Buffer.concat(frames.map((frame) => frame.rgb));
  let offset = 0;
  let announced = 0;
  let taken = 0;
  let chunks = 0;
  while (offset < bytes.length || announced < frames.length) {
    const frame = frames[announced];
    if (frame && (offset >= bytes.length || pick(2) === 0)) {
      assembler.announce(frame);
      announced++;
    } else if (offset < bytes.length) {
      const chunk = bytes.subarray(offset, offset + 1 + pick(seed % 2 === 0 ? 40 : 9000));
      offset += chunk.length;
      chunks++;
      assembler.pixels(chunk, () => taken++);
    }
  }
  expect(got).toEqual(frames);
  expect(taken).toBe(chunks);
  expect(assembler.settled).toBe(true);
});

it("keeps the chunk it cannot place until it is resumed, which is what slows the decoder down", () => {
  const got: AssembledFrame[] = [];
  let taken = false;
  const assembler = createFrameAssembler((frame) => {
    got.push(frame);
    return false;
  });
  for (const rawPtsMs of [0, 100]) assembler.announce({ rawPtsMs, widthPx: 1, heightPx: 1 });
  assembler.pixels(Uint8Array.from([1, 1, 1, 2, 2, 2]), () => {
    taken = true;
  });
  expect([got.length, taken]).toEqual([1, false]);
  assembler.resume();
  expect([got.length, taken]).toEqual([2, true]);
});

it("gives each frame a buffer of its own, which can be transferred to a worker", () => {
  const got: AssembledFrame[] = [];
  const assembler = createFrameAssembler((frame) => got.push(frame) > 0);
  assembler.announce({ rawPtsMs: 0, widthPx: 2, heightPx: 2 });
  assembler.pixels(new Uint8Array(12).fill(9), () => {});
  const buffer = got[0]?.rgb.buffer;
  if (!(buffer instanceof ArrayBuffer)) throw new Error("no frame");
  expect(buffer.byteLength).toBe(12);
  expect(structuredClone(buffer, { transfer: [buffer] }).byteLength).toBe(12);
});

it("refuses sizes past the analysed picture and announcements without end", () => {
  const assembler = createFrameAssembler(() => true);
  expect(() => assembler.announce({ rawPtsMs: 0, widthPx: 1281, heightPx: 1 })).toThrow(expect.objectContaining({ code: "decoder-exited" }));
  expect(() => {
    for (let i = 0; i < 10_000; i++) assembler.announce({ rawPtsMs: i, widthPx: 1, heightPx: 1 });
  }).toThrow(expect.objectContaining({ code: "decoder-exited" }));
});
