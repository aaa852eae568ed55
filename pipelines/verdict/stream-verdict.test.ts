/** Which of its tracks speaks for a stream. */
import { expect, test } from "vitest";
import { UNSCORED_REASONS, VERDICT_KINDS, type ScoredVerdictKind, type UnscoredReason, type Verdict } from "../types.ts";
import { streamVerdict } from "./stream-verdict.ts";

const scored = (kind: ScoredVerdictKind, score: number): Verdict => ({ kind, score, frames: 100, coverage: 1 });
const unscored = (reason: UnscoredReason, score: number | null = null): Verdict => ({ kind: "unscored", reason, score });

test("a stream is as bad as its worst track, whatever the order", () => {
  const tracks = [scored("authentic", 0.1), scored("manipulated", 0.9), scored("uncertain", 0.5)];
  expect(streamVerdict(tracks, "watching")).toEqual(tracks[1]);
  expect(streamVerdict(tracks.toReversed(), "watching")).toEqual(tracks[1]);
});

test("of two tracks in one band the higher score speaks", () => {
  expect(streamVerdict([scored("suspicious", 0.61), scored("suspicious", 0.7)], "watching")).toEqual(scored("suspicious", 0.7));
});

test("a band outranks a score that hysteresis keeps in a lower one", () => {
  expect(streamVerdict([scored("suspicious", 0.79), scored("manipulated", 0.77)], "watching")).toEqual(scored("manipulated", 0.77));
});

test.each(["manipulated", "suspicious", "uncertain"] as const)("%s wins over an unscored face", (kind) => {
  expect(streamVerdict([unscored("face-too-small"), scored(kind, 0.5)], "watching").kind).toBe(kind);
});

test("one authentic and one unscored face are unscored, with the unscored face's reason", () => {
  expect(streamVerdict([scored("authentic", 0.1), unscored("face-too-blurred")], "watching")).toEqual(unscored("face-too-blurred", 0.1));
});

test("of several reasons the one to act on is shown", () => {
  const tracks = [unscored("too-few-frames"), unscored("face-too-small"), unscored("inference-unavailable", 0.3)];
  expect(streamVerdict(tracks, "watching")).toEqual(unscored("inference-unavailable", 0.3));
});

test("all authentic faces make an authentic stream", () => {
  expect(streamVerdict([scored("authentic", 0.1), scored("authentic", 0.2)], "watching")).toEqual(scored("authentic", 0.2));
});

test("no face is unscored", () => {
  expect(streamVerdict([], "watching")).toEqual(unscored("no-face"));
});

test.each(["offline", "no-video", "decoder-recovering"] as const)("%s wins over any track", (condition) => {
  expect(streamVerdict([scored("manipulated", 0.99)], condition)).toEqual(unscored(condition));
});

test("no combination with an unscored face or without a face reads as authentic", () => {
  const all: Verdict[] = [...VERDICT_KINDS.map((kind) => scored(kind, 0.5)), ...UNSCORED_REASONS.map((reason) => unscored(reason, 0.01))];
  for (const first of all) {
    for (const second of all) {
      const kind = streamVerdict([first, second], "watching").kind;
      expect(kind === "authentic", `${first.kind} with ${second.kind}`).toBe(first.kind === "authentic" && second.kind === "authentic");
    }
  }
});
