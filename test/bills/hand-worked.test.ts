// Every bill worked by hand, through the calculator and so through the code of the pipeline: class, path, costs and basis to the last
// digit, and the month with tiers and free amounts settled.
import { calculate } from '@flowtoll/aggregator/billing/calculate.ts';
import { calculationJson } from '@flowtoll/aggregator/billing/calculation-output.ts';
import { readPriceInput } from '@flowtoll/aggregator/billing/read-price-input.ts';
import { describe, expect, test } from 'vitest';
import { billInput } from './bill-input.ts';
import { exactTotal, type PrintedMonth, pico, roundedUsd, scaled } from './exact-total.ts';
import { HAND_WORKED_BILLS } from './hand-worked.ts';
import type { HandWorkedBill } from './hand-worked-bill.ts';

interface Result {
  readonly flows: readonly Record<string, unknown>[];
  readonly months: readonly PrintedMonth[];
}

interface Arithmetic {
  readonly rounded_usd: string | null;
  readonly exact_usd: string | null;
  readonly terms: readonly { readonly exact_usd: string }[];
}

function priced(input: unknown): Result {
  const unnamed = () => {
    throw new Error('a bill names no files');
  };
  const read = readPriceInput(JSON.stringify(input), 'bill', { loadBook: unnamed, loadPricing: unnamed });
  return JSON.parse(calculationJson(calculate(read))) as Result;
}

/** What the product says. It calls a peering a path; bills call it nothing. */
function expected({ expect: of, peer }: HandWorkedBill) {
  return {
    class: of.class,
    path: of.path === null && peer.network?.kind === 'peered' ? 'vpc-peering' : of.path,
    tx_cost_usd: of.txCost,
    rx_cost_usd: of.rxCost,
    processing_cost_usd: of.processingCost,
    price_basis: of.basis,
  };
}

describe('a row', () => {
  test.each(HAND_WORKED_BILLS)('$local.provider: $name', (bill) => {
    expect(priced(billInput(bill)).flows[0]).toMatchObject(expected(bill));
  });

  test('what the arithmetic says in sum is the cost, before it was rounded', () => {
    const costs = HAND_WORKED_BILLS.flatMap((bill) => {
      const { arithmetic } = priced(billInput(bill)).flows[0] as { readonly arithmetic: Record<string, Arithmetic> };
      return Object.values(arithmetic).filter(({ exact_usd }) => exact_usd !== null);
    });
    expect(costs.length).toBeGreaterThan(2 * HAND_WORKED_BILLS.length);
    for (const { terms, exact_usd, rounded_usd } of costs) {
      const sum = terms.map((term) => scaled(term.exact_usd, 120)).reduce((a, b) => a + b, 0n);
      expect(sum).toBe(scaled(exact_usd!, 120));
      expect(roundedUsd(sum, 120)).toBe(rounded_usd);
    }
  });
});

describe('a month', () => {
  const bills = HAND_WORKED_BILLS.flatMap((bill) =>
    bill.expect.month === undefined ? [] : [{ ...bill, ...bill.expect.month }],
  );

  test.each(bills)('$local.provider: $name', (bill) => {
    const result = priced(billInput(bill));
    const { usd } = bill;
    expect(exactTotal(result.months)).toBe(usd);
    const rounding = pico(result.months[0]!.total_usd) - pico(usd);
    expect(Math.abs(Number(rounding))).toBeLessThanOrEqual(
      result.months[0]!.providers.flatMap(({ lines }) => lines).length / 2,
    );
  });

  const withEarlier = bills.filter(({ usdWithEarlier }) => usdWithEarlier !== undefined);

  test.each(withEarlier)('with what was counted before, $local.provider: $name', (bill) => {
    expect(exactTotal(priced(billInput(bill, 'flows')).months)).toBe(bill.usdWithEarlier);
  });
});
