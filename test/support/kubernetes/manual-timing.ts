// Time that a test owns: it stands still until it is moved on, and then what is due runs, in order. Knows nothing of who waits.

export interface ManualTiming {
  readonly now: () => number;
  readonly schedule: (callback: () => void, delayMs: number) => () => void;
  readonly random: () => number;
  /** Moves on by so many milliseconds, stopping at whatever is due on the way. */
  advance(ms: number): void;
  /** Moves on to the next thing that is due; false if nothing is. */
  advanceToNext(): boolean;
}

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export function createManualTiming(startMs = Date.UTC(2026, 0, 1), random: () => number = () => 0.5): ManualTiming {
  let nowMs = startMs;
  const timers = new Set<Timer>();
  const next = (untilMs: number): Timer | undefined =>
    [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
  const run = (timer: Timer): void => {
    timers.delete(timer);
    nowMs = Math.max(nowMs, timer.atMs);
    timer.callback();
  };
  return {
    now: () => nowMs,
    random,
    schedule: (callback, delayMs) => {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => {
      const untilMs = nowMs + ms;
      for (let timer = next(untilMs); timer !== undefined; timer = next(untilMs)) run(timer);
      nowMs = untilMs;
    },
    advanceToNext: () => {
      const timer = next(Number.POSITIVE_INFINITY);
      if (timer !== undefined) run(timer);
      return timer !== undefined;
    },
  };
}
