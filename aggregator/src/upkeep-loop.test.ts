import { expect, test } from 'vitest';
import type { ObjectStore } from './store/store.ts';
import type { MaintainOptions } from './upkeep/maintain.ts';
import { startUpkeep } from './upkeep-loop.ts';

const STORE = {} as ObjectStore;

function rig(run: (options: MaintainOptions) => Promise<void>) {
  const timers: { callback: () => void; delayMs: number }[] = [];
  const warnings: unknown[] = [];
  const loop = startUpkeep(
    { cluster: 'demo', clock: () => 0, keepFlowsMs: 1, keepCostsMs: 1, intervalMs: 1000 },
    {
      store: STORE,
      log: { info: () => undefined, warn: (fields) => warnings.push(fields) },
      random: () => 0.25,
      run: (_, options) => run(options),
      schedule: (callback, delayMs) => {
        const timer = { callback, delayMs };
        timers.push(timer);
        return () => {
          timers.splice(timers.indexOf(timer), 1);
        };
      },
    },
  );
  return { loop, timers, warnings };
}

test('rounds follow one another at uneven intervals, failed ones too, and are counted', async () => {
  let rounds = 0;
  const { loop, timers, warnings } = rig(async ({ onStep, onFailure }) => {
    rounds++;
    onStep?.({ table: 'flows', step: 'compact', count: 5, what: 'files' });
    if (rounds === 2) throw new Error('no store today');
    onFailure?.({ table: 'flows', step: 'vacuum', error: new Error('no list today') });
  });
  for (let i = 0; i < 3; i++) {
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([750]);
    timers.shift()!.callback();
    await new Promise(setImmediate);
  }
  expect(loop.counts).toMatchObject({ rounds: { done: 2, failed: 1 }, steps: { compact: 15, vacuum: 0 } });
  expect(loop.counts.failures).toMatchObject({ vacuum: 2, compact: 0 });
  const noList = { table: 'flows', step: 'vacuum', err: { message: 'no list today' } };
  expect(warnings).toMatchObject([noList, { err: { message: 'no store today' } }, noList]);
  await loop.stop();
  expect(timers).toEqual([]);
});

test('stop ends the round between two steps, and waits for the one that runs', async () => {
  let finish: () => void = () => undefined;
  const went: boolean[] = [];
  const { loop, timers } = rig(async ({ mayGoOn }) => {
    went.push(mayGoOn!());
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    went.push(mayGoOn!());
  });
  timers.shift()!.callback();
  let isStopped = false;
  const stopped = loop.stop().then(() => {
    isStopped = true;
  });
  await new Promise(setImmediate);
  expect(isStopped).toBe(false);
  finish();
  await stopped;
  expect(went).toEqual([true, false]);
  expect(timers).toEqual([]);
});
