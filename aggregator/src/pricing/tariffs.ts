// Which price book and which terms are in force for a provider at a time.
import { FlowtollError } from '../model/errors.ts';
import { type PriceBook, priceBookId } from './book/format.ts';
import type { PricingConfig } from './config/format.ts';
import type { Tariff } from './decision.ts';
import { createRates, type Rates } from './rates.ts';
import { createTerms } from './terms.ts';

const DAY_US = 86_400_000_000;

export interface Tariffs {
  /** When terms change, ascending, the first of all at 0; µs since the Unix epoch. */
  readonly changesUs: readonly number[];
  at(provider: string | null, startUs: number): Tariff;
}

/** Throws PRICE_BOOK_INVALID where two books of a provider begin on the same day. */
export function createTariffs(books: readonly PriceBook[], config: PricingConfig): Tariffs {
  const byProvider = new Map<string, { readonly fromUs: number; readonly rates: Rates }[]>();
  for (const book of books) {
    const versions = byProvider.get(book.provider) ?? [];
    const fromUs = book.effectiveFrom === undefined ? 0 : Date.parse(book.effectiveFrom) * 1000;
    if (versions.some((version) => version.fromUs === fromUs)) {
      throw new FlowtollError(
        'PRICE_BOOK_INVALID',
        `there are two price books for provider ${book.provider} from the same day on; leave one of them out, or give the newer one its effectiveFrom`,
      );
    }
    versions.push({ fromUs, rates: createRates(book) });
    byProvider.set(
      book.provider,
      versions.toSorted((a, b) => a.fromUs - b.fromUs),
    );
  }
  const days = [...(config.discounts ?? []), ...(config.privateRates ?? [])].flatMap((entry) => [
    ...('from' in entry && entry.from !== undefined ? [entry.from] : []),
    ...(entry.until === undefined ? [] : [entry.until]),
  ]);
  const changes = new Set([
    0,
    ...days.map((day) => Date.parse(day) * 1000),
    ...[...byProvider.values()].flat().map((version) => version.fromUs),
  ]);
  return {
    changesUs: [...changes].toSorted((a, b) => a - b),
    at(provider, startUs) {
      const versions = (provider === null ? undefined : byProvider.get(provider)) ?? [];
      // Before the first book there is nothing better than the first.
      const rates = (versions.findLast(({ fromUs }) => fromUs <= startUs) ?? versions[0])?.rates;
      const dayMs = Math.floor(startUs / DAY_US) * (DAY_US / 1000);
      return {
        bookId: rates === undefined ? null : priceBookId(rates.book),
        rates,
        terms: createTerms(rates?.book, provider ?? '', config, dayMs),
      };
    },
  };
}
