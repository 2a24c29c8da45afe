// A price book from text or from a file. Every problem is named at once, with its place.
import { readFileSync } from 'node:fs';
import { parseText } from '../../document/parse-text.ts';
import { type DocumentKind, Problems } from '../../document/problems.ts';
import { FlowtollError } from '../../model/errors.ts';
import { checkBook } from './check.ts';
import { type PriceBook, priceBookSchema } from './format.ts';

const PRICE_BOOK: DocumentKind = { name: 'price book', code: 'PRICE_BOOK_INVALID', page: 'docs/price-books.md' };

/** Reads a file, YAML or JSON. Throws PRICE_BOOK_INVALID, listing every problem. */
export function loadPriceBookFile(path: string): PriceBook {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = 'check the path and its permissions';
    throw new FlowtollError('PRICE_BOOK_INVALID', `price book ${path} cannot be read: ${reason}; ${advice}`, { cause });
  }
  return parsePriceBookText(text, path);
}

/** Parses the text of a book, YAML or JSON; `name` names it in errors. */
export function parsePriceBookText(text: string, name: string): PriceBook {
  const problems = new Problems(PRICE_BOOK);
  const raw = parseText(text, problems);
  problems.throwIfAny(name);
  return parsePriceBook(raw, name);
}

/** Checks a parsed document; `name` names it in errors. Throws PRICE_BOOK_INVALID, listing every problem. */
export function parsePriceBook(document: unknown, name: string): PriceBook {
  const problems = new Problems(PRICE_BOOK);
  const parsed = priceBookSchema.safeParse(document);
  if (parsed.success) checkBook(parsed.data, problems);
  else problems.addIssues([], parsed.error);
  problems.throwIfAny(name);
  return parsed.data!;
}
