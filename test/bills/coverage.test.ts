// Every class, direction and path for which a price book has a rate is worked by hand somewhere.
import { calculate } from '@flowtoll/aggregator/billing/calculate.ts';
import { readPriceInput } from '@flowtoll/aggregator/billing/read-price-input.ts';
import { defaultPriceBooks } from '@flowtoll/aggregator/pricing/book/default-books.ts';
import type { RateEntry } from '@flowtoll/aggregator/pricing/book/format.ts';
import { expect, test } from 'vitest';
import { billInput } from './bill-input.ts';
import { HAND_WORKED_BILLS } from './hand-worked.ts';

/** "internet out", "cross-zone in by nat-gateway", "processing out by nat-gateway": what bills' rows were priced with. */
function workedBy(provider: string): Set<string> {
  const unnamed = () => {
    throw new Error('a bill names no files');
  };
  const worked = new Set<string>();
  for (const bill of HAND_WORKED_BILLS.filter(({ local }) => local.provider === provider)) {
    const read = readPriceInput(JSON.stringify(billInput(bill)), 'bill', { loadBook: unnamed, loadPricing: unnamed });
    for (const { decision } of calculate(read).flows) {
      const { out, in: into, processing } = decision;
      const carries = { out: bill.txBytes > 0, in: bill.rxBytes > 0 };
      for (const { charge, entry } of [out, into, processing.out, processing.in].flatMap(({ terms }) => terms)) {
        if (entry === undefined || !carries[charge.direction]) continue;
        // What is treated like another class is priced by the entry of that one.
        const rate = charge.kind === 'transfer' ? (entry as RateEntry) : undefined;
        const path = rate !== undefined && rate.paths === undefined ? null : charge.key.path;
        worked.add(textOf(rate?.class ?? 'processing', charge.direction, path));
      }
    }
  }
  return worked;
}

function textOf(what: string, direction: string, path: string | null): string {
  return path === null ? `${what} ${direction}` : `${what} ${direction} by ${path}`;
}

test.each(defaultPriceBooks().map((book) => [book.provider, book] as const))('%s', (provider, book) => {
  const rates = book.rates.flatMap((entry) =>
    entry.directions.flatMap((direction) =>
      (entry.paths ?? [null]).map((path) => textOf(entry.class, direction, path)),
    ),
  );
  const processing = (book.processing ?? []).flatMap((entry) =>
    entry.directions.flatMap((direction) => entry.paths.map((path) => textOf('processing', direction, path))),
  );
  const worked = workedBy(provider);
  expect([...new Set([...rates, ...processing])].filter((combination) => !worked.has(combination))).toEqual([]);
});

test('at least ten are worked examples that others published, with the place', () => {
  const published = HAND_WORKED_BILLS.flatMap(({ published: of }) => of ?? []);
  expect(published.length).toBeGreaterThanOrEqual(10);
  expect(published.every(({ address, says }) => /^https:\/\/\S+$/.test(address) && says !== '')).toBe(true);
});
