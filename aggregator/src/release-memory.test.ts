import { describe, expect, test } from 'vitest';
import { createMemoryRelease, keepHeapSmall } from './release-memory.ts';

const MIB = 2 ** 20;

test('what was needed once is given back to the system', () => {
  const memory = keepHeapSmall();
  let needed: unknown[] | undefined = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));
  const full = process.memoryUsage().heapTotal;
  expect(needed.length).toBe(1_000_000);
  needed = undefined;
  memory.now();
  expect(process.memoryUsage().heapTotal).toBeLessThan(full - 16 * MIB);
});

describe('when the process has grown', () => {
  /** `collectMs`: what one collection takes; `stays`: the part of the growth that it finds needed. */
  function setup(heapUsed: number, collectMs: number, stays = 0) {
    const state = { rss: 100 * MIB, base: 100 * MIB, nowMs: 1000, collections: 0 };
    const release = createMemoryRelease({
      collect: () => {
        state.collections++;
        state.nowMs += collectMs;
        state.rss = state.base + stays * (state.rss - state.base);
        state.base = state.rss;
      },
      memory: () => ({ rss: state.rss, heapUsed }),
      now: () => state.nowMs,
    });
    /** How many collections it makes of growing so much, so much later. */
    const grow = (mib: number, afterMs: number): number => {
      const before = state.collections;
      state.rss += mib * MIB;
      state.nowMs += afterMs;
      release.ifGrown();
      return state.collections - before;
    };
    return { release, grow };
  }

  test('by 16 MiB since the last collection, and not by less', () => {
    const { release, grow } = setup(40 * MIB, 50);
    expect([grow(16, 1000), grow(1, 1000), grow(10, 1000), grow(7, 1000)]).toEqual([0, 1, 0, 1]);
    expect(grow(10, 1000)).toBe(0);
    release.now();
    expect(grow(10, 1000)).toBe(0);
  });

  test('of a large heap by a quarter', () => {
    const { release, grow } = setup(400 * MIB, 50);
    release.now();
    expect([grow(100, 1000), grow(1, 1000)]).toEqual([0, 1]);
  });

  test('that is needed, by twice as much each time, up to half of the heap; else as before', () => {
    const { grow } = setup(160 * MIB, 50, 0.6);
    expect([grow(17, 1000), grow(41, 1000), grow(79, 1000), grow(2, 1000)]).toEqual([1, 1, 0, 1]);
    expect([grow(79, 1000), grow(2, 1000)]).toEqual([0, 1]);
    const worthIt = setup(160 * MIB, 50, 0.4);
    expect([worthIt.grow(41, 1000), worthIt.grow(41, 1000)]).toEqual([1, 1]);
  });

  test('never before 250 ms, nor more than a fifth of the time', () => {
    const quick = setup(40 * MIB, 10);
    expect([quick.grow(20, 0), quick.grow(20, 249), quick.grow(0, 1)]).toEqual([1, 0, 1]);
    const slow = setup(40 * MIB, 500);
    expect([slow.grow(20, 0), slow.grow(20, 2499), slow.grow(0, 1)]).toEqual([1, 0, 1]);
  });
});
