/** What the fuzz suite mutates is valid to begin with, and the same seed gives the same cases: else it would test little, or could not be replayed. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readVideoTag } from "../../../pipelines/decode/video-tag.ts";
import { type IngestChild, startIngestChild } from "../../ingest/testing/ingest-child.ts";
import { makeOffer } from "../../ingest/whip/testing/offer.ts";
import { createRandom } from "../seeded-random.ts";
import { FUZZ_FAMILIES } from "./families.ts";
import { planCase } from "./fuzz-run.ts";
import { mutateBytes, mutateList, mutateWords } from "./mutate.ts";
import { publish } from "./rtmp-families.ts";
import { AVC_FRAMES, AVC_HEADER, ENHANCED_TAGS, RECORDED_MESSAGES, recordedSession, serialize } from "./rtmp-corpus.ts";
import { openTcpAttack } from "./tcp-attack.ts";

const KEY = "secret-of-fuzz-slot-01";
let ingest: IngestChild;
beforeAll(async () => {
  ingest = await startIngestChild({ port: 0, streams: [{ name: "slot", key: KEY }] });
});
afterAll(async () => {
  await ingest[Symbol.asyncDispose]();
});

describe("what is mutated", () => {
  test("the recorded session publishes, under another key, up to its video", async () => {
    const attack = await openTcpAttack(ingest.port);
    attack.send(recordedSession(KEY));
    await ingest.until("video-format", ({ stream, codec }) => stream === "slot" && codec === "h264");
    await attack.finish();
    await ingest.until("publisher-lost", ({ code }) => code === "closed");
  });

  test("its messages, cut out of their chunks, are those of a publisher", async () => {
    expect(RECORDED_MESSAGES.filter(({ type }) => type === 20)).toHaveLength(7);
    expect(readVideoTag(AVC_HEADER)).toMatchObject({ kind: "sequence-header", codec: "h264" });
    expect(AVC_FRAMES.map((frame) => readVideoTag(frame).kind)).toEqual(["keyframe", "inter", "inter", "keyframe", "inter", "inter"]);
    const attack = await publish(ingest.port, KEY);
    attack.send(serialize([AVC_HEADER, ...AVC_FRAMES].map((payload) => ({ chunkStream: 6, type: 9, payload }))));
    const known = new Set(ingest.messages);
    await ingest.until("stats", (message) => !known.has(message) && message.streams.some(({ videoPackets, skippedPackets }) => videoPackets === 6 && skippedPackets === 0));
    await attack.finish();
  });

  test("tags of Enhanced RTMP are of every codec and kind", () => {
    const read = ENHANCED_TAGS.map(readVideoTag);
    for (const codec of ["hevc", "av1", "vp9", "vp8", "h264"]) {
      const kinds = new Set(read.flatMap((tag) => ("codec" in tag && tag.codec === codec ? [tag.kind] : [])));
      expect(kinds, codec).toEqual(new Set(["sequence-header", "keyframe", "inter", "end-of-sequence"]));
    }
    expect(read.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["empty", "unsupported"]));
  });
});

describe("a seed", () => {
  test("says which attack a case is, and each has its share of the inputs", () => {
    const sent = new Map<string, number>();
    for (let number = 0; number < 6_000; number += 1) {
      const { family } = planCase(FUZZ_FAMILIES, 4, number);
      expect(planCase(FUZZ_FAMILIES, 4, number).family).toBe(family);
      sent.set(family.name, (sent.get(family.name) ?? 0) + family.inputs);
    }
    const all = [...sent.values()].reduce((sum, inputs) => sum + inputs, 0);
    const weights = FUZZ_FAMILIES.reduce((sum, { weight }) => sum + weight, 0);
    for (const { name, weight } of FUZZ_FAMILIES) expect((sent.get(name) ?? 0) / all / (weight / weights), name).toBeGreaterThan(0.3);
  });

  test("gives the same bytes again, and another one others", () => {
    const mutated = (seed: number, number: number) => {
      const random = createRandom(seed, number);
      return [mutateBytes(random, recordedSession(KEY)).toString("hex"), mutateWords(random, makeOffer()), mutateList(random, [1, 2, 3, 4, 5, 6, 7, 8])];
    };
    expect(mutated(1, 7)).toEqual(mutated(1, 7));
    expect(mutated(1, 7)).not.toEqual(mutated(1, 8));
    expect(mutated(1, 7)).not.toEqual(mutated(2, 7));
  });

  test("spoils what it is given within its bounds", () => {
    const original = recordedSession(KEY);
    let changed = 0;
    for (let number = 0; number < 500; number += 1) {
      const bytes = mutateBytes(createRandom(9, number), original, { from: 3_073, maxBytes: 20_000 });
      expect(bytes.length).toBeLessThanOrEqual(20_000);
      expect(bytes.subarray(0, 3_073).equals(original.subarray(0, 3_073))).toBe(true);
      if (!bytes.equals(original)) changed += 1;
    }
    expect(changed).toBeGreaterThan(480);
  });
});
