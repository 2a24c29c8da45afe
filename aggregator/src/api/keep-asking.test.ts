import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createManualTiming } from '../../../test/support/kubernetes/manual-timing.ts';
import { FlowtollError } from '../model/errors.ts';
import type { AllowedNamespaces } from '../model/reader.ts';
import { keepAsking } from './keep-asking.ts';

const away = new FlowtollError('IDENTITY_UNAVAILABLE', 'the API is away');

/** Asks each 30 s, and lets `minutes` pass; returns how it ended, and when, in seconds. */
async function asking(seen: AllowedNamespaces, answer: (nowS: number) => AllowedNamespaces, minutes: number) {
  const timing = createManualTiming(0);
  const ends: { code: string; message: string; atS: number }[] = [];
  let asked = 0;
  const stop = keepAsking(
    { reader: 'alice', asked: ['shop'], seen, everyMs: 30_000 },
    {
      allowed: async (names) => {
        expect(names).toEqual(['shop']);
        asked++;
        return answer(timing.now() / 1000);
      },
      now: timing.now,
      schedule: timing.schedule,
      onEnd: ({ code, message }) => ends.push({ code, message, atS: timing.now() / 1000 }),
    },
  );
  for (let i = 0; i < minutes * 60; i++) {
    timing.advance(1000);
    await turn();
  }
  stop();
  return { ends, asked };
}

const fails = (error: FlowtollError) => {
  throw error;
};

test('goes on while the answer is the same or wider', async () => {
  const { ends, asked } = await asking(new Set(['shop']), (s) => (s < 100 ? new Set(['shop', 'pay']) : 'all'), 10);
  expect(ends).toEqual([]);
  expect(asked).toBe(20);
});

test.each<{ seen: AllowedNamespaces; left: AllowedNamespaces; lost: string }>([
  { seen: new Set(['shop', 'pay']), left: new Set(['shop']), lost: 'namespace pay' },
  { seen: 'all', left: new Set(['shop']), lost: 'all namespaces' },
])('ends once when something is lost: $lost', async ({ seen, left, lost }) => {
  const { ends, asked } = await asking(seen, (s) => (s < 100 ? seen : left), 10);
  expect(ends).toEqual([
    { code: 'READER_FORBIDDEN', message: `alice may no longer see ${lost}: ask for what is left`, atS: 120 },
  ]);
  expect(asked).toBe(4);
});

test.each(['READER_UNKNOWN', 'READER_FORBIDDEN'] as const)('a refusal (%s) ends at once', async (code) => {
  const { ends } = await asking('all', (s) => (s < 100 ? 'all' : fails(new FlowtollError(code, 'no'))), 10);
  expect(ends).toEqual([{ code, message: 'no', atS: 120 }]);
});

test('nobody to ask is borne for five minutes after the last answer', async () => {
  const { ends } = await asking('all', (s) => (s < 100 || (s > 250 && s < 310) ? 'all' : fails(away)), 20);
  // The last answer was at 300 s.
  expect(ends).toEqual([{ code: 'IDENTITY_UNAVAILABLE', message: 'the API is away', atS: 600 }]);
});

test('an error that nobody expected ends it, and says nothing of itself', async () => {
  const { ends } = await asking('all', () => fails(new TypeError('secret') as never), 1);
  expect(ends).toEqual([
    { code: 'IDENTITY_UNAVAILABLE', message: 'it is not known whether alice may read: see the log', atS: 30 },
  ]);
});
