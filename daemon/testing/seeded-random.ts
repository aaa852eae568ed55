/** Random numbers that are the same in every run with the same seed (mulberry32), for tests. */

export interface Random {
  /** 0 up to, without, 1. */
  next(): number;
  /** A whole number from 0 up to, without, `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Buffer;
}

export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param number Runs of one seed that are told apart, for example the cases of a fuzz run. */
export function createRandom(seed: number, number = 0): Random {
  // Neighbouring seeds of mulberry32 are shifted copies of one sequence; a hash of both parts keeps the cases apart.
  const next = seededRandom(mix(Math.imul(seed | 0, 0x9e_37_79_b1) ^ mix(number + 1)));
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick<T>(list: readonly T[]): T {
      const chosen = list[below(list.length)];
      if (chosen === undefined && list.length === 0) throw new RangeError("nothing to pick from");
      return chosen as T;
    },
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85_eb_ca_6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2_b2_ae_35);
  return mixed ^ (mixed >>> 16);
}
