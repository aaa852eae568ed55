/** The schedule against the plain definition: at each hop, the filled slots among the last hundred. */
import { describe, expect, it } from "vitest";
import { HorizonSchedule } from "./schedule.ts";

/** Runs the schedule over `slots` with states that simply remember which slots they were stepped with. */
function run(slots: Iterable<number>, hop = 10) {
  const schedule = new HorizonSchedule(hop);
  const seen: number[][] = Array.from({ length: schedule.states }, () => []);
  const given: { slot: number; frames: number; coverage: number; from: string; window: number[] }[] = [];
  for (const slot of slots) {
    const turn = schedule.advance(slot);
    if (turn === null) continue;
    const before = turn.due?.from === "held" ? [...(seen[turn.due.state] ?? [])] : null;
    for (const state of turn.resets) seen[state] = [];
    for (const state of seen) state.push(slot);
    if (turn.due !== null) given.push({ slot, frames: turn.due.frames, coverage: turn.due.coverage, from: turn.due.from, window: before ?? [...(seen[turn.due.state] ?? [])] });
  }
  return given;
}

/** The scores of a track with crops in `slots`, while sampling is as `divisorAt` says. */
function sampled(slots: readonly number[], divisorAt: (slot: number) => number) {
  const schedule = new HorizonSchedule(10);
  return slots.flatMap((slot) => {
    const due = schedule.advance(slot, divisorAt(slot))?.due ?? null;
    return due === null ? [] : [{ slot, frames: due.frames, coverage: due.coverage, fps: due.reducedSamplingFps }];
  });
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("HorizonSchedule", () => {
  it("gives provisional scores at 40, 60 and 80 slots, then one for 100 at every hop", () => {
    const given = run(range(1000, 1151));
    expect(given.map((score) => [score.slot - 1000, score.frames])).toEqual([
      [39, 40],
      [59, 60],
      [79, 80],
      [99, 100],
      [109, 100],
      [119, 100],
      [129, 100],
      [139, 100],
      [149, 100],
    ]);
    expect(given.every((score) => score.coverage === 1 && score.from === "step")).toBe(true);
  });

  it("gives each score from exactly the slots of its window, for thousands of slots", () => {
    const given = run(range(7, 3007)).filter((score) => score.frames === 100);
    expect(given).toHaveLength(291);
    for (const score of given) expect(score.window).toEqual(range(score.slot - 99, score.slot + 1));
  });

  it("leaves missed slots out of the window and says so in the coverage", () => {
    let random = 1;
    const slots = range(0, 2000).filter(() => (random = (random * 48271) % 2147483647) % 3 !== 0);
    const present = new Set(slots);
    const given = run(slots);
    expect(given.length).toBeGreaterThan(150);
    const first = slots[0] ?? 0;
    for (const score of given) {
      // The boundary is the newest one at or before the slot that gave the score.
      const position = score.slot - first;
      const end = first + (score.frames < 100 ? score.frames - 1 : 99 + Math.floor((position - 99) / 10) * 10);
      const window = range(end - score.frames + 1, end + 1).filter((slot) => present.has(slot));
      expect(score.window).toEqual(window);
      expect(score.coverage).toBeCloseTo(window.length / score.frames, 10);
    }
  });

  it("gives a score whose boundary was missed when the next slot arrives, and only once", () => {
    const given = run([...range(0, 97), ...range(103, 112)]);
    expect(given.slice(3).map(({ slot, frames, from, coverage }) => ({ slot, frames, from, coverage }))).toEqual([
      { slot: 103, frames: 100, from: "held", coverage: 0.97 },
      { slot: 109, frames: 100, from: "step", coverage: 0.94 },
    ]);
  });

  it("gives only the newest of several scores that a gap held back", () => {
    const given = run([...range(0, 100), 145]);
    expect(given.slice(4)).toMatchObject([{ slot: 145, frames: 100, from: "held", coverage: 0.6, window: range(40, 100) }]);
  });

  it("starts anew after a gap as long as the window, with provisional scores again", () => {
    const given = run([...range(0, 100), ...range(199, 250)]);
    expect(given.slice(4).map((score) => [score.slot, score.frames])).toEqual([[238, 40]]);
    expect(given.at(-1)?.window).toEqual(range(199, 239));
  });

  it("keeps its states through a gap one slot shorter than the window", () => {
    const given = run([...range(0, 100), 198]);
    expect(given.at(-1)).toMatchObject({ slot: 198, frames: 100, from: "held", coverage: 0.1, window: range(90, 100) });
    expect(run([...range(0, 100), 199]).at(-1)?.slot).toBe(99);
  });

  it("refuses slots that do not rise, and stays as it was", () => {
    const schedule = new HorizonSchedule(10);
    expect(schedule.advance(5)).toMatchObject({ fresh: true, resets: { length: 10 }, due: null });
    expect(schedule.advance(5)).toBeNull();
    expect(schedule.advance(4)).toBeNull();
    expect(schedule.advance(Number.NaN)).toBeNull();
    expect(schedule.lastSlot).toBe(5);
    expect(schedule.advance(6)).toEqual({ fresh: false, resets: [], due: null });
  });

  it("starts anew where the slot goes back by a hop or more, as after the clock's process was replaced", () => {
    const given = run([...range(500, 605), ...range(0, 60)]);
    expect(given.slice(4).map(({ slot, frames, window }) => [slot, frames, window])).toEqual([
      [39, 40, range(0, 40)],
      [59, 60, range(0, 60)],
    ]);
    const schedule = new HorizonSchedule(10);
    schedule.advance(20);
    expect(schedule.advance(11)).toBeNull();
    expect(schedule.advance(10)).toMatchObject({ fresh: true, due: null });
    expect(schedule.lastSlot).toBe(10);
  });

  it.each([
    [2, 5],
    [4, 2.5],
  ])("covers all of a face that is seen in every slot that %i divides when only those are due, and names the rate", (divisor, fps) => {
    const given = sampled(range(0, 800).filter((slot) => slot % divisor === 0 && slot >= 12), () => divisor);
    expect(given.map(({ frames }) => frames).slice(0, 5)).toEqual([40, 60, 80, 100, 100]);
    // One score a hop, as at full sampling.
    expect(given.length).toBeGreaterThan(70);
    for (const score of given) expect(score).toMatchObject({ coverage: 1, fps });
  });

  it("counts due slots without a crop against the coverage, and no others", () => {
    let random = 1;
    const slots = range(0, 2000).filter((slot) => slot % 2 === 0 && (slot === 0 || (random = (random * 48271) % 2147483647) % 3 !== 0));
    const given = sampled(slots, () => 2).filter(({ frames }) => frames === 100);
    expect(given.length).toBeGreaterThan(150);
    for (const { slot, coverage } of given) {
      const end = 99 + Math.floor((slot - 99) / 10) * 10;
      expect(coverage).toBeCloseTo(slots.filter((filled) => filled <= end && filled > end - 100).length / 50, 10);
    }
  });

  it("says that a window was sampled less as long as any of it was, and covers it across each change", () => {
    const divisorAt = (slot: number) => (slot <= 200 || slot >= 318 ? 1 : slot <= 258 ? 2 : 4);
    const given = sampled(range(0, 520).filter((slot) => slot % divisorAt(slot) === 0), divisorAt).filter(({ frames }) => frames === 100);
    expect(new Set(given.map(({ coverage }) => coverage))).toEqual(new Set([1]));
    const rates = new Map(given.map(({ slot, fps }) => [slot, fps]));
    expect(rates.get(199)).toBeNull();
    expect(rates.get(210)).toBe(5);
    expect(rates.get(260)).toBe(5);
    expect(rates.get(319)).toBe(2.5);
    expect(rates.get(409)).toBe(5);
    expect(rates.get(419)).toBeNull();
  });

  it("takes a slot for missed that may have been due when sampling changed somewhere in a gap", () => {
    const given = sampled([...range(0, 60), ...range(80, 110).filter((slot) => slot % 2 === 0)], (slot) => (slot < 60 ? 1 : 2));
    // Of the window's hundred slots 60 came at ten a second, twenty were missed, and ten of the last twenty were due and came.
    expect(given.find(({ frames }) => frames === 100)).toMatchObject({ coverage: 70 / 90, fps: 5 });
  });

  it("works with any hop that divides the window, and refuses the others", () => {
    const given = run(range(0, 400), 25).filter((score) => score.frames === 100);
    expect(given.map((score) => score.slot)).toEqual([99, 124, 149, 174, 199, 224, 249, 274, 299, 324, 349, 374, 399]);
    for (const score of given) expect(score.window).toEqual(range(score.slot - 99, score.slot + 1));
    expect(() => new HorizonSchedule(30)).toThrow(RangeError);
  });
});
