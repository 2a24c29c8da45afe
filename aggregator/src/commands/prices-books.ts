// Price books as commands name them: a provider, for the book that comes with Flowtoll, or a file.
import { defaultPriceBooks } from '../pricing/book/default-books.ts';
import type { PriceBook } from '../pricing/book/format.ts';
import { loadPriceBookFile } from '../pricing/book/read.ts';
import { IMPORT_PROVIDERS } from '../pricing/importers/import-book.ts';

/** "aws", or a file. A file of such a name is "./aws". */
export function bookNamed(name: string): PriceBook {
  // A file is read also where the books that come along are of no interest.
  if (!IMPORT_PROVIDERS.some((provider) => provider === name)) return loadPriceBookFile(name);
  return defaultPriceBooks().find(({ provider }) => provider === name)!;
}
