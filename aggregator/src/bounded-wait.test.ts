import { expect, test } from 'vitest';
import { waitFor } from './bounded-wait.ts';

const NEVER = new Promise<never>(() => undefined);

/** A timer that rings when the test says so. */
function clock() {
  const timers = new Set<() => void>();
  return {
    timers,
    schedule(callback: () => void, delayMs: number) {
      expect(delayMs).toBe(30_000);
      timers.add(callback);
      return () => void timers.delete(callback);
    },
  };
}

test.each([
  ['done', { work: Promise.resolve(), stop: NEVER, rings: false }],
  ['late', { work: NEVER, stop: NEVER, rings: true }],
  ['stopped', { work: NEVER, stop: Promise.resolve('SIGTERM'), rings: false }],
])('a wait ends when it is %s, and its timer with it', async (end, { work, stop, rings }) => {
  const { timers, schedule } = clock();
  const waited = waitFor(work, { maxMs: 30_000, schedule, stop });
  expect(timers.size).toBe(1);
  if (rings) for (const ring of timers) ring();
  expect(await waited).toBe(end);
  expect(timers.size).toBe(0);
});

test('nobody need say to stop, and what fails is told', async () => {
  const { timers, schedule } = clock();
  await expect(waitFor(Promise.reject(new Error('away')), { maxMs: 30_000, schedule })).rejects.toThrow('away');
  expect(timers.size).toBe(0);
});
