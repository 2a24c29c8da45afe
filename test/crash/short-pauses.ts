// Inside an aggregator: pauses between rounds of upkeep are a part of what was asked for, which is a minute at least. No other
// pause is touched: who asks is seen on the stack.
const ASKER = 'upkeep-loop.ts';
/** Shorter pauses are not looked at. */
const LONG_MS = 30_000;

/** Makes pauses between rounds so much shorter. */
export function shortenUpkeepPauses(part: number): void {
  const { setTimeout: wait } = globalThis;
  const shortened = (callback: () => void, delayMs = 0, ...rest: unknown[]): NodeJS.Timeout => {
    const isUpkeep = delayMs >= LONG_MS && new Error().stack?.includes(ASKER) === true;
    return wait(callback, isUpkeep ? delayMs * part : delayMs, ...(rest as []));
  };
  globalThis.setTimeout = Object.assign(shortened, wait) as typeof setTimeout;
}
