import { describe, expect, test } from 'vitest';
import { CaptureLoop } from './capture-loop.ts';
import { Accountant } from './flow/accountant.ts';
import { AddressRanges } from './flow/address-ranges.ts';

const START_MS = 1_700_000_012_345;

/** A clock that moves only when told, and a source that notes when it was asked. */
function rig(
  options: {
    dumpTakesMs?: number;
    failsAtDump?: number;
    /** The wall clock is set while this dump is under way. */
    jumpInDump?: { readonly dump: number; readonly byMs: number };
    onFailure?: (error: unknown) => void;
  } = {},
) {
  // Timers run on a clock of their own: a jump of the wall clock does not move them.
  let monotonicMs = START_MS;
  let jumpedMs = 0;
  const now = () => monotonicMs + jumpedMs;
  let timer: { at: number; callback: () => void } | undefined;
  const dumps: number[] = [];
  const polls: number[] = [];
  const windows: [number, number][] = [];
  const clockJumps: number[] = [];
  const accountant = new Accountant(
    {
      seed: 1,
      timestamps: true,
      inside: new AddressRanges([]),
      initiatorPrefixV4: 32,
      initiatorPrefixV6: 128,
      maxFlows: 2000,
    },
    START_MS * 1000,
  );
  const loop = new CaptureLoop(
    { dumpIntervalMs: 5000, windowMs: 60_000, pollIntervalMs: 1000 },
    {
      source: {
        pollEvents: () => {
          polls.push(now());
          return 0;
        },
        dump: () => {
          dumps.push(now());
          if (dumps.length === options.failsAtDump) throw new Error('no room for the recording');
          accountant.dumpBegin(now() * 1000);
          monotonicMs += options.dumpTakesMs ?? 0;
          if (dumps.length === options.jumpInDump?.dump) jumpedMs += options.jumpInDump.byMs;
          accountant.dumpEnd(now() * 1000, true);
          return true;
        },
      },
      accountant,
      clock: {
        nowMs: now,
        elapsedMs: () => monotonicMs,
        after: (delayMs, callback) => {
          const mine = { at: monotonicMs + delayMs, callback };
          timer = mine;
          return () => {
            if (timer === mine) timer = undefined;
          };
        },
      },
      ...(options.onFailure && { onFailure: options.onFailure }),
      onClockJump: (jumpMs) => clockJumps.push(jumpMs),
      onWindow: ({ windowStartUs, windowEndUs }) => windows.push([windowStartUs / 1000, windowEndUs / 1000]),
    },
  );
  return {
    loop,
    accountant,
    dumps,
    polls,
    windows,
    clockJumps,
    jump: (ms: number) => {
      jumpedMs += ms;
    },
    /** Lets time pass until an instant, running what is due. */
    until: (endMs: number) => {
      const end = endMs - jumpedMs;
      while (timer && timer.at <= end) {
        const due = timer;
        timer = undefined;
        monotonicMs = Math.max(monotonicMs, due.at);
        due.callback();
      }
      monotonicMs = Math.max(monotonicMs, end);
    },
    now,
    idle: () => timer === undefined,
  };
}

