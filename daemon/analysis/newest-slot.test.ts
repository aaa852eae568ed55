import { expect, test } from "vitest";
import { NewestSlot } from "./newest-slot.ts";

function create() {
  const taken: number[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  let discarded = 0;
  const errors: unknown[] = [];
  const slot = new NewestSlot<number>({
    take(item) {
      taken.push(item);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      return gate.promise;
    },
    onDiscarded: () => discarded++,
    onError: (error) => errors.push(error),
  });
  return { slot, taken, gates, errors, discarded: () => discarded };
}

test("while one item is in hand only the newest of the others waits", async () => {
  const { slot, taken, gates, discarded } = create();
  for (const item of [1, 2, 3, 4]) slot.put(item);
  expect(taken).toEqual([1]);
  expect(discarded()).toBe(2);
  gates[0]?.resolve();
  await expect.poll(() => taken).toEqual([1, 4]);
});

test("an item that fails is reported and the next one is taken", async () => {
  const { slot, taken, gates, errors } = create();
  slot.put(1);
  slot.put(2);
  gates[0]?.reject(new Error("broken"));
  await expect.poll(() => taken).toEqual([1, 2]);
  expect(errors).toHaveLength(1);
  gates[1]?.resolve();
  await slot.clear();
  slot.put(3);
  expect(taken).toEqual([1, 2, 3]);
});
