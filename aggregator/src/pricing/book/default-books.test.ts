import { describe, expect, it } from 'vitest';
import { defaultPriceBooks } from './default-books.ts';
import { priceBookId } from './format.ts';
import { representatives } from './region-selector.ts';
import { ratesFor } from './testing.ts';

// Their figures are tested beside the books.
describe('default books', () => {
  const books = defaultPriceBooks().map((book) => ({ ...book, id: priceBookId(book) }));

  it('cover three providers', () => {
    expect(books.map(({ id }) => id)).toEqual(['aws@2026-11-23', 'gcp@2026-11-23', 'azure@2026-11-23']);
  });

  it('count a unit as each provider does', () => {
    expect(books.map(({ units }) => Object.entries(units).map(([name, { bytes }]) => [name, bytes]))).toEqual([
      [['GB', 1_073_741_824]],
      [['GiB', 1_073_741_824]],
      [['GB', 1_000_000_000]],
    ]);
  });

  it.each(books)('$id: every source has an address and a date, and is used', (book) => {
    for (const source of Object.values(book.sources)) {
      expect(source.address).toMatch(/\S/);
      expect(source.date).toMatch(/\d{4}|undated/);
    }
    const entries = [...Object.values(book.units), ...book.rates, ...book.processing!, ...book.allowances!];
    expect(new Set(entries.flatMap(({ sources }) => sources))).toEqual(new Set(Object.keys(book.sources)));
  });

  it.each(books)('$id: whatever is not exact says why', (book) => {
    const entries = [...Object.values(book.units), ...book.rates, ...book.processing!, ...book.allowances!];
    expect(entries.filter(({ basis, note }) => basis !== 'exact' && note === undefined)).toEqual([]);
  });

  it.each(books)('$id: what is free is an allowance, not a tier', (book) => {
    const tiers = [...book.rates, ...book.processing!].flatMap((entry) => entry.tiers ?? []);
    expect(tiers.length).toBeGreaterThan(0);
    expect(tiers.filter(({ usdPerUnit }) => Number(usdPerUnit) === 0)).toEqual([]);
  });

  it.each(books)('$id: rates of tiers fall', (book) => {
    for (const { tiers = [] } of [...book.rates, ...book.processing!]) {
      const rates = tiers.map(({ usdPerUnit }) => Number(usdPerUnit));
      expect(rates).toEqual(rates.toSorted((a, b) => b - a));
    }
  });

  it.each(books)('$id: every rate is what some traffic gets', (book) => {
    const selectors = book.rates.flatMap(({ regions = [], peerRegions = [] }) => [...regions, ...peerRegions]);
    const regions = [...new Set([...book.regions, ...representatives([selectors], book.groups ?? {})])];
    for (const rate of book.rates) {
      const switches = Object.fromEntries(
        Object.entries(rate.when ?? {}).map(([name, wanted]) => [name, [wanted].flat()[0]!]),
      );
      const traffic = {
        ...{ class: rate.class, switches, relation: rate.relations?.[0] ?? ('unknown' as const) },
        ...(rate.paths && { path: rate.paths[0]! }),
        ...(rate.services && { service: rate.services[0]! }),
      };
      // The rate by itself first: most pairs of regions are none of its own.
      const isFoundIn = (rates: typeof book.rates, region: string | null, peerRegion: string | null) =>
        rate.directions.every((direction) => {
          const places = { ...(region && { region }), ...(peerRegion && { peerRegion }) };
          return ratesFor({ ...book, rates }, { ...traffic, ...places }, direction).includes(rate);
        });
      const isFound = regions.some((region) =>
        regions.some((peer) => isFoundIn([rate], region, peer) && isFoundIn(book.rates, region, peer)),
      );
      expect([rate, isFound]).toEqual([rate, true]);
    }
  });

  it.each(books)('$id: what comes from the internet is free, wherever it goes', (book) => {
    const rates = book.rates.filter((rate) => rate.class === 'internet' && rate.directions.includes('in'));
    expect(rates).toMatchObject([{ directions: ['in'], usdPerUnit: '0', basis: 'exact' }]);
    expect(rates[0]).not.toHaveProperty('regions');
  });
});