describe('the loop', () => {
  test('dumps at once, then on the grid of the wall clock, and closes whole minutes', () => {
    const it = rig();
    it.loop.start();
    it.until(1_700_000_130_000);
    expect(it.dumps.slice(0, 4)).toEqual([START_MS, 1_700_000_015_000, 1_700_000_020_000, 1_700_000_025_000]);
    expect(it.windows).toEqual([
      [START_MS, 1_700_000_040_000],
      [1_700_000_040_000, 1_700_000_100_000],
    ]);
    expect(it.dumps).toContain(1_700_000_040_000);
  });

  test('looks at events between dumps', () => {
    const it = rig();
    it.loop.start();
    it.until(START_MS + 4_000);
    expect(it.polls.length).toBeGreaterThanOrEqual(2);
  });

  test('dropped events bring the next dump forward, but not without pause', () => {
    const it = rig({ dumpTakesMs: 100 });
    it.loop.start();
    it.accountant.eventsDropped(0, 3);
    it.until(START_MS + 2_400);
    expect(it.dumps.length).toBe(2);
    expect(it.dumps[1]! - it.dumps[0]!).toBeGreaterThanOrEqual(500);
  });

  test('a clock that jumps back an hour stops neither dumps nor windows', () => {
    const it = rig();
    it.loop.start();
    it.until(1_700_000_050_000);
    it.jump(-3_600_000);
    const before = it.dumps.length;
    it.until(it.now() + 120_000);
    expect(it.dumps.length - before).toBeGreaterThanOrEqual(22);
    expect(it.windows.slice(1)).toEqual([
      // What was summed before the jump counts for the same ten seconds by the new clock.
      [1_699_996_440_000, 1_699_996_500_000],
      [1_699_996_500_000, 1_699_996_560_000],
    ]);
    expect(it.clockJumps).toEqual([-3_600_000]);
  });

  test.each([-3_600_000, 3_600_000])('a clock that is set by %i ms during a dump moves the window once', (byMs) => {
    const it = rig({ jumpInDump: { dump: 4, byMs } });
    it.loop.start();
    it.until(START_MS + 15_000);
    expect([it.dumps.length, it.clockJumps]).toEqual([4, [byMs]]);
    it.until(it.now() + 60_000);
    expect(it.windows).toEqual([[START_MS + byMs, 1_700_000_040_000 + byMs]]);
    expect(it.clockJumps).toEqual([byMs]);
  });

  test('a clock that is slewed has not jumped', () => {
    const it = rig();
    it.loop.start();
    for (let second = 1; second < 60; second++) {
      it.jump(500);
      it.until(it.now() + 1000);
    }
    expect(it.clockJumps).toEqual([]);
  });

  test('a clock that jumps forward moves the window, and makes it no longer', () => {
    const it = rig();
    it.loop.start();
    it.until(1_700_000_050_000);
    it.jump(3_600_000);
    it.until(it.now() + 60_000);
    expect(it.windows.at(-1)).toEqual([1_700_003_640_000, 1_700_003_700_000]);
    expect(it.clockJumps).toEqual([3_600_000]);
  });

  test('a failure ends the loop, and what was accounted until then is handed over first', () => {
    const failures: unknown[] = [];
    const it: ReturnType<typeof rig> = rig({
      failsAtDump: 3,
      onFailure: (error) => failures.push([(error as Error).message, it.windows.length]),
    });
    it.loop.start();
    it.until(START_MS + 60_000);
    expect(failures).toEqual([['no room for the recording', 1]]);
    expect(it.windows).toEqual([[START_MS, 1_700_000_020_000]]);
    expect(it.dumps.length).toBe(3);
    expect(it.idle()).toBe(true);
  });

  test('a stop whose reading fails hands over what was accounted before', () => {
    const it = rig({ failsAtDump: 2 });
    it.loop.start();
    it.until(START_MS + 1_000);
    expect(() => it.loop.stop()).toThrow('no room for the recording');
    expect(it.windows).toEqual([[START_MS, START_MS + 1_000]]);
  });

  test('a clock that is behind the start of the window at the stop does not keep the window back', () => {
    const it = rig();
    it.loop.start();
    it.jump(-2_000);
    it.loop.stop();
    expect(it.windows).toEqual([[START_MS, START_MS + 0.001]]);
  });

  test('stop reads once more, closes the window at this instant, and ends', () => {
    const it = rig();
    it.loop.start();
    it.until(START_MS + 3_000);
    it.loop.stop();
    expect(it.windows).toEqual([[START_MS, START_MS + 3_000]]);
    expect(it.dumps.at(-1)).toBe(START_MS + 3_000);
    expect(it.idle()).toBe(true);
  });
});
