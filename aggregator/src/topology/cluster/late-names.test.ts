// Waiting for names, with a clock that the test turns by hand. Windows end at second 60; it is 61 when a commit begins.
import { describe, expect, test } from 'vitest';
import { createLateNames, type LateNamesConfig } from './late-names.ts';
import { indexOf, nodeOf, podOf, S, serviceOf } from './testing.ts';

function setup(config: LateNamesConfig = {}, heardUntilS?: number) {
  const index = indexOf({}, heardUntilS);
  const clock = { nowMs: 61_000 };
  const timers: { callback: () => void; delayMs: number }[] = [];
  const names = createLateNames(config, {
    index,
    topology: index,
    isPrivate: (address) => address.startsWith('10.'),
    now: () => clock.nowMs,
    schedule: (callback, delayMs) => {
      const timer = { callback, delayMs };
      timers.push(timer);
      return () => {
        if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
      };
    },
  });
  const wait = (...addresses: string[]) => {
    const state = { isDone: false };
    const addressNumbers = Uint32Array.from(addresses.keys());
    const done = names
      .settled([{ addressNumbers, addressTexts: addresses, windowStartUs: 0, windowEndUs: 60 * S }])
      .then(() => Object.assign(state, { isDone: true }));
    return { state, done };
  };
  return { index, clock, timers, names, wait };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a commit', () => {
  test('goes on at once when everybody is known', async () => {
    const { index, timers, names, wait } = setup();
    index.put('pods', podOf('web-1'), S);
    index.put('nodes', nodeOf('n1', { podCidrs: ['10.1.0.0/24'] }), S);
    index.put('services', serviceOf('web', { clusterIps: ['10.96.0.1'] }), S);
    await wait('10.1.0.5', '172.20.0.1', '10.96.0.1', '10.1.0.1', '203.0.113.1', '10.9.0.0/16').done;
    expect(timers).toEqual([]);
    expect(names.counts).toEqual({ waits: 0, waitedMs: 0, heard: 0, givenUp: 0 });
  });

  test('waits for addresses of the cluster that nobody holds, until the last of them is held', async () => {
    const { index, clock, timers, names, wait } = setup();
    const { state, done } = wait('10.1.0.5', '10.1.0.6', '203.0.113.1');
    index.put('pods', podOf('a'), 62 * S);
    index.put('pods', podOf('unrelated', { addresses: ['10.1.0.9'] }), 62 * S);
    await turn();
    expect(state.isDone).toBe(false);
    clock.nowMs = 62_500;
    index.put('pods', podOf('b', { addresses: ['10.1.0.6'] }), 62 * S);
    await done;
    expect(timers).toEqual([]);
    expect(names.counts).toEqual({ waits: 1, waitedMs: 1500, heard: 2, givenUp: 0 });
  });

  test('goes on when its patience after the window ends, and does not wait for the same again for some time', async () => {
    const { index, clock, timers, names, wait } = setup({ patienceMs: 5000, givenUpMs: 600_000 });
    const { done } = wait('10.9.9.9');
    expect(timers).toMatchObject([{ delayMs: 5000 - 1000 }]);
    clock.nowMs = 65_000;
    timers[0]!.callback();
    await done;
    expect(names.counts).toEqual({ waits: 1, waitedMs: 4000, heard: 0, givenUp: 1 });
    clock.nowMs = 61_000;
    await wait('10.9.9.9').done;
    expect(names.counts.waits).toBe(1);
    // Once somebody has come to hold it, it is like any other.
    const other = wait('10.9.9.8');
    index.put('pods', podOf('late', { addresses: ['10.9.9.9'], startedUs: 500 * S }), 500 * S);
    index.put('pods', podOf('other', { addresses: ['10.9.9.8'] }), 500 * S);
    await other.done;
    const again = wait('10.9.9.9');
    await turn();
    expect(again.state.isDone).toBe(false);
    names.stop();
    await again.done;
  });

  test('does not wait for windows that ended long ago', async () => {
    const { clock, wait, names } = setup();
    clock.nowMs = 65_000;
    await wait('10.9.9.9').done;
    expect(names.counts.waits).toBe(0);
  });

  test('waits no longer than its patience for windows that end in the future', async () => {
    const { clock, timers, names, wait } = setup();
    clock.nowMs = 10_000;
    const { done } = wait('10.9.9.9');
    expect(timers).toMatchObject([{ delayMs: 5000 }]);
    names.stop();
    await done;
    expect(names.counts.givenUp).toBe(0);
  });

  test('waits for who comes after a holder that is gone, and for who may be in a node’s range', async () => {
    const { index, wait, names } = setup();
    index.put('pods', podOf('old', { startedUs: -200 * S, createdUs: -200 * S }), -100 * S);
    index.remove('pods', 'uid-old', podOf('old', { phase: 'Succeeded', endedUs: -30 * S }), -20 * S);
    index.put('nodes', nodeOf('n1', { podCidrs: ['10.2.0.0/24'] }), S);
    const { state, done } = wait('10.1.0.5', '10.2.0.77');
    await turn();
    expect(state.isDone).toBe(false);
    index.put('pods', podOf('new', { startedUs: 40 * S }), 61 * S);
    index.put('pods', podOf('other', { addresses: ['10.2.0.77'] }), 61 * S);
    await done;
    expect(names.counts).toMatchObject({ waits: 1, heard: 2, givenUp: 0 });
  });

  test('does not take somebody who comes after the window for an answer', async () => {
    const { index, wait, names } = setup();
    const { state, done } = wait('10.1.0.5');
    index.put('pods', podOf('a', { startedUs: 100 * S }), 100 * S);
    await turn();
    expect(state.isDone).toBe(false);
    names.stop();
    await done;
  });

  test('remembers a bounded number of addresses that nobody holds', async () => {
    const { timers, wait, names } = setup({ givenUpMax: 2 });
    const first = wait('10.0.0.1', '10.0.0.2', '10.0.0.3');
    timers[0]!.callback();
    await first.done;
    expect(names.counts).toMatchObject({ waits: 1, givenUp: 3 });
    await wait('10.0.0.3').done;
    expect(names.counts.waits).toBe(1);
    const forgotten = wait('10.0.0.1');
    expect(names.counts.waits).toBe(2);
    names.stop();
    await forgotten.done;
  });

  test('waits for nobody while the API server is away: neither for the unknown nor for whose time is over', async () => {
    const { index, clock, timers, names, wait } = setup({}, 0);
    index.put('pods', podOf('a', { startedUs: -1000 * S, createdUs: -1000 * S }), -900 * S);
    clock.nowMs = 119_000;
    const { done } = wait('10.1.0.5', '10.9.9.9');
    await done;
    expect(names.counts.waits).toBe(0);
    clock.nowMs = 62_000;
    const listening = wait('10.9.9.9');
    expect(timers).toHaveLength(1);
    names.stop();
    await listening.done;
  });

  test('does not wait when the process ends', async () => {
    const { wait, names } = setup();
    const { done } = wait('10.9.9.9');
    names.stop();
    await done;
    await wait('10.9.9.8').done;
    expect(names.counts.waits).toBe(1);
  });
});
