// How often somebody may do something: some times at once, and then so many a second. Kept for a bounded number of somebodies; who has
// done nothing for long has all of it again, and need not be remembered. Pure, but for a clock that is passed in.

export interface RateBudgetConfig {
  readonly atOnce: number;
  readonly perSecond: number;
  /** Most that are remembered; beyond it the one that was heard of longest ago is forgotten. */
  readonly rememberedMax: number;
}

export interface RateBudget {
  /** Whether one more may be done now. Changes nothing. */
  has(key: string): boolean;
  /** Takes one; false where there is none. */
  take(key: string): boolean;
}

/** @param now milliseconds */
export function createRateBudget(
  { atOnce, perSecond, rememberedMax }: RateBudgetConfig,
  now: () => number,
): RateBudget {
  const spent = new Map<string, { left: number; atMs: number }>();
  const leftOf = (key: string): number => {
    const known = spent.get(key);
    if (known === undefined) return atOnce;
    // A clock that was set back gives nothing and takes nothing.
    return Math.min(atOnce, known.left + (Math.max(0, now() - known.atMs) / 1000) * perSecond);
  };
  return {
    has: (key) => leftOf(key) >= 1,
    take(key) {
      const left = leftOf(key);
      const isGranted = left >= 1;
      spent.delete(key);
      spent.set(key, { left: isGranted ? left - 1 : left, atMs: now() });
      if (spent.size > rememberedMax) spent.delete(spent.keys().next().value!);
      return isGranted;
    },
  };
}
