import { expect, test } from 'vitest';
import { createReadPacer } from './paced-reads.ts';

function rig() {
  let nowMs = 1000;
  const timers: { callback: () => void; atMs: number }[] = [];
  const pace = createReadPacer(
    { burst: 3, intervalMs: 5000 },
    () => nowMs,
    (callback, delayMs) => {
      timers.push({ callback, atMs: nowMs + delayMs });
      return () => undefined;
    },
  );
  /** How many of these began. */
  const began: number[] = [];
  return {
    began,
    ask: async (name: number) => {
      void pace().then(() => began.push(name));
      await Promise.resolve();
      await Promise.resolve();
    },
    advance: async (ms: number) => {
      nowMs += ms;
      for (const timer of timers.splice(0)) {
        if (timer.atMs <= nowMs) timer.callback();
        else timers.push(timer);
      }
      await new Promise(setImmediate);
    },
    timers,
  };
}

test('a few at once are free, those beyond wait together, and time earns new ones', async () => {
  const { ask, advance, began, timers } = rig();
  for (const name of [1, 2, 3, 4, 5]) await ask(name);
  expect(began).toEqual([1, 2, 3]);
  expect(timers).toHaveLength(1);
  await advance(4999);
  expect(began).toEqual([1, 2, 3]);
  await advance(1);
  expect(began).toEqual([1, 2, 3, 4, 5]);
  await ask(6);
  expect(began).toHaveLength(5);
  await advance(60_000);
  for (const name of [7, 8, 9, 10]) await ask(name);
  expect(began).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test('a clock that is set back delays no one for longer than an interval', async () => {
  const { ask, advance, began } = rig();
  for (const name of [1, 2, 3]) await ask(name);
  await advance(-3_600_000);
  await ask(4);
  await advance(5000);
  expect(began).toEqual([1, 2, 3, 4]);
});
