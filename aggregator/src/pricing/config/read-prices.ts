// Prices to price again with: a pricing configuration, as `serve` takes it, or a price book alone, by which the books of its provider are
// replaced. Every problem is named at once, with its place.
import { readFileSync } from 'node:fs';
import { parseText } from '../../document/parse-text.ts';
import { type DocumentKind, Problems } from '../../document/problems.ts';
import { FlowtollError } from '../../model/errors.ts';
import type { PriceBook } from '../book/format.ts';
import { loadPriceBookFile } from '../book/read.ts';
import { checkConfig } from './check.ts';
import { loadPricingFile, type PricingSetup } from './read.ts';

const PRICES: DocumentKind = {
  ...{ name: 'price book or pricing configuration', code: 'PRICING_INVALID', page: 'docs/pricing.md' },
};

/** What only a price book begins with. */
const BOOK_MARK = 'formatVersion';

/**
 * Reads a file, YAML or JSON. Throws PRICING_INVALID or PRICE_BOOK_INVALID, listing every problem.
 * @param base what counts beside a price book; not asked for a configuration, which is complete in itself
 */
export function loadPricesFile(path: string, base: () => PricingSetup): PricingSetup {
  const problems = new Problems(PRICES);
  const raw = parseText(readText(path), problems);
  problems.throwIfAny(path);
  return Object.hasOwn(raw!, BOOK_MARK) ? withBook(base(), loadPriceBookFile(path), path) : loadPricingFile(path);
}

/** The same prices with this book in place of those of its provider. Throws PRICING_INVALID where the configuration does not fit it. */
function withBook({ config, books }: PricingSetup, book: PriceBook, name: string): PricingSetup {
  const inForce = [book, ...books.filter(({ provider }) => provider !== book.provider)];
  const problems = new Problems({ ...PRICES, name: 'pricing configuration, with the price book' });
  checkConfig(config, inForce, problems);
  problems.throwIfAny(name);
  return { config, books: inForce };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError(
      'PRICING_INVALID',
      `prices ${path} cannot be read: ${reason}; check the path and its permissions`,
      {
        cause,
      },
    );
  }
}
