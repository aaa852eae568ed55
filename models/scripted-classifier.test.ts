/** The stand-in gives what its table says, always the same. */
import { expect, it } from "vitest";
import { createScriptedClassifier, scriptedScore } from "./scripted-classifier.ts";

const script = {
  defaultScore: 0.1,
  variation: 0,
  entries: [
    { stream: "forged", startSlot: 50, score: 0.6 },
    { stream: "forged", tracks: [2], startSlot: 100, endSlot: 200, score: 0.9 },
  ],
};

it.each([
  ["another stream", "clean", "clean#2", 150, 0.1],
  ["a slot before the start", "forged", "forged#2", 49, 0.1],
  ["any track of an entry without tracks", "forged", "forged#7", 150, 0.6],
  ["a track that is listed, by the last entry that matches", "forged", "forged#2", 100, 0.9],
  ["a slot at the end of an entry", "forged", "forged#2", 200, 0.6],
])("scores %s by the table", (_, stream, track, slot, expected) => {
  expect(scriptedScore(script, { stream, track, slot })).toBe(expected);
});

it("moves by no more than the variation, the same way at every run, and within 0..1", () => {
  const lively = { ...script, defaultScore: 0.02, variation: 0.05 };
  const line = (track: string) => Array.from({ length: 300 }, (_, slot) => scriptedScore(lively, { stream: "clean", track, slot }));
  expect(line("clean#1")).toEqual(line("clean#1"));
  expect(line("clean#1")).not.toEqual(line("clean#2"));
  expect(Math.min(...line("clean#1"))).toBe(0);
  expect(Math.max(...line("clean#1"))).toBeGreaterThan(0.04);
  expect(Math.max(...line("clean#1"))).toBeLessThanOrEqual(0.07);
});

it("gives every state of a row its score", async () => {
  await using classifier = createScriptedClassifier(script, 10);
  const input = (row: number, track: string) => ({ row, stream: "forged", track, slot: 120, pixels: new Uint8Array(), fresh: false, resets: [], wanted: true });
  const { now: scores } = await classifier.step([input(0, "forged#1"), input(5, "forged#2")]);
  expect([...scores].map((score) => Math.round(score * 10) / 10)).toEqual([...Array<number>(10).fill(0.6), ...Array<number>(10).fill(0.9)]);
});

it("takes as much of the processor for each crop as its script says", async () => {
  await using classifier = createScriptedClassifier({ ...script, stepMs: 20 }, 10);
  const input = (row: number) => ({ row, stream: "clean", track: `clean#${row}`, slot: 120, pixels: new Uint8Array(), fresh: false, resets: [], wanted: true });
  const startedAtMs = performance.now();
  await classifier.step([input(0), input(1), input(2)]);
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(60);
});
