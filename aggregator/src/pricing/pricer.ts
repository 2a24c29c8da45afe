// Puts the cost on a classified row: what the cloud bills the local side, at the marginal list rate. A known zero is 0, a
// rate that nobody gave is null: unknown is never zero.
import { FlowtollError } from '../model/errors.ts';
import type { FlowRow, PicoUsd } from '../model/flow-row.ts';
import { costOf } from './money.ts';
import type { PriceBook } from './price-book.ts';
import { createRateTable, type Rate, type RateTable, worseBasis } from './rate-table.ts';

export interface PricerOptions {
  /** At most one per provider. */
  readonly books: readonly PriceBook[];
}

export interface Pricer {
  /**
   * Sets the five price columns from the class, the places and the bytes of the row. Throws PRICE_OVERFLOW where a cost
   * reaches 1,000,000 USD; the row then has null costs and basis `none`, and can be stored as it is.
   */
  price(row: FlowRow): void;
}

export function createPricer({ books }: PricerOptions): Pricer {
  const tables = new Map<string, RateTable>();
  for (const book of books) {
    if (tables.has(book.provider)) {
      throw new FlowtollError(
        'PRICE_BOOK_INVALID',
        `there are two price books for provider ${book.provider}; leave one of them out`,
      );
    }
    tables.set(book.provider, createRateTable(book));
  }

  return {
    price(row) {
      setUnpriced(row);
      switch (row.trafficClass) {
        case 'unknown':
        case 'lost':
          return;
        case 'same-node':
        case 'encapsulation':
          // Never on a wire that is billed, or counted inside the tunnel: no book is needed to know it.
          row.txCost = 0n;
          row.rxCost = 0n;
          row.processingCost = 0n;
          row.priceBasis = 'exact';
          return;
        default:
          priceWithTable(row, row.provider === null ? undefined : tables.get(row.provider));
      }
    },
  };
}

function setUnpriced(row: FlowRow): void {
  row.txCost = null;
  row.rxCost = null;
  row.processingCost = null;
  row.priceBook = null;
  row.priceBasis = 'none';
}

function priceWithTable(row: FlowRow, table: RateTable | undefined): void {
  const rates = table?.lookup(row.trafficClass, row.path, row.region, row.peerRegion);
  const out = rates?.out;
  const into = rates?.in;
  const txBytes = row.txBytes ?? 0;
  const rxBytes = row.rxBytes ?? 0;
  row.priceBook = table?.bookId ?? null;
  try {
    row.txCost = directionCost(txBytes, out);
    row.rxCost = directionCost(rxBytes, into);
  } catch (error) {
    row.txCost = null;
    row.rxCost = null;
    throw error;
  }
  // Nothing on the path that is billed by itself; a path that has something needs a rate of its own.
  row.processingCost = row.path === null ? 0n : null;
  if (row.txCost !== null && row.rxCost !== null && row.processingCost !== null) {
    const txBasis = txBytes > 0 && out !== undefined ? out.basis : 'exact';
    const rxBasis = rxBytes > 0 && into !== undefined ? into.basis : 'exact';
    row.priceBasis = worseBasis(txBasis, rxBasis);
  }
}

function directionCost(bytes: number, rate: Rate | undefined): PicoUsd | null {
  if (bytes === 0) {
    return 0n;
  }
  return rate === undefined ? null : costOf(bytes, rate.perByte);
}
