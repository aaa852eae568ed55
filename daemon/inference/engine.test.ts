/** The engine on the shipped models: timing of scores, order, bounds, and what a failing model does. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pino from "pino";
import { describe, expect, it, vi } from "vitest";
import { OnnxClassifier } from "../../models/onnx-classifier.ts";
import type { HorizonInput, RawScores } from "../../pipelines/horizon/classifier.ts";
import type { HorizonScore } from "../../pipelines/types.ts";
import { startInferenceEngine } from "./engine.ts";

const modelDir = (name: string) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
const defaults = { provider: "cpu", intraOpNumThreads: 2, maxBatch: 8, maxTracks: 4, log: pino({ level: "silent" }) } as const;
const start = (name: string, change: object = {}) => startInferenceEngine({ ...defaults, modelDir: modelDir(name), ...change });

const pixels = new Uint8Array(160 * 160 * 3).map((_, index) => (index * 37) % 251);
const crop = (stream: string, face: number, slot: number) => ({ stream, track: `${stream}#${face}`, slot, pixels });

describe("startInferenceEngine", () => {
  it("gives scores at 40, 60, 80 and 100 crops and then every ten", async () => {
    await using engine = await start("edge");
    const given: [number, number][] = [];
    for (let slot = 500; slot < 625; slot++) {
      const reply = await engine.submit(crop("a", 1, slot));
      if (reply.kind !== "ok") throw new Error("discarded");
      for (const { frames, score, coverage, samplingFps } of reply.scores) {
        given.push([slot - 500, frames]);
        expect(score).toBeGreaterThan(0);
        expect(score).toBeLessThan(1);
        expect(coverage).toBe(1);
        expect(samplingFps).toBeUndefined();
      }
    }
    expect(given).toEqual([[39, 40], [59, 60], [79, 80], [99, 100], [109, 100], [119, 100]]);
    expect(engine).toMatchObject({ provider: "cpu", info: { name: "edge", trained: true } });
    expect(engine.warmUpMs).toBeGreaterThan(0);
  });

  it("covers a face whose every due slot came, at half the sampling, and says so in the score", async () => {
    await using engine = await start("scripted");
    const given: HorizonScore[] = [];
    for (let slot = 0; slot < 110; slot += 2) {
      const reply = await engine.submit({ ...crop("a", 1, slot), divisor: 2 });
      if (reply.kind === "ok") given.push(...reply.scores);
    }
    expect(given.map(({ frames }) => frames)).toEqual([40, 60, 80, 100]);
    for (const score of given) expect(score).toMatchObject({ coverage: 1, samplingFps: 5 });
  });

  it("batches what waits together, over all streams, without mixing tracks", async () => {
    await using alone = await start("edge");
    await using together = await start("edge");
    const picture = (face: number, slot: number) => pixels.map((value) => (value * (face + 1) + slot) % 256);
    const scoresOf = (replies: Awaited<ReturnType<typeof alone.submit>>[]) => replies.flatMap((reply) => (reply.kind === "ok" ? reply.scores.map(({ score }) => score) : []));
    const sizes = new Set<number>();
    for (let slot = 0; slot < 40; slot++) {
      const one = await alone.submit({ ...crop("a", 2, slot), pixels: picture(2, slot) });
      const all = await Promise.all([1, 2, 3].map((face) => together.submit({ ...crop(face < 3 ? "a" : "b", face, slot), pixels: picture(face, slot) })));
      for (const reply of all) if (reply.kind === "ok") sizes.add(reply.batchSize);
      if (slot < 39) continue;
      const [first, second, third] = scoresOf(all);
      expect(second).toBeCloseTo(scoresOf([one])[0] ?? Number.NaN, 5);
      expect(new Set([first, second, third]).size).toBe(3);
    }
    expect([...sizes]).toEqual([3]);
    expect(together.takeStats()).toMatchObject({ crops: 120, discarded: 0, failed: 0, batches: 40, tracks: 3, queueDepth: 0 });
    expect(together.takeStats()).toMatchObject({ crops: 0, batches: 0, batchSizes: [] });
  });

  it("copies the pixels before it returns", async () => {
    await using engine = await start("edge");
    const scoreAfter = async (stream: string, spoil: boolean) => {
      for (let slot = 0; ; slot++) {
        const mine = pixels.slice();
        const reply = engine.submit({ ...crop(stream, 1, slot), pixels: mine });
        if (spoil) mine.fill(255);
        const answer = await reply;
        if (answer.kind === "ok" && answer.scores[0] !== undefined) return answer.scores[0].score;
      }
    };
    expect(await scoreAfter("a", true)).toBe(await scoreAfter("b", false));
  });

  it("discards the older crops of a track that come faster than the model, and answers each", async () => {
    await using engine = await start("edge");
    const replies = await Promise.all(Array.from({ length: 30 }, (_, slot) => engine.submit(crop("a", 1, slot))));
    expect(replies.map((reply) => reply.kind).slice(-2)).toEqual(["ok", "ok"]);
    expect(replies.filter((reply) => reply.kind === "discarded" && reply.reason === "overload")).toHaveLength(28);
    expect(engine.takeStats()).toMatchObject({ crops: 30, discarded: 28, noRoom: 0, trackEnded: 0 });
  });

  it("discards the crops of one face too many rather than cutting the others short, and does not call it overload", async () => {
    await using engine = await start("edge", { maxTracks: 2 });
    const outcomes = async (slot: number) => (await Promise.all([1, 2, 3].map((face) => engine.submit(crop("a", face, slot))))).map((reply) => (reply.kind === "ok" ? "ok" : reply.reason));
    expect(await outcomes(0)).toEqual(["ok", "ok", "no-room"]);
    expect(await outcomes(1)).toEqual(["ok", "ok", "no-room"]);
    expect(engine.takeStats()).toMatchObject({ crops: 6, discarded: 0, noRoom: 2 });
    engine.endTrack("a#1");
    expect((await engine.submit(crop("a", 3, 2))).kind).toBe("ok");
  });

  it("refuses slots that do not rise and crops of another size, and goes on", async () => {
    await using engine = await start("edge");
    await engine.submit(crop("a", 1, 5));
    await expect(engine.submit(crop("a", 1, 5))).rejects.toMatchObject({ code: "inference-failed", message: "a#1: slot 5 does not rise above 5" });
    await expect(engine.submit({ ...crop("a", 1, 6), pixels: new Uint8Array(3) })).rejects.toMatchObject({ code: "inference-failed" });
    expect((await engine.submit(crop("a", 1, 6))).kind).toBe("ok");
  });

  it("scores a track anew whose slots begin from zero again, as after its analysis process was replaced", async () => {
    await using engine = await start("edge");
    for (let slot = 3000; slot < 3030; slot++) await engine.submit(crop("a", 1, slot));
    const given: number[] = [];
    for (let slot = 0; slot < 40; slot++) {
      const reply = await engine.submit(crop("a", 1, slot));
      if (reply.kind === "ok" && reply.scores.length > 0) given.push(slot);
    }
    expect(given).toEqual([39]);
  });

  it("forgets a track that ends, with what waits of it", async () => {
    await using engine = await start("edge");
    for (let slot = 0; slot < 39; slot++) await engine.submit(crop("a", 1, slot));
    const last = engine.submit(crop("a", 1, 39));
    engine.endTrack("a#1");
    expect(await last).toEqual({ kind: "discarded", reason: "track-ended" });
    expect(engine.takeStats()).toMatchObject({ tracks: 0, discarded: 0, trackEnded: 1 });
    expect(await engine.submit(crop("a", 1, 40))).toMatchObject({ kind: "ok", scores: [] });
  });

  it("forgets a track that ends during its inference once that is over", async () => {
    await using engine = await start("edge");
    const original = Object.getOwnPropertyDescriptor(OnnxClassifier.prototype, "step")?.value as (this: OnnxClassifier, inputs: readonly HorizonInput[]) => Promise<RawScores>;
    const step = vi.spyOn(OnnxClassifier.prototype, "step").mockImplementation(async function (this: OnnxClassifier, inputs) {
      engine.endTrack("a#1");
      expect(engine.takeStats().tracks).toBe(2);
      return await original.call(this, inputs);
    });
    try {
      const replies = await Promise.all([engine.submit(crop("a", 1, 0)), engine.submit(crop("a", 2, 0))]);
      expect(replies.map((reply) => reply.kind)).toEqual(["ok", "ok"]);
    } finally {
      step.mockRestore();
    }
    await vi.waitFor(() => expect(engine.takeStats().tracks).toBe(1));
  });

  it("rejects crops once closed, answers those that wait, and closes twice without harm", async () => {
    const engine = await start("edge");
    const waiting = [engine.submit(crop("a", 1, 0)), engine.submit(crop("a", 2, 0))];
    await Promise.all([engine.close(), engine.close()]);
    expect((await Promise.all(waiting)).map((reply) => reply.kind)).toEqual(["discarded", "discarded"]);
    await expect(engine.submit(crop("a", 1, 1))).rejects.toMatchObject({ code: "inference-unavailable" });
  });

  it("rejects the crops of a batch that fails, starts their tracks anew, and reports a lost device after three in a row", async () => {
    const onBroken = vi.fn();
    await using engine = await start("edge", { onBroken });
    for (let slot = 0; slot < 39; slot++) await engine.submit(crop("a", 1, slot));
    const step = vi.spyOn(OnnxClassifier.prototype, "step").mockRejectedValue(new Error("the device is lost"));
    try {
      for (let slot = 39; slot < 42; slot++) {
        expect(onBroken).not.toHaveBeenCalled();
        await expect(engine.submit(crop("a", 1, slot))).rejects.toMatchObject({ code: "inference-failed" });
      }
    } finally {
      step.mockRestore();
    }
    expect(onBroken).toHaveBeenCalledOnce();
    expect(await engine.submit(crop("a", 1, 42))).toMatchObject({ kind: "ok", scores: [] });
    expect(engine.takeStats().failed).toBe(3);
  });
});

describe("the scripted stand-in", () => {
  it("follows the horizon's timing with the scores of its table, on no provider", async () => {
    const dir = await mkdtemp(join(tmpdir(), "truecast-scripted-"));
    try {
      const manifest = JSON.parse(await readFile(join(modelDir("scripted"), "manifest.json"), "utf8")) as object;
      const script = { defaultScore: 0.1, variation: 0, entries: [{ stream: "forged", startSlot: 60, score: 0.9 }] };
      await writeFile(join(dir, "manifest.json"), JSON.stringify({ ...manifest, script }));
      await using engine = await startInferenceEngine({ ...defaults, modelDir: dir });
      expect(engine).toMatchObject({ provider: "none", info: { kind: "scripted", trained: false } });
      const given: [number, number, number][] = [];
      for (let slot = 0; slot < 112; slot++) {
        const reply = await engine.submit(crop("forged", 1, slot));
        if (reply.kind === "ok") for (const { frames, score } of reply.scores) given.push([slot, frames, Math.round(score * 100) / 100]);
      }
      expect(given).toEqual([[39, 40, 0.1], [59, 60, 0.1], [79, 80, 0.9], [99, 100, 0.9], [109, 100, 0.9]]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
