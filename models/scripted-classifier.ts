/** A labelled stand-in that detects nothing: it reads its scores from a table, for demos and tests of what follows a score. */
import type { HorizonClassifier, HorizonInput } from "../pipelines/horizon/classifier.ts";
import type { ScriptedManifest } from "./manifest-schema.ts";

type Script = ScriptedManifest["script"];

/** The table's score for a slot; the same for the same arguments. */
export function scriptedScore(script: Script, { stream, track, slot }: { stream: string; track: string; slot: number }): number {
  const trackNumber = Number(track.slice(track.lastIndexOf("#") + 1));
  const entry = script.entries.findLast(
    (candidate) =>
      candidate.stream === stream && slot >= candidate.startSlot && slot < (candidate.endSlot ?? Number.POSITIVE_INFINITY) && (candidate.tracks?.includes(trackNumber) ?? true),
  );
  const wobble = script.variation * Math.sin(slot * 0.37 + hash(track)) * Math.cos(slot * 0.11);
  return Math.min(1, Math.max(0, (entry?.score ?? script.defaultScore) + wobble));
}

/** Where on the wave a track starts, so that two faces do not move alike. */
function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (value * 31 + (character.codePointAt(0) ?? 0)) % 6283;
  return value / 1000;
}

export function createScriptedClassifier(script: Script, states: number): HorizonClassifier {
  const close = async () => {};
  return {
    provider: "none",
    warmUpMs: 0,
    async step(inputs: readonly HorizonInput[]) {
      const scores = new Float32Array(inputs.length * states);
      spend((script.stepMs ?? 0) * inputs.length);
      inputs.forEach((input, index) => scores.fill(scriptedScore(script, input), index * states, (index + 1) * states));
      return { now: scores, before: scores };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Keeps the thread busy, as inference does. */
function spend(milliseconds: number): void {
  const untilMs = performance.now() + milliseconds;
  while (performance.now() < untilMs);
}
