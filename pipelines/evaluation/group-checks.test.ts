/** Checks by group on tables where one group makes the difference. */
import { expect, test } from "vitest";
import { checkGroups } from "./group-checks.ts";
import type { Judged } from "./scored-clip.ts";

const clip = (group: string, label: "real" | "fake", score: number): Judged => ({ group, label, score });

test("the group whose absence changes the area most is named", () => {
  const items = [clip("a", "real", 0.1), clip("b", "real", 0.2), clip("c", "fake", 0.8), clip("odd", "fake", 0.05)];
  const found = checkGroups(items);
  expect(found.groups).toBe(4);
  expect(found.withoutOne).toEqual({ lowest: { group: "c", area: 0 }, highest: { group: "odd", area: 1 } });
});

test("thresholds of other groups judge a clip: an easy set stays easy, a lone threshold does not help itself", () => {
  const easy = [0.1, 0.15, 0.2].map((score, index) => clip(`r${index}`, "real", score)).concat([0.8, 0.85, 0.9].map((score, index) => clip(`f${index}`, "fake", score)));
  expect(checkGroups(easy).crossValidated).toEqual({ accuracy: 1, balancedAccuracy: 1 });
  const alternating = [0.1, 0.2, 0.3, 0.4].map((score, index) => clip(`g${index}`, index % 2 === 0 ? "real" : "fake", score));
  expect(checkGroups(alternating).crossValidated!.accuracy).toBeLessThan(0.75);
});

test("pairs of one scene are compared within it", () => {
  const found = checkGroups([clip("a", "real", 0.4), clip("a", "fake", 0.5), clip("b", "real", 0.1), clip("b", "fake", 0.05), clip("b", "fake", 0.2), clip("c", "real", 0.9)]);
  expect(found.sameScene).toEqual({ groups: 2, pairs: 3, rightShare: 2 / 3 });
});

test("without groups of both labels, or with one fake alone, the checks say nothing", () => {
  const found = checkGroups([clip("a", "real", 0.1), clip("b", "fake", 0.2)]);
  expect(found).toEqual({ groups: 2, withoutOne: null, crossValidated: null, sameScene: null });
});
