// The loop with a clock that the test turns by hand.
import { describe, expect, test } from 'vitest';
import { batchBytes, createCommitLoop } from './commit-loop.ts';
import type { FlowBatch } from './model/flow-batch.ts';

const silent = { info: () => undefined, error: () => undefined };

function batch(sequence: number): FlowBatch {
  const none32 = new Uint32Array();
  const none64 = new Float64Array();
  return {
    node: 'n',
    epoch: 'e',
    sequence,
    windowStartUs: 0,
    windowEndUs: 1,
    count: 0,
    addressNumbers: none32,
    addressTexts: [],
    initiator: none32,
    responder: none32,
    originalDestination: none32,
    originalDestinationPort: none32,
    translatedSource: none32,
    protocol: new Uint8Array(),
    responderPort: none32,
    initiatorBytes: none64,
    initiatorPackets: none64,
    responderBytes: none64,
    responderPackets: none64,
    connections: none32,
    folded: undefined,
    losses: [],
  };
}

const ONE = batchBytes(batch(1));

/** A loop whose timers fire when told and whose commits end when told. */
function setup(config: { commitBytes?: number; heldBytesMax?: number } = {}, allWaiting?: () => boolean) {
  const timers: { callback: () => void; delayMs: number }[] = [];
  const commits: { sequences: number[]; succeed: () => void; fail: () => void }[] = [];
  const retries: number[] = [];
  const loop = createCommitLoop(
    { commitIntervalMs: 30_000, ...config },
    {
      commit: (batches) =>
        new Promise((resolve, reject) => {
          const sequences = batches.map(({ sequence }) => sequence);
          commits.push({ sequences, succeed: resolve, fail: () => reject(new Error('store is away')) });
        }),
      onRetry: (retryMs) => retries.push(retryMs),
      log: silent,
      random: () => 0,
      ...(allWaiting && { allWaiting }),
      schedule: (callback, delayMs) => {
        const timer = { callback, delayMs };
        timers.push(timer);
        return () => timers.splice(timers.indexOf(timer), 1);
      },
    },
  );
  /** Fires the only timer there should be; returns its delay. */
  const fire = () => {
    expect(timers).toHaveLength(1);
    const { callback, delayMs } = timers.shift()!;
    callback();
    return delayMs;
  };
  return { loop, timers, commits, retries, fire };
}

/** Lets settled promises run on. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('commit loop', () => {
  test('commits what waits when the oldest batch is old enough', async () => {
    const { loop, timers, commits, fire } = setup();
    loop.put(batch(1));
    loop.put(batch(2));
    expect(commits).toEqual([]);
    expect(fire()).toBe(30_000);
    expect(commits[0]!.sequences).toEqual([1, 2]);
    loop.put(batch(3)); // while the commit runs
    expect(timers).toEqual([]);
    commits[0]!.succeed();
    await turn();
    fire();
    expect(commits[1]!.sequences).toEqual([3]);
  });

  test('commits at once when enough waits', () => {
    const { loop, commits, timers } = setup({ commitBytes: 2 * ONE });
    loop.put(batch(1));
    expect(commits).toHaveLength(0);
    loop.put(batch(2));
    expect(commits[0]!.sequences).toEqual([1, 2]);
    expect(timers).toEqual([]);
  });

  test('keeps batches of a failed commit and tries again, later each time', async () => {
    const { loop, commits, retries, fire } = setup({ commitBytes: ONE * 2 });
    loop.put(batch(1));
    const delays = [fire()];
    for (const attempt of [0, 1, 2, 3, 4, 5, 6]) {
      loop.put(batch(attempt + 2)); // beyond commitBytes: a store that is away is not asked more often for that
      commits[attempt]!.fail();
      await turn();
      delays.push(fire());
    }
    expect(delays).toEqual([30_000, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    expect(retries).toEqual(delays.slice(1));
    // What has waited long enough follows at once, in portions that fit into memory.
    for (const attempt of [7, 8, 9, 10]) {
      commits[attempt]!.succeed();
      await turn();
    }
    expect(commits.slice(7).map(({ sequences }) => sequences)).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
    expect(loop.held).toEqual({ batches: 0, bytes: 0, heldBack: 0 });
  });

  test('does not wait for more when everybody has something waiting, yet a while for those who catch up', async () => {
    let all = true;
    const { loop, timers, commits, fire } = setup({}, () => all);
    loop.put(batch(1));
    expect(commits).toEqual([]);
    expect(fire()).toBe(3000);
    expect(commits[0]!.sequences).toEqual([1]);
    expect(timers).toEqual([]);
    commits[0]!.succeed();
    await turn();
    // Somebody has brought nothing yet: the rest of the interval, or until that one comes.
    all = false;
    loop.put(batch(2));
    expect(fire()).toBe(3000);
    loop.put(batch(3));
    expect(commits).toHaveLength(1);
    all = true;
    loop.put(batch(4));
    expect(commits[1]!.sequences).toEqual([2, 3, 4]);
    expect(timers).toEqual([]);
    commits[1]!.succeed();
    await turn();
    all = false;
    loop.put(batch(5));
    expect([fire(), fire()]).toEqual([3000, 27_000]);
    expect(commits[2]!.sequences).toEqual([5]);
  });

  test('does not wait for more when somebody cannot send more before a commit', async () => {
    const { loop, commits, fire } = setup({}, () => false);
    loop.put(batch(1));
    loop.put(batch(2), true);
    loop.put(batch(3));
    expect(fire()).toBe(3000);
    expect(commits[0]!.sequences).toEqual([1, 2, 3]);
    commits[0]!.succeed();
    await turn();
    // That was for the last commit.
    loop.put(batch(4));
    expect([fire(), fire()]).toEqual([3000, 27_000]);
  });

  test('admits only while there is room, in order, one at a time', async () => {
    const { loop, commits, fire } = setup({ heldBytesMax: 2 * ONE });
    const admitted: number[] = [];
    const offer = (sequence: number) =>
      loop.admit(() => {
        admitted.push(sequence);
        loop.put(batch(sequence));
      });
    for (const sequence of [1, 2, 3, 4, 5]) offer(sequence);
    expect(admitted).toEqual([1, 2]);
    fire();
    expect(admitted).toEqual([1, 2]); // a commit that runs still holds its batches
    commits[0]!.succeed();
    await turn();
    expect(admitted).toEqual([1, 2, 3, 4]);
    fire();
    commits[1]!.fail();
    await turn();
    expect(admitted).toEqual([1, 2, 3, 4]);
    expect(loop.held.bytes).toBe(2 * ONE);
  });

  test('the last flush waits for the commit that runs, and says when it fails', async () => {
    const { loop, commits, fire, timers } = setup();
    loop.put(batch(1));
    fire();
    loop.put(batch(2));
    loop.stop();
    const flushed = loop.flush();
    commits[0]!.succeed();
    await turn();
    expect(commits[1]!.sequences).toEqual([2]);
    commits[1]!.fail();
    await expect(flushed).rejects.toThrow('store is away');
    expect(loop.held.batches).toBe(1);
    expect(timers).toEqual([]);
  });

  test('drops what it is told to', () => {
    const { loop, commits, fire } = setup();
    for (const sequence of [1, 2, 3]) loop.put(batch(sequence));
    loop.drop(({ sequence }) => sequence === 2);
    expect(loop.held).toEqual({ batches: 2, bytes: 2 * ONE, heldBack: 0 });
    fire();
    expect(commits[0]!.sequences).toEqual([1, 3]);
  });
});
