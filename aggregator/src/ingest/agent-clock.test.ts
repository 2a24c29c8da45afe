import { describe, expect, test } from 'vitest';
import type { FlowBatch } from '../model/flow-batch.ts';
import { clockOffsetMs, correctBatch } from './agent-clock.ts';

const NOW_MS = Date.UTC(2026, 5, 1, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A minute that ends so long before now, with one loss in it. */
function batch(endedAgoMs: number): FlowBatch {
  const endUs = (NOW_MS - endedAgoMs) * 1000;
  const loss = { reason: 'vanished', entries: 1, bytes: undefined, bytesMax: undefined };
  const losses = [{ ...loss, startUs: endUs - 30e6, endUs }];
  return { node: 'n', sequence: 7, windowStartUs: endUs - 60e6, windowEndUs: endUs, losses } as unknown as FlowBatch;
}

describe('times by our clock', () => {
  const cases: { name: string; offsetMs: number; endedAgoMs: number; endsAgoMs: number }[] = [
    { name: 'a good clock', offsetMs: 0, endedAgoMs: 500, endsAgoMs: 500 },
    { name: 'a connection that took a while', offsetMs: -1999, endedAgoMs: 500, endsAgoMs: 500 },
    { name: 'a clock a little ahead', offsetMs: 1500, endedAgoMs: -1200, endsAgoMs: -1200 },
    { name: 'a clock ahead', offsetMs: 90_000, endedAgoMs: -89_500, endsAgoMs: 500 },
    { name: 'a clock an hour behind', offsetMs: -HOUR_MS, endedAgoMs: HOUR_MS + 500, endsAgoMs: 500 },
    { name: 'the spool of a clock that is ahead', offsetMs: 90_000, endedAgoMs: HOUR_MS, endsAgoMs: HOUR_MS + 90_000 },
    { name: 'set an hour forward after Hello: ends now', offsetMs: 0, endedAgoMs: -HOUR_MS, endsAgoMs: 0 },
    { name: 'both', offsetMs: HOUR_MS, endedAgoMs: -2 * HOUR_MS, endsAgoMs: 0 },
    { name: 'almost too old', offsetMs: 0, endedAgoMs: 30 * DAY_MS, endsAgoMs: 30 * DAY_MS },
  ];
  for (const { name, offsetMs, endedAgoMs, endsAgoMs } of cases) {
    test(name, () => {
      const given = batch(endedAgoMs);
      const { batch: corrected, movedMs } = correctBatch(given, offsetMs, NOW_MS, 30 * DAY_MS);
      expect(NOW_MS - corrected.windowEndUs / 1000).toBe(endsAgoMs);
      expect(movedMs).toBe(endedAgoMs - endsAgoMs);
      expect(corrected.windowEndUs - corrected.windowStartUs).toBe(60e6);
      expect(corrected.losses[0]).toMatchObject({
        startUs: corrected.windowEndUs - 30e6,
        endUs: corrected.windowEndUs,
      });
    });
  }

  const refused = [
    { name: 'a day and more ahead', offsetMs: 0, endedAgoMs: -DAY_MS - 1, reason: 'future' },
    { name: 'older than the log remembers', offsetMs: 0, endedAgoMs: 30 * DAY_MS + 1, reason: 'too-old' },
    { name: 'too old only by our clock', offsetMs: HOUR_MS, endedAgoMs: 30 * DAY_MS - 1000, reason: 'too-old' },
  ];
  for (const { name, offsetMs, endedAgoMs, reason } of refused) {
    test(`${name}: refused`, () => {
      expect(() => correctBatch(batch(endedAgoMs), offsetMs, NOW_MS, 30 * DAY_MS)).toThrow(
        expect.objectContaining({ reason, code: 'BATCH_INVALID', message: expect.stringContaining('batch 7 ends at') }),
      );
    });
  }

  test('the offset is what the agent’s clock is ahead; unknown is none', () => {
    expect(clockOffsetMs(NOW_MS + 70, NOW_MS)).toBe(70);
    expect(clockOffsetMs(undefined, NOW_MS)).toBe(0);
  });
});
