// A pricing configuration from a file, with the price books that it names. Every problem is named at once, with its place.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseText } from '../../document/parse-text.ts';
import { type DocumentKind, Problems } from '../../document/problems.ts';
import { FlowtollError } from '../../model/errors.ts';
import { defaultPriceBooks } from '../book/default-books.ts';
import type { PriceBook } from '../book/format.ts';
import { loadPriceBookFile } from '../book/read.ts';
import { checkConfig } from './check.ts';
import { type PricingConfig, pricingConfigSchema } from './format.ts';

const PRICING: DocumentKind = { name: 'pricing configuration', code: 'PRICING_INVALID', page: 'docs/pricing.md' };

/** What prices are made of: the configuration, and all books in force. */
export interface PricingSetup {
  readonly config: PricingConfig;
  readonly books: readonly PriceBook[];
}

/** Nothing configured: list prices of the books that come with Flowtoll. */
export function defaultPricing(): PricingSetup {
  return { config: { version: 1 }, books: defaultPriceBooks() };
}

/** Reads a file, YAML or JSON, and the books that it names. Throws PRICING_INVALID or PRICE_BOOK_INVALID, listing every problem. */
export function loadPricingFile(path: string): PricingSetup {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = 'check the path and its permissions';
    throw new FlowtollError('PRICING_INVALID', `pricing configuration ${path} cannot be read: ${reason}; ${advice}`, {
      cause,
    });
  }
  return parsePricing(text, path, (book) => loadPriceBookFile(resolve(dirname(path), book)));
}

/**
 * Parses the text of such a file; `name` names it in errors.
 * @param loadBook reads a book that it names
 */
export function parsePricing(text: string, name: string, loadBook: (path: string) => PriceBook): PricingSetup {
  const problems = new Problems(PRICING);
  const raw = parseText(text, problems);
  problems.throwIfAny(name);
  const parsed = pricingConfigSchema.safeParse(raw);
  if (!parsed.success) problems.addIssues([], parsed.error);
  problems.throwIfAny(name);
  const config = parsed.data!;
  const books = booksInForce((config.books ?? []).map(loadBook));
  checkConfig(config, books, problems);
  problems.throwIfAny(name);
  return { config, books };
}

/** The own books, and those that come with Flowtoll of all other providers. */
export function booksInForce(own: readonly PriceBook[]): readonly PriceBook[] {
  const providers = new Set(own.map((book) => book.provider));
  return [...own, ...defaultPriceBooks().filter((book) => !providers.has(book.provider))];
}
