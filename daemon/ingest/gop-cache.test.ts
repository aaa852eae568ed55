import { expect, test } from "vitest";
import { createGopCache } from "./gop-cache.ts";

const tag = (name: string, bytes = 10) => Buffer.alloc(bytes, name);
const names = (tags: readonly Buffer[]) => tags.map((bytes) => String.fromCharCode(bytes[0] ?? 0)).join("");
const LIMITS = { gopCacheBytes: 100, gopCachePackets: 5 };

test("a cache holds what came since the last keyframe", () => {
  const cache = createGopCache(LIMITS);
  cache.setSequenceHeader(tag("h"));
  cache.addInterframe(tag("a"));
  expect(names(cache.tags)).toBe("");
  cache.addKeyframe(tag("K"));
  cache.addInterframe(tag("b"));
  cache.addKeyframe(tag("L"));
  cache.addInterframe(tag("c"));
  expect(names(cache.tags)).toBe("Lc");
});

test("a new sequence header forgets the frames of the old one", () => {
  const cache = createGopCache(LIMITS);
  cache.setSequenceHeader(tag("h"));
  cache.addKeyframe(tag("K"));
  cache.setSequenceHeader(tag("i"));
  expect(names(cache.tags)).toBe("");
  expect(cache.sequenceHeader).toEqual(tag("i"));
});

test("past the byte cap or the packet cap it is empty until the next keyframe", () => {
  for (const packet of [tag("x", 60), tag("x", 1)]) {
    const cache = createGopCache(LIMITS);
    cache.addKeyframe(tag("K"));
    for (let index = 0; index < 8; index += 1) cache.addInterframe(packet);
    expect(names(cache.tags)).toBe("");
    cache.addKeyframe(tag("L"));
    expect(names(cache.tags)).toBe("L");
  }
});
