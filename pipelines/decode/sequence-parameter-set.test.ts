import { expect, it } from "vitest";
import { TruecastError } from "../errors.ts";
import { makeFlvTags } from "./flv-fixture.ts";
import { readAvcConfiguration } from "./sequence-parameter-set.ts";

async function sequenceHeader(size: string, encoder: readonly string[]): Promise<Uint8Array> {
  const tags = await makeFlvTags({ picture: `testsrc=s=${size}:r=30`, seconds: 0.1, encoder });
  return tags.find((tag) => tag.kind === "sequence-header")?.payload ?? new Uint8Array(0);
}

it.each([
  ["320x180", "cropped by four lines", []],
  ["1920x1080", "cropped by eight lines", []],
  ["1280x720", "in high profile with scaling lists", ["-preset", "veryfast", "-x264-params", "cqm=jvt"]],
  ["322x182", "in baseline profile", ["-profile:v", "baseline"]],
  ["640x360", "interlaced", ["-tune", "film", "-x264-params", "interlaced=1"]],
  ["101x77", "of odd sides in 4:4:4", ["-pix_fmt", "yuv444p"]],
  ["102x77", "of one odd side in 4:2:2", ["-pix_fmt", "yuv422p"]],
  ["128x96", "grey", ["-pix_fmt", "gray"]],
  ["2x2", "hardly there", []],
])("reads %s from x264's header, %s", async (size, _what, encoder) => {
  const { widthPx, heightPx } = readAvcConfiguration(await sequenceHeader(size, encoder));
  expect(`${widthPx}x${heightPx}`).toBe(size);
});

it("answers every truncated or altered header with a typed error or a size, never with anything else", async () => {
  const header = await sequenceHeader("320x180", []);
  const spsBytes = 8 + (((header[6] ?? 0) << 8) | (header[7] ?? 0));
  for (let length = 0; length < spsBytes; length++) {
    expect(() => readAvcConfiguration(header.subarray(0, length))).toThrow(TruecastError);
  }
  for (let i = 0; i < header.length * 8; i++) {
    const altered = Uint8Array.from(header);
    altered[i >> 3] = (altered[i >> 3] ?? 0) ^ (1 << (i & 7));
    try {
      expect(readAvcConfiguration(altered).widthPx).toBeGreaterThan(0);
    } catch (error) {
      expect(error).toBeInstanceOf(TruecastError);
    }
  }
});
