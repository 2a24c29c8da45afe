// Seeded pseudo-random numbers (mulberry32), so that a failing run can be repeated from its printed seed. Not for secrets.

/** A repeatable source of choices. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [low, high], both inclusive. */
  integer(low: number, high: number): number;
  /** One element; the list must not be empty. */
  pick<T>(values: readonly T[]): T;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** An integer in [low, high] whose logarithm is uniform: many small, few large. */
  logarithmic(low: number, high: number): number;
}

/** Same seed, same sequence. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    integer,
    pick: (values) => values[integer(0, values.length - 1)]!,
    chance: (probability) => next() < probability,
    logarithmic: (low, high) => Math.round(Math.exp(Math.log(low) + next() * (Math.log(high) - Math.log(low)))),
  };
}
